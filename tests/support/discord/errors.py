"""Discord's refusals: an HTTP status, a code of its own, and its words."""

from typing import Final

from tests.support.discord.state import Json

# (status, words) of each code we play (discord-api-docs, "JSON error codes")
KNOWN: Final[dict[int, tuple[int, str]]] = {
    0: (401, "401: Unauthorized"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached max number of follow up messages."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50109: (400, "The request body contains invalid JSON."),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
}


class Refusal(Exception):
    """An answer that is not a yes."""

    def __init__(self, code: int, status: int | None = None, **more: object) -> None:
        known, words = KNOWN.get(code, (400, f"Error {code}"))
        self.status = status or known
        self.body: Json = {"code": code, "message": words, **more}
        super().__init__(f"{self.status} {code} {words} {more or ''}")


def invalid(where: str, words: str, code: str = "BASE_TYPE_BAD_LENGTH") -> Refusal:
    """50035, with the tree of keys that leads to what is wrong (`where` = "embeds.0.title")."""
    tree: Json = {"_errors": [{"code": code, "message": words}]}
    for key in reversed(where.split(".")):
        tree = {key: tree}
    return Refusal(50035, errors=tree)
