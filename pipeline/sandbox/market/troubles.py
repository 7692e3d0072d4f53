"""Faults of a call, whatever it was about: answers that a market, or somebody before it, gives in place of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from aiohttp import web

from pipeline.sandbox.market import wire
from pipeline.sandbox.market.faults import Faults
from pipeline.sandbox.market.wire import Refusal

HUGE: Final = 5 * 1024 * 1024
RETRY: Final = 2  # seconds


@dataclass(frozen=True, slots=True)
class Struck:
    """The call in hand. `seconds` are real ones; `answer` is what the market would have said, None before it acted."""

    request: web.Request
    gap: float
    seconds: float
    now: datetime
    answer: web.StreamResponse | None = None

    @property
    def body(self) -> bytes:
        return bytes(self.answer.body) if isinstance(self.answer, web.Response) and self.answer.body else b""  # type: ignore[arg-type]  # ours are bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """`op`: the only operation it strikes, "" for any."""

    op: str
    says: Callable[[Struck], Awaitable[web.StreamResponse]]


def _fixed(make: Callable[[Struck], web.StreamResponse]) -> Callable[[Struck], Awaitable[web.StreamResponse]]:
    async def says(struck: Struck) -> web.StreamResponse:
        return make(struck)

    return says


def _refused(status: int, error: str, msg: str) -> Callable[[Struck], Awaitable[web.StreamResponse]]:
    return _fixed(lambda _: wire.refused(Refusal(status, error, msg)))


def lost(struck: Struck) -> web.StreamResponse:
    """Break the connection before the first byte of an answer."""
    if struck.request.transport is not None:
        struck.request.transport.abort()
    return web.Response()


async def hung(struck: Struck) -> web.StreamResponse:
    await asyncio.sleep(struck.seconds)
    return lost(struck)


async def late_504(struck: Struck) -> web.StreamResponse:
    await asyncio.sleep(struck.seconds)
    return wire.page(504, "504 Gateway Time-out")


async def broken(struck: Struck) -> web.StreamResponse:
    """Half of the body, of a length that promised all of it."""
    body = struck.body
    reply = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body) + 1)})
    await reply.prepare(struck.request)
    await reply.write(body[: len(body) // 2])
    lost(struck)
    return reply


def quota(struck: Struck) -> web.StreamResponse:
    """No more searches until midnight UTC, which a header names in seconds since 1970."""
    midnight = datetime.combine(struck.now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    reply = wire.refused(Refusal(429, "search_quota_exceeded", "Daily search quota exceeded"))
    reply.headers["X-RateLimit-Reset"] = str(int(midnight.timestamp()))
    return reply


def with_header(struck: Struck) -> web.StreamResponse:
    reply = wire.too_fast(struck.gap)
    reply.headers["Retry-After"] = str(RETRY)
    return reply


def _detail(struck: Struck) -> web.StreamResponse:
    return wire.answer({"detail": f"API requests too frequent endpoint threshold={struck.gap:g}"}, 429)


def _retry_after(_: Struck) -> web.StreamResponse:
    return wire.answer({"success": False, "msg": "API requests too frequent", "retry_after": RETRY}, 429)


def _said(body: bytes, kind: str = "application/json") -> web.StreamResponse:
    return web.Response(body=body, headers={"Content-Type": kind})


_TOO_FAST: Final = _fixed(lambda struck: wire.too_fast(struck.gap))
_HTML: Final = _fixed(lambda _: wire.page(200, "Just a moment..."))
_500: Final = _refused(500, "server_error", "Something went wrong on the server")

INSTEAD: Final[Mapping[str, Trouble]] = {  # nothing is done
    "no-credit": Trouble("rent", _refused(400, "insufficient_credit", "Your account lacks credit; see billing")),
    "429-text": Trouble("", _TOO_FAST),
    "429-detail": Trouble("", _fixed(_detail)),
    "429-body": Trouble("", _fixed(_retry_after)),
    "429-header": Trouble("", _fixed(with_header)),
    "search-quota": Trouble("search", _fixed(quota)),
    "list-deprecated": Trouble("list", _refused(410, "deprecated_endpoint", "This list is deprecated.")),
    "key-unknown": Trouble("", _refused(404, "auth_error", "Invalid user key")),
    "key-missing": Trouble("", _refused(403, "auth_error", "This action requires login.")),
    "key-expired": Trouble("", _refused(404, "auth_error", "Session expired. Please log in again.")),
    "key-scoped": Trouble("", _refused(403, "not_authorized", "Your API key's permissions do not allow this.")),
    "destroy-429": Trouble("destroy", _TOO_FAST),
    "destroy-500": Trouble("destroy", _500),
    "destroy-timeout": Trouble("destroy", hung),
    "destroy-refused": Trouble("destroy", _fixed(lambda _: wire.answer({"success": False, "msg": "try later"}))),
    "list-bad-token": Trouble("list", _refused(400, "invalid_token", "Invalid pagination token")),
    "list-html": Trouble("list", _HTML),
    "answer-html": Trouble("", _HTML),
}
AFTERWARDS: Final[Mapping[str, Trouble]] = {  # what was asked for is done
    "lost-create-reply": Trouble("rent", _fixed(lost)),
    "create-502": Trouble("rent", _fixed(lambda _: wire.page(502, "502 Bad Gateway"))),
    "create-504": Trouble("rent", late_504),
    "destroy-500-applied": Trouble("destroy", _500),
    "destroy-timeout-applied": Trouble("destroy", hung),
    "destroy-not-found": Trouble("destroy", _refused(404, "not_found", "Instance not found")),
    "answer-truncated": Trouble("", _fixed(lambda struck: _said(struck.body[: len(struck.body) // 2]))),
    "answer-broken": Trouble("", broken),
    "answer-empty": Trouble("", _fixed(lambda _: _said(b""))),
    "answer-huge": Trouble("", _fixed(lambda struck: _said(b" " * HUGE + struck.body))),
    "answer-charset": Trouble("", _fixed(lambda struck: _said(struck.body, "application/json; charset=utf-8"))),
}


def struck_by(faults: Faults, op: str, table: Mapping[str, Trouble]) -> Iterator[tuple[str, Trouble]]:
    """The armed troubles of `table` for one operation."""
    for name, trouble in table.items():
        if trouble.op in {"", op} and faults.armed(name, op):
            yield name, trouble
