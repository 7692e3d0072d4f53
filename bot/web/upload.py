"""The upload page's own requests: open a link, begin a file, add to it, ask how much is here."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from aiohttp import web

from bot.web import miniapp
from bot.web.gate import Gate, TooMany
from bot.web.handing import Handing
from bot.web.inbox import Inbox, Refused, Upload
from bot.web.links import LIFE, Guest, Links
from pipeline.domain.text import line
from pipeline.ports import Clock

OFFSET: Final = "Upload-Offset"
LENGTH: Final = "Upload-Length"
RENEWED: Final = "Upload-Session"
MOST_JSON: Final = 64 * 1024
BEARER: Final = "Bearer "


class Desklet:
    """Answers the page. Who asks is known by a cookie, or by a bearer inside Telegram's frames, where none is sent."""

    def __init__(
        self, links: Links, inbox: Inbox, handing: Handing, gate: Gate, clock: Clock, *, cookie: str, telegram: str
    ) -> None:
        """`cookie` is its name; `telegram` the bot's token, "" where there is none."""
        self._links, self._inbox, self._handing, self._gate, self._clock = links, inbox, handing, gate, clock
        self._cookie, self._telegram = cookie, telegram
        self._turns = Turns()

    def routes(self) -> list[web.RouteDef]:
        """Below /upload."""
        return [
            web.post("/session", self.open),
            web.get("/session", self._guarded(self.again), allow_head=False),
            web.post("/files", self._guarded(self.begin)),
            web.head("/files/{id}", self._guarded(self.offset)),
            web.patch("/files/{id}", self._guarded(self.add)),
            web.delete("/files/{id}", self._guarded(self.drop)),
        ]

    # --- who is asking

    async def open(self, request: web.Request) -> web.Response:
        """Exchange a link's token, or what Telegram says of its person, for a session."""
        said = await _json(request)
        if "telegram" in said:
            who = miniapp.person(str(said["telegram"]), self._telegram, self._clock.now())
            guest = self._links.guest(*who) if who else None
        else:
            guest = await self._links.opened(str(said.get("token", "")), str(said.get("browser", ""))[:100])
        if guest is None:
            raise web.HTTPForbidden(text="link")
        answer = await self._welcome(guest, bearer="telegram" in said)
        self._remember(request, answer, guest)
        return answer

    async def again(self, _request: web.Request, guest: Guest) -> web.Response:
        """The page was loaded anew."""
        return await self._welcome(guest)

    async def _welcome(self, guest: Guest, *, bearer: bool = False) -> web.Response:
        waiting = await self._inbox.waiting(guest.identity)
        unfinished = [_row(upload, self._inbox.here(upload)) for upload in waiting]
        said = {"back": guest.back, "unfinished": unfinished, "bearer": self._links.session(guest) if bearer else ""}
        return web.json_response(said)

    def _remember(self, request: web.Request, answer: web.StreamResponse, guest: Guest) -> None:
        session = self._links.session(guest)
        if "Authorization" in request.headers:
            answer.headers[RENEWED] = session
        answer.set_cookie(
            self._cookie, session, path="/", httponly=True, samesite="Strict",
            secure=self._cookie.startswith("__Host-"), max_age=int(LIFE.total_seconds()),
        )  # fmt: skip

    def _guarded(
        self, handler: Callable[[web.Request, Guest], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Only for a guest, and not too many at once. A page that is busy stays open."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            guest = self._guest(request)
            if guest is None:
                raise web.HTTPUnauthorized(text="link")
            try:
                with self._gate.through(guest.link):
                    answer = await handler(request, guest)
            except TooMany:
                raise web.HTTPTooManyRequests(headers={"Retry-After": "1"}) from None
            except Refused as refused:
                return _refusal(refused)
            if guest.until - self._clock.now() < LIFE - timedelta(minutes=5):
                self._remember(request, answer, guest)
            return answer

        return guarded

    def _guest(self, request: web.Request) -> Guest | None:
        shown = request.headers.get("Authorization", "")
        token = shown.removeprefix(BEARER) if shown.startswith(BEARER) else request.cookies.get(self._cookie, "")
        return self._links.of_session(token)

    # --- files

    async def begin(self, request: web.Request, guest: Guest) -> web.Response:
        said = await _json(request)
        name, size, mark = said.get("name"), said.get("size"), said.get("mark", "")
        if not (isinstance(name, str) and isinstance(mark, str) and type(size) is int):
            raise web.HTTPBadRequest
        upload = await self._inbox.begin(guest, line(name[-200:], 200), size, mark[:300])
        return web.json_response(_row(upload, 0), status=201)

    async def offset(self, request: web.Request, guest: Guest) -> web.Response:
        upload, here = await self._own(request, guest)
        self._when_whole(upload, here)
        return web.Response(headers={OFFSET: str(here), LENGTH: str(upload.size)})

    async def add(self, request: web.Request, guest: Guest) -> web.Response:
        """Append a chunk. The server owns the offset: one that differs from it changes nothing."""
        if request.content_length is None:
            raise web.HTTPLengthRequired
        async with self._turns.of(request.match_info["id"]):
            upload, here = await self._own(request, guest)
            offset = request.headers.get(OFFSET, "")
            if offset != str(here):
                raise Refused("offset", 409, here)
            if here < upload.size:
                here = await self._inbox.write(upload, here, request.content.iter_any(), request.content_length)
        self._when_whole(upload, here)
        return web.Response(status=204, headers={OFFSET: str(here)})

    async def drop(self, request: web.Request, guest: Guest) -> web.Response:
        async with self._turns.of(request.match_info["id"]):
            upload, here = await self._own(request, guest)
            if here == upload.size:
                raise Refused("late", 409, here)  # it is on its way into the draft
            await self._inbox.drop(upload)
        return web.Response(status=204)

    def _when_whole(self, upload: Upload, here: int) -> None:
        """Asked again at every answer: the request that brought the last byte may have died of it."""
        if here == upload.size:
            self._handing.bring(upload)

    async def _own(self, request: web.Request, guest: Guest) -> tuple[Upload, int]:
        found = await self._inbox.get(guest, request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound
        return found


class Turns:
    """One request at a time may change a file. Who comes ends the one before: its line was cut."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._holders: dict[str, asyncio.Task[Any]] = {}

    @asynccontextmanager
    async def of(self, upload: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(upload, asyncio.Lock())
        if upload in self._holders:
            self._holders[upload].cancel()
        async with lock:
            task = asyncio.current_task()
            assert task is not None
            self._holders[upload] = task
            try:
                yield
            finally:
                del self._holders[upload]


async def _json(request: web.Request) -> dict[str, Any]:
    if request.content_length is None or request.content_length > MOST_JSON:
        raise web.HTTPRequestEntityTooLarge(MOST_JSON, request.content_length or 0)
    try:
        said = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest from None
    if not isinstance(said, dict):
        raise web.HTTPBadRequest
    return said


def _row(upload: Upload, here: int) -> dict[str, str | int]:
    return {"id": upload.id, "mark": upload.mark, "size": upload.size, "offset": here}


def _refusal(refused: Refused) -> web.Response:
    headers = {} if refused.offset is None else {OFFSET: str(refused.offset)}
    return web.json_response({"refused": refused.code}, status=refused.status, headers=headers)
