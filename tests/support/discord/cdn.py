"""Discord's CDN: what was uploaded, at signed addresses that expire."""

import asyncio
from typing import Final

from aiohttp import web

from tests.support.discord.state import State

GONE: Final = "This content is no longer available."


class Cdn:
    """`open` may be cleared: every download then waits until it is set, as on a slow day."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0
        self.refused = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/attachments/{folder}/{id}/{name}", self._get),
            web.get("/ephemeral-attachments/{folder}/{id}/{name}", self._get),
        ]

    async def _get(self, request: web.Request) -> web.StreamResponse:
        upload, query = self._state.uploads.get(request.path), request.query
        ends, begins = query.get("ex", ""), query.get("is", "")
        right = upload is not None and query.get("hm") == self._state.seal(request.path, ends, begins)
        if upload is None or not right or int(ends, 16) <= self._state.clock.now().timestamp():
            self.refused += 1
            return web.Response(status=404, text=GONE)
        self.waiting += 1
        self._state.bell.ring()
        await self.open.wait()
        self.waiting -= 1
        upload.fetched += 1
        self._state.bell.ring()
        return web.Response(body=upload.data, headers={"Content-Type": upload.kind})
