"""What the Bot API says no with: code, Telegram's own words, and the parameters a client steers by."""

from typing import Any, Final

GONE_QUERY: Final = "query is too old and response timeout expired or query ID is invalid"


class Refusal(Exception):
    """One answer with `ok: false`. `parameters`: retry_after in seconds, or migrate_to_chat_id."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        """`description` as a client reads it, "Bad Request: " and all."""
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters

    def body(self) -> dict[str, Any]:
        said: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return said | ({"parameters": self.parameters} if self.parameters else {})


def bad(why: str) -> Refusal:
    return Refusal(400, f"Bad Request: {why}")


def forbidden(why: str) -> Refusal:
    return Refusal(403, f"Forbidden: {why}")


def conflict(why: str) -> Refusal:
    return Refusal(409, f"Conflict: {why}")


def too_many(seconds: int) -> Refusal:
    return Refusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def migrated(to: int) -> Refusal:
    return Refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=to)


def too_large() -> Refusal:
    return Refusal(413, "Request Entity Too Large")


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized")


def no_method() -> Refusal:
    return Refusal(404, "Not Found: method not found")
