"""Who may call what, and how often: the key, the pause each endpoint wants, and faults of the line itself."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from pipeline.sandbox.market import wire
from pipeline.sandbox.market.floor import Floor
from pipeline.sandbox.market.troubles import AFTERWARDS, INSTEAD, Struck, Trouble, struck_by
from pipeline.sandbox.market.wire import Refusal

JITTER: Final = 0.05  # real seconds: a loopback's and a busy machine's unevenness, which `speed` does not scale


@dataclass(frozen=True, slots=True)
class Caller:
    """`instance` is None for the account itself, else the only rental this key may touch."""

    instance: int | None = None


Handler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint, and `op`, its name among the faults.

    `gap`: seconds of life between two calls with one key; `penalty`: the wait after a broken gap.
    """

    method: str
    path: str
    handler: Handler
    gap: float = 0.0
    penalty: float = 0.0
    open: bool = False  # needs no key
    scoped: bool = False  # also for a rental's own key
    op: str = ""


class Gate:
    """Stands before every handler."""

    def __init__(self, floor: Floor, api_key: str) -> None:
        self._floor = floor
        self._api_key = api_key
        self._free: dict[tuple[str, Route], float] = {}

    def guard(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await route.handler(request, Caller()) if route.open else await self._let_in(request, route)
            except Refusal as refusal:
                return wire.refused(refusal)

        return guarded

    async def _let_in(self, request: web.Request, route: Route) -> web.StreamResponse:
        key = _key(request)
        caller = self._caller(key)
        if caller.instance is not None and not route.scoped:
            raise not_yours()
        for name, trouble in struck_by(self._floor.faults, route.op, INSTEAD):
            return await self._struck(request, route, name, trouble)
        if self._hasty(key, route):
            return wire.too_fast(route.gap or 1.0)
        answer = await route.handler(request, caller)
        for name, trouble in struck_by(self._floor.faults, route.op, AFTERWARDS):
            return await self._struck(request, route, name, trouble, answer)
        return answer

    async def _struck(
        self, request: web.Request, route: Route, name: str, trouble: Trouble, answer: web.StreamResponse | None = None
    ) -> web.StreamResponse:
        seconds = (self._floor.faults.lasts(name) or 0.0) / self._floor.speed
        return await trouble.says(Struck(request, route.gap or 1.0, seconds, self._floor.clock(), answer))

    def _caller(self, key: str) -> Caller:
        """Raises Refusal: 403 without a key, 404 with an unknown one, as life does."""
        if not key:
            raise Refusal(403, "auth_error", "This action requires login.")
        if hmac.compare_digest(key.encode(), self._api_key.encode()):
            return Caller()
        for rental in self._floor.live():
            if hmac.compare_digest(key.encode(), rental.key.encode()):
                return Caller(rental.id)
        raise Refusal(404, "auth_error", "Invalid user key")

    def _hasty(self, key: str, route: Route) -> bool:
        """Whether the call comes too early; one that does not, sets the time of the next."""
        now = asyncio.get_running_loop().time()
        free = self._free.get((key, route), now)
        if now + JITTER < free:
            self._free[key, route] = max(free, now + route.penalty / self._floor.speed)
            return True
        self._free[key, route] = now + route.gap / self._floor.speed
        return False


def not_yours() -> Refusal:
    """To a rental's own key that reaches further than it may."""
    return Refusal(403, "not_authorized", "This key may only start, stop or destroy its own instance.")


def _key(request: web.Request) -> str:
    """From the header, or from the query, which life still takes."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme == "Bearer" else request.query.get("api_key", "")
