"""The Bot API itself on a free loopback port. Its people are driven from the same process: `server.person(7)`."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

from aiohttp import web

from tests.support.telegram.answers import Refusal, no_method, too_many, unauthorized
from tests.support.telegram.audience import Scene
from tests.support.telegram.bell import PATIENCE, Bell
from tests.support.telegram.calls import Call, read
from tests.support.telegram.faults import Faults
from tests.support.telegram.feed import Feed
from tests.support.telegram.files import Files
from tests.support.telegram.flood import Flood, Limits
from tests.support.telegram.knowing import Knowing
from tests.support.telegram.people import Channel, Group, Person
from tests.support.telegram.speaking import Speaking
from tests.support.telegram.world import User, World

TOKEN: Final = "424242:AAf-a_token-of-the-fake-that-opens-nothing"
BODY_MAX: Final = 3 << 30
CALLBACK_SECONDS: Final = 10.0  # Telegram does not say; clients give up about then
CHUNK: Final = 64 * 1024
Judge = Callable[[str, Mapping[str, Any]], None]


class TelegramServer:
    """Strict, and honest about it: whatever a client did against Telegram's published limits is in `violations`.

    `local`: the folder of a server in --local mode. `judge` sees every answer with its method, and may raise.
    """

    def __init__(
        self,
        *,
        local: Path | None = None,
        limits: Limits | None = None,
        callback_seconds: float = CALLBACK_SECONDS,
        judge: Judge | None = None,
    ) -> None:
        """Nothing listens before start()."""
        self.bell = Bell()
        self.feed = Feed(self.bell)
        self.files = Files(TOKEN, local)
        self.world = World(self.files, self.bell)
        self.faults = Faults()
        self.flood = Flood(_now, limits or Limits())
        self.knowing = Knowing(self.world, self.feed, _now)
        self.calls: list[Call] = []
        self.url = ""
        self.line: float | None = None  # bytes a second of a file's way down; None: as fast as it goes
        self.downloads = 0  # begun
        self._judge = judge
        self._local = local
        self._scene = Scene(self.world, self.feed, self.knowing, callback_seconds)
        speaking = Speaking(self.world, self.flood)
        self._methods = {
            name.lower(): (name, do) for name, do in {**speaking.methods(), **self.knowing.methods()}.items()
        }
        self._runner: web.AppRunner | None = None
        self._pusher: asyncio.Task[None] | None = None

    # --- who is there

    def person(self, number: int, *, language: str | None = "en", name: str = "", started: bool = True) -> Person:
        """Somebody with a private chat. `started`: pressed Start once already, so that the bot may write."""
        user = self.world.user(User(number, name or f"Person {number}", language))
        chat = self.world.private(user)
        if started and chat.bot == "left":
            chat.bot = "member"
        return Person(self._scene, user)

    def group(self, number: int, title: str = "Team", *people: Person, supergroup: bool = False) -> Group:
        """A group with the bot and `people` in it; the first of them founded it."""
        return Group.founded(self._scene, number, title, people, supergroup=supergroup)

    def channel(self, number: int, title: str = "News") -> Channel:
        return Channel.founded(self._scene, number, title)

    @property
    def violations(self) -> list[str]:
        """Everything no good bot would have done."""
        return [*self.flood.violations, *self.files.violations]

    def called(self, *methods: str) -> list[Call]:
        return [call for call in self.calls if call.method in methods]

    async def until(self, look: Callable[[], Any], seconds: float = PATIENCE, what: str = "") -> Any:
        """Wait until `look()` is true, looking whenever anything happened."""
        return await self.bell.until(look, seconds, lambda: f"{what or 'it did not happen'}\n{self.story()}")

    def story(self) -> str:
        """The last calls, for a test that failed."""
        lines = [
            f"{call.at:.2f} {call.method} {call.status} {_short(call.params)} {call.answer.get('description', '')}"
            for call in self.calls[-30:]
        ]
        return "\n".join(lines)

    # --- listening

    @property
    def env(self) -> dict[str, str]:
        """By which settings a bot finds it."""
        found = {"TELEGRAM_API_URL": self.url, "TELEGRAM_TOKEN": TOKEN}
        return found | ({"TELEGRAM_LOCAL_DIR": str(self._local)} if self._local else {})

    async def start(self) -> str:
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_route("*", "/bot{token}/{method}", self._answered)
        app.router.add_get("/file/bot{token}/{path:.+}", self._downloaded)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        self._pusher = asyncio.get_running_loop().create_task(self.feed.pushing())
        return self.url

    async def stop(self) -> None:
        if self._pusher is not None:
            self._pusher.cancel()
            await asyncio.wait([self._pusher])
        if self._runner is not None:
            await self._runner.cleanup()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    # --- answering

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.match_info["method"], {}, at=_now())
        self.calls.append(call)
        try:
            body: dict[str, Any] = {"ok": True, "result": await self._carried_out(request, call)}
        except Refusal as refusal:
            body = refusal.body()
        call.status, call.answer = body.get("error_code", 200), body
        if self._judge is not None:
            self._judge(call.method, body)
        self.bell.ring()
        return web.json_response(body, status=call.status)

    async def _carried_out(self, request: web.Request, call: Call) -> Any:
        if unquote(request.match_info["token"]) != TOKEN:
            raise unauthorized()
        found = await read(request, call.method, local=self._local is not None)
        call.params, call.uploads = found.params, found.uploads
        if call.method.lower() not in self._methods:
            raise no_method()
        call.method, do = self._methods[call.method.lower()]
        fault = self.faults.strike(call.method, call.number("chat_id"))
        if fault.gate is not None:
            self.bell.ring()
            await fault.gate.wait()
        if fault.refusal is not None:
            if wait := fault.refusal.parameters.get("retry_after"):
                self.flood.punish(call.number("chat_id"), wait)
                raise too_many(wait)
            raise fault.refusal
        result = do(call)
        if inspect.isawaitable(result):
            result = await result
        if fault.lost:
            assert request.transport is not None
            request.transport.abort()
        return result

    async def _downloaded(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        file = self.files.linked(path)
        if (
            unquote(request.match_info["token"]) != TOKEN
            or self._local is not None
            or file is None
            or file.data is None
        ):
            return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)
        self.downloads += 1
        self.bell.ring()
        answer = web.StreamResponse(
            headers={"Content-Length": str(file.size), "Content-Type": "application/octet-stream"}
        )
        await answer.prepare(request)
        for start in range(0, file.size, CHUNK):
            await answer.write(file.data[start : start + CHUNK])
            if self.line is not None:
                await asyncio.sleep(CHUNK / self.line)
        await answer.write_eof()
        return answer


def _now() -> float:
    return asyncio.get_running_loop().time()


def _short(params: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value[:60]!r}" for key, value in params.items())
