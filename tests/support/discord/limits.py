"""Discord's patience: buckets a route, 50 requests a second in all, edits of old messages, and invalid requests."""

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from tests.support.discord.state import Json, State

GLOBAL: Final = 50  # requests a second of one bot; interactions are exempt
INVALID: Final = (10_000, timedelta(minutes=10))  # answers 401, 403, 429; then the address is banned
OLD: Final = timedelta(hours=1)
OLD_EDITS: Final = (3, timedelta(seconds=6))  # a channel (userdoccers PR 551)
# (method, route) -> requests, seconds. Unpublished and flexible; these are what bots see most of the time
BUCKETS: Final[dict[tuple[str, str], tuple[int, float]]] = {
    ("POST", "/channels/{channel_id}/messages"): (5, 5),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1),
    ("POST", "/users/@me/channels"): (10, 10),
    ("PUT", "/applications/{application_id}/commands"): (2, 20),
    ("PUT", "/applications/{application_id}/guilds/{guild_id}/commands"): (2, 5),
    ("POST", "/webhooks/{webhook_id}/{webhook_token}"): (5, 2),
    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"): (5, 2),
}
USUAL: Final = (30, 10.0)
MAJOR: Final = ("channel_id", "guild_id", "webhook_token")


@dataclass(slots=True, kw_only=True)
class Refuse:
    """A 429 that a test orders: for the next `times` requests that fit."""

    method: str
    path: str  # pattern
    times: int = 1
    retry_after: float = 0.3
    via: bool = True  # without it, it comes from the edge: the client must not go on
    everywhere: bool = False  # the global limit
    code: int = 0
    given: int = 0


@dataclass(slots=True)
class Window:
    """What happened within the last seconds, by our clock."""

    hits: deque[datetime] = field(default_factory=deque)

    def left(self, now: datetime, most: int, seconds: float) -> tuple[int, float]:
        """(how many more there may be, seconds until the oldest is forgotten)."""
        while self.hits and (now - self.hits[0]).total_seconds() >= seconds:
            self.hits.popleft()
        wait = seconds - (now - self.hits[0]).total_seconds() if self.hits else 0.0
        return most - len(self.hits), wait


class Limited(Exception):
    """429, with what Discord says about it."""

    def __init__(self, after: float, *, scope: str = "user", via: bool = True, code: int = 0) -> None:
        self.after = after
        self.scope = scope
        self.via = via
        self.code = code
        super().__init__(f"429 {scope} {after:.2f} {code or ''}")

    def response(self) -> tuple[Json | str, dict[str, str]]:
        if not self.via:
            return "error code: 1015", {"Retry-After": str(max(1, round(self.after)))}
        body: Json = {
            "message": "You are being rate limited.", "retry_after": round(self.after, 3),
            "global": self.scope == "global", "code": self.code,
        }  # fmt: skip
        headers = {
            "Via": "1.1 google", "Retry-After": str(max(1, round(self.after))), "X-RateLimit-Scope": self.scope,
        }  # fmt: skip
        if self.scope == "global":
            headers["X-RateLimit-Global"] = "true"
        return body, headers


class Limits:
    """Who asks too much is told so, and it is written down."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._windows: dict[tuple[str, ...], Window] = {}
        self.ordered: list[Refuse] = []
        self.exceeded: list[str] = []  # 429s that the bot brought upon itself
        self.invalid = 0

    def order(self, refuse: Refuse) -> Refuse:
        self.ordered.append(refuse)
        return refuse

    def _window(self, *key: str) -> Window:
        return self._windows.setdefault(key, Window())

    def enter(self, request: web.Request, route: str) -> dict[str, str]:
        """Let the request in; the bucket's headers for its answer. Raises Limited."""
        now = self._state.clock.now()
        self._as_ordered(request)
        free = route.startswith(("/interactions/", "/webhooks/"))
        if not free:
            self._take(self._window("global"), GLOBAL, 1, f"global: {request.path}", "global")
        if route.startswith("/interactions/"):
            return {}
        most, seconds = BUCKETS.get((request.method, route.replace("@original", "{message_id}")), USUAL)
        major = next((request.match_info[key] for key in MAJOR if key in request.match_info), "")
        window = self._window(request.method, route, major)
        self._take(window, most, seconds, f"{request.method} {request.path}", "user")
        left, wait = window.left(now, most, seconds)
        return {
            "X-RateLimit-Limit": str(most), "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": f"{now.timestamp() + wait:.3f}", "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": f"{hash((request.method, route)) & 0xFFFFFFFF:08x}", "Via": "1.1 google",
        }  # fmt: skip

    def _as_ordered(self, request: web.Request) -> None:
        for one in self.ordered:
            if one.given < one.times and one.method == request.method and re.search(one.path, request.path):
                one.given += 1
                self._state.bell.ring()
                scope = "global" if one.everywhere else "shared"
                raise Limited(one.retry_after, scope=scope, via=one.via, code=one.code)

    def _take(self, window: Window, most: int, seconds: float, what: str, scope: str, code: int = 0) -> None:
        now = self._state.clock.now()
        left, wait = window.left(now, most, seconds)
        if left <= 0:
            self.exceeded.append(what)
            raise Limited(wait, scope=scope, code=code)
        window.hits.append(now)

    def edit_of_old(self, channel: int, made_at: datetime) -> None:
        """Raises Limited(30046) for too many edits of messages that are over an hour old."""
        if self._state.clock.now() - made_at > OLD:
            most, span = OLD_EDITS
            what = f"30046 in channel {channel}"
            self._take(self._window("old", str(channel)), most, span.total_seconds(), what, "shared", 30046)

    def note(self, status: int, scope: str) -> None:
        """Count an answer that Discord calls invalid; a shared limit's 429 is not one."""
        if status in {401, 403} or (status == 429 and scope != "shared"):
            self._window("invalid").hits.append(self._state.clock.now())
            self.invalid += 1

    @property
    def banned(self) -> bool:
        most, span = INVALID
        return self._window("invalid").left(self._state.clock.now(), most, span.total_seconds())[0] <= 0
