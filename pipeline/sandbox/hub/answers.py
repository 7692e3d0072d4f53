"""What the hub says no with: JSON, and the headers its client decides by."""

from aiohttp import web


class Refusal(Exception):  # an answer, not a bug
    """One HTTP error. `code` is X-Error-Code: RepoNotFound, RevisionNotFound, EntryNotFound or GatedRepo."""

    def __init__(self, status: int, message: str, code: str = "", **more: str) -> None:
        """`more` joins the body, as the `url` of a 409 does."""
        super().__init__(message)
        self.status, self.message, self.code, self.more = status, message, code, more

    def answer(self, request_id: str) -> web.Response:
        headers = {"X-Error-Message": self.message, "X-Request-Id": request_id}
        if self.code:
            headers["X-Error-Code"] = self.code
        return web.json_response({"error": self.message, **self.more}, status=self.status, headers=headers)


def bad_credentials() -> Refusal:
    return Refusal(401, "Invalid credentials in Authorization header")


def no_repo(*, known: bool) -> Refusal:
    """A stranger is asked who he is; who is known hears that there is nothing.

    The real hub sends no code with the 401: its client tells by the https address. On http only the code helps.
    """
    if known:
        return Refusal(404, "Repository not found", "RepoNotFound")
    return Refusal(401, "Invalid username or password.", "RepoNotFound")


def no_rights(namespace: str) -> Refusal:
    return Refusal(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
