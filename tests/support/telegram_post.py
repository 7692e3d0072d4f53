"""A bot's ear without a socket: updates in aiogram's own models go in, what was heard comes out."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.platforms.telegram.ear import Attendant
from bot.platforms.telegram.inbox import Inbox
from bot.platforms.telegram.lanes import Lanes
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.pace import Gate, Rhythm
from bot.platforms.telegram.replies import Replies
from bot.platforms.telegram.shelf import Shelf
from bot.platforms.telegram.telegram import Reception
from bot.ports import Grounds, Said
from notifier.words import Words
from pipeline.domain.ids import Identity, JobId
from pipeline.domain.job import Address
from pipeline.ports import Pace
from tests.support.botline import a_wire
from tests.support.store import MemoryStore
from tests.support.virtual import VirtualClock, run

EN = Words("en", strict=True)
ANN: Mapping[str, Any] = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "de-AT"}
BOB: Mapping[str, Any] = {"id": 8, "is_bot": False, "first_name": "Bob", "language_code": "en"}
MASK: Mapping[str, Any] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
TEAM: Mapping[str, Any] = {"id": -5, "type": "supergroup", "title": "Team"}
ZIP: Mapping[str, Any] = {
    "file_id": "zip1", "file_unique_id": "uzip1", "file_size": 3000, "file_name": "cats.zip",
    "mime_type": "application/zip",
}  # fmt: skip


class Links:
    """Port Pages."""

    async def upload_link(self, identity: Identity, address: Address, back: str = "") -> str:
        return f"https://bot.example/upload#{identity}-{address.chat}-{back}"

    async def download_link(self, job: JobId) -> str | None:
        return None


@dataclass
class Post:
    """A bot's ear, and what came out of it."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    pages: Links | None = None
    local: Path | None = None
    slow: float = 0.0  # seconds a remark takes to be answered
    said: list[Said] = field(default_factory=list)
    contents: list[list[tuple[str, bytes]]] = field(default_factory=list)
    came_back: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wire, self.line = a_wire(local=self.local)

    async def hear(self, said: Said) -> None:
        await asyncio.sleep(self.slow)
        self.said.append(said)
        self.contents.append([(file.name, file.read_bytes()) for file in said.attachments])

    def deliver(self, *updates: Mapping[str, Any], seconds: float | None = None) -> None:
        """Take `updates` in, in this order, and let all be answered; or die after `seconds`."""

        async def whole() -> None:
            async with asyncio.TaskGroup() as group:
                desk = self._reception(group)
                await desk.open()
                for update in updates:
                    await desk.take(update)
                if seconds is not None:
                    await asyncio.sleep(seconds)
                    raise asyncio.CancelledError

        try:
            run(whole())
        except asyncio.CancelledError:
            assert seconds is not None

    def _reception(self, group: asyncio.TaskGroup) -> Reception:
        clock = VirtualClock()
        memory, shelf = Memory(self.store), Shelf(self.store, clock, 424242)
        mouth = Mouth(self.wire, Gate(), Rhythm(Pace()), memory, "TrainBot")
        grounds = Grounds(
            store=self.store, folder=self.folder, clock=clock, words=lambda _: EN, pages=self.pages,
            reachable=lambda platform, chat: self.came_back.append(f"{platform}:{chat}"),
        )  # fmt: skip
        attendant = Attendant(
            hear=self.hear,
            grounds=grounds,
            wire=self.wire,
            memory=memory,
            replies=Replies(shelf),
            mouth=mouth,
            me="TrainBot",
        )
        return Reception(Inbox(shelf), Lanes(group), attendant)

    @property
    def texts(self) -> list[str]:
        """What the platform itself answered."""
        return [call.text for call in self.line.of("sendMessage")]


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


class Numbers:
    """Updates and messages get one after the other."""

    last = 0

    @classmethod
    def next(cls) -> int:
        cls.last += 1
        return cls.last


def message(who: Mapping[str, Any] = ANN, chat: Mapping[str, Any] | None = None, **content: Any) -> dict[str, Any]:
    where = chat or {"id": who["id"], "type": "private", "first_name": who["first_name"]}
    return {"message_id": Numbers.next(), "date": 1, "chat": dict(where), "from": dict(who), **content}


def update(what: Mapping[str, Any], kind: str = "message") -> dict[str, Any]:
    return {"update_id": Numbers.next(), kind: dict(what)}


def says(
    text: str = "", who: Mapping[str, Any] = ANN, chat: Mapping[str, Any] | None = None, **content: Any
) -> dict[str, Any]:
    named = {"caption" if {"document", "photo"} & set(content) else "text": text} if text else {}
    return update(message(who, chat, **named, **content))


def photo(number: int, album: str = "", **more: Any) -> dict[str, Any]:
    sizes = [
        {"file_id": f"p{number}", "file_unique_id": f"up{number}", "width": side, "height": side, "file_size": side}
        for side in (90, 800)
    ]
    sizes[0]["file_id"] = "thumb"
    return {"photo": sizes, **({"media_group_id": album} if album else {}), **more}


def presses(data: str, who: Mapping[str, Any] = ANN, on: Mapping[str, Any] | None = None) -> dict[str, Any]:
    where = on or message({**MASK, "id": 424242}, {"id": who["id"], "type": "private", "first_name": "x"}, text="card")
    return update(
        {"id": str(Numbers.next()), "from": dict(who), "chat_instance": "1", "data": data, "message": dict(where)},
        "callback_query",
    )
