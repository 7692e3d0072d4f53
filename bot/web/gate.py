"""What stands before every request: headers, where it may come from, how long it may take, how many there may be."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READS: Final = frozenset({"GET", "HEAD"})
TELEGRAM: Final = "https://web.telegram.org"  # the one page that may show ours in a frame
REMEMBERED: Final = 10_000  # links counted at once
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {framers}"
)
HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds. Not ours to pace: they are about other people's lines."""

    keepalive: float = 15.0  # between requests, and for a header
    request: float = 30.0  # for all of a request: at 35 kB/s, a chunk of 1 MB
    linger: float = 2.0  # to read the rest of a body we refused, so that the refusal is heard
    slowest: float = 20_000.0  # bytes a second that a download must take
    download: float = 60.0  # for the least of them
    shutdown: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How much one link may ask."""

    at_once: int = 4
    burst: int = 200
    each_second: float = 40.0


class TooMany(Exception):
    """Ask again in a second."""


class Gate:
    """Counts the requests of each link."""

    def __init__(self, crowd: Crowd | None = None) -> None:
        self._crowd = crowd or Crowd()
        self._now: dict[str, int] = {}
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, as of when

    @contextmanager
    def through(self, link: str) -> Iterator[None]:
        """One request of `link`. Raises TooMany."""
        here = self._now.get(link, 0)
        if here >= self._crowd.at_once or not self._spend(link):
            raise TooMany
        self._now[link] = here + 1
        try:
            yield
        finally:
            self._now[link] -= 1
            if not self._now[link]:
                del self._now[link]

    def _spend(self, link: str) -> bool:
        now = asyncio.get_running_loop().time()
        left, since = self._left.pop(link, (float(self._crowd.burst), now))
        left = min(float(self._crowd.burst), left + (now - since) * self._crowd.each_second)
        self._left[link] = (max(0.0, left - 1), now)
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return left >= 1


def origin_of(url: str) -> str:
    """What a browser calls the origin of `url`."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in {None, default} else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def with_headers(*, framed: bool) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal: every answer says what a browser may do with it. `framed`: Telegram's web client may show it."""
    headers = {**HEADERS, "Content-Security-Policy": POLICY.format(framers=TELEGRAM if framed else "'none'")}
    if not framed:
        headers["X-Frame-Options"] = "DENY"  # it knows no list: with one, the policy alone speaks

    async def about_to_answer(_request: web.Request, answer: web.StreamResponse) -> None:
        for name, value in headers.items():
            answer.headers.setdefault(name, value)

    return about_to_answer


def from_here(origin: str) -> Middleware:
    """A middleware: only our own page writes. A browser sends Origin with every write; what sends none is not ours."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in READS and request.headers.get("Origin") != origin:
            raise web.HTTPForbidden(text="origin")
        return await handler(request)

    return middleware


def in_time(patience: Patience) -> Middleware:
    """A middleware: who takes longer is hung up on, in the middle of a sentence. A line that broke is no error."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            async with asyncio.timeout(patience.request):
                return await handler(request)
        except (TimeoutError, ConnectionError):
            return hung_up(request)

    return middleware


def hung_up(request: web.Request) -> web.Response:
    """End the connection at once; the answer is for aiohttp, which finds nobody there to give it to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=408)
