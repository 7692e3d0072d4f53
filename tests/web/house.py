"""A web server on loopback with somebody to listen to it: what the pages' tests knock at."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from json import loads
from pathlib import Path
from typing import Any, Final

import aiohttp

from bot.ports import Hear, Said
from bot.web.gate import Crowd, Patience
from bot.web.inbox import Inbox, Limits
from bot.web.links import Links, signing_key
from bot.web.server import Site, Web
from pipeline.adapters.clock import SystemClock
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address
from pipeline.ports import Store
from tests.support.store import MemoryStore

ANN, BOB = Identity("telegram:7"), Identity("telegram:8")
HERE: Final = Address("telegram", "7")
TOKEN: Final = "7:a-bots-token"
JPEG: Final = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
QUICK: Final = Patience(keepalive=0.3, request=0.8, linger=0.1, shutdown=0.2)


@dataclass
class Watch:
    """The real clock, which a test may set ahead."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@dataclass
class House:
    """`heard` are the desk's remarks, with the bytes of their files as they were then."""

    folder: Path
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)
    crowd: Crowd = field(default_factory=Crowd)
    telegram: str = TOKEN
    hear: Hear | None = None
    store: Store = field(default_factory=MemoryStore)
    watch: Watch = field(default_factory=Watch)
    heard: list[Said] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.behind(self.port)
        self.inbox = Inbox(self.store, self.watch, self.folder / "inbox" / "web", self.limits)

    def behind(self, port: int) -> "House":
        """Be reached by people through `port`, whatever stands between."""
        self.url = f"http://127.0.0.1:{port}"
        self.links = Links(self.store, self.watch, signing_key(self.folder / "web.key"), self.url)
        return self

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Web]:
        """Serve, until the block ends; again and again, if you like: what is stored stays."""
        site = Site(
            public_url=self.url, bind=f"127.0.0.1:{self.port}", metrics_bind="127.0.0.1:0", telegram=self.telegram,
            patience=self.patience, crowd=self.crowd,
        )  # fmt: skip
        web = Web(site, self.links, self.inbox, store=self.store, clock=self.watch, spool=self.folder / "spool")
        async with web.serving(self.hear or self._hear):
            yield web

    async def _hear(self, said: Said) -> None:
        self.heard.append(said)
        self.files += [file.read_bytes() for file in said.attachments]

    async def told(self, files: int) -> None:
        """Wait until the desk was told of that many files."""
        async with asyncio.timeout(10):
            while len(self.files) < files:  # noqa: ASYNC110  # the desk has no event for its tests
                await asyncio.sleep(0.01)

    async def arriving(self) -> None:
        """Wait until a part of a file is here."""
        async with asyncio.timeout(10):
            while not any(map(self.inbox.here, await self.inbox.waiting(ANN))):  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)

    async def emptied(self) -> None:
        """Wait until no file of anybody is left."""
        async with asyncio.timeout(10):
            while self.on_disk:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)

    @property
    def on_disk(self) -> list[Path]:
        walk = os.walk(self.folder / "inbox")  # which does not mind what is removed under its feet
        return sorted(Path(folder, name) for folder, _, names in walk for name in names)


@dataclass
class Visitor:
    """A browser as far as HTTP goes: an origin, and a cookie."""

    client: aiohttp.ClientSession
    url: str
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, **options: Any) -> "Answer":
        headers = {"Origin": self.url, **self.headers, **options.pop("headers", {})}
        async with self.client.request(method, self.url + path, headers=headers, **options) as answer:
            return Answer(answer.status, await answer.read(), answer.headers.copy(), answer.cookies)

    async def enter(self, link: str, browser: str = "this one") -> "Answer":
        """Open `link` as the page does: its secret part is posted, and the cookie kept."""
        answer = await self.ask(
            "POST", "/upload/session", json={"token": link.partition("#")[2], "browser": browser}
        )  # fmt: skip
        self.keep(answer)
        return answer

    def keep(self, answer: "Answer") -> None:
        for name, cookie in answer.cookies.items():
            self.headers["Cookie"] = f"{name}={cookie.value}"

    async def begin(self, data: bytes, name: str = "cat.jpg", **more: Any) -> str:
        answer = await self.ask("POST", "/upload/files", json={"name": name, "size": len(data), **more})
        assert answer.status == 201, answer
        return str(answer.json["id"])

    async def add(self, upload: str, offset: int, data: bytes) -> "Answer":
        return await self.ask(
            "PATCH", f"/upload/files/{upload}", headers={"Upload-Offset": str(offset)}, data=data
        )  # fmt: skip

    async def send(self, data: bytes, name: str = "cat.jpg") -> str:
        upload = await self.begin(data, name)
        assert (await self.add(upload, 0, data)).status == 204
        return upload

    async def offset(self, upload: str) -> int:
        return int((await self.ask("HEAD", f"/upload/files/{upload}")).headers["Upload-Offset"])


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Any
    cookies: SimpleCookie

    @property
    def json(self) -> Any:
        return loads(self.body)


@asynccontextmanager
async def visitor(house: House) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield Visitor(client, house.url)


@asynccontextmanager
async def inside(house: House) -> AsyncIterator[Visitor]:
    """A visitor whose link was opened, in a house that is."""
    async with house.open(), visitor(house) as ann:
        assert (await ann.enter(await house.links.upload_link(ANN, HERE))).status == 200
        yield ann


def late(house: House, **by: float) -> None:
    """Let time pass."""
    house.watch.ahead += timedelta(**by)


async def stalling(data: bytes, sent: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """A body that breaks off after `data`."""
    yield data
    if sent is not None:
        sent.set()
    await asyncio.sleep(30)


async def ended(asking: Awaitable[object]) -> None:
    with suppress(aiohttp.ClientError):
        await asking


async def never(_said: Said) -> None:
    await asyncio.sleep(3600)
