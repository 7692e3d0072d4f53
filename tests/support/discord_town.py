"""A small town on simcord's Discord: our real platform and desk, a small office. Our thin wrapper round simcord."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.desk import Desk, Premises
from bot.platforms.discord.client import Client
from bot.platforms.discord.platform import Discord, Line
from bot.ports import Grounds, Hear, Said
from notifier.card import Card
from notifier.ports import MessageId
from notifier.words import Words
from pipeline.domain.dataset import Inspection
from pipeline.domain.draft import Draft
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId, Identity
from pipeline.domain.job import Address, Job
from tests.support.office import Office, pictures
from tests.support.store import MemoryStore
from tests.support.virtual import EPOCH

API = "https://discord.com/api/v10"
ZIP = ("pictures.zip", b"a dozen")


@dataclass
class Clerk(Office):
    """An office that reads what is in a file: its bytes say so."""

    shelf: dict[bytes, Inspection | UserFault] = field(
        default_factory=lambda: {
            b"a dozen": pictures(*range(12)),
            b"broken": UserFault("not-an-archive"),
            **{f"picture {n}".encode(): pictures(n) for n in range(60)},
        }
    )

    async def add(self, account: AccountId, source: Path) -> tuple[Draft, Inspection]:
        return await self.read(account, source, self.shelf.get(source.read_bytes(), UserFault("file-missing")))

    async def read(self, account: AccountId, source: Path, found: Inspection | UserFault) -> tuple[Draft, Inspection]:
        self.files = {source: found}
        return await super().add(account, source)


@dataclass
class Clock:
    """Stands still unless told."""

    at: Any = EPOCH

    def now(self) -> Any:
        return self.at


class Town:
    """One server with one channel, and the bot. `restart` is another process on the same store."""

    def __init__(self, folder: Path, operators: tuple[str, ...] = (), words: Callable[[str], Words] = Words) -> None:
        self.office, self.store, self.clock = Clerk(), MemoryStore(), Clock()
        self.grounds = Grounds(
            store=self.store, folder=folder, clock=self.clock, words=words, office=self.office,
            operators=frozenset(map(Identity, operators)),
        )  # fmt: skip
        self.heard: list[Said] = []
        self.broken_links = False
        self.env: simcord.Env
        self.guild: simcord.GuildHandle
        self.channel: simcord.ChannelHandle
        self._names = itertools.count(1)
        self.client = self._moved_in()

    def _moved_in(self) -> Client:
        self.platform = Discord(Line(token="simcord", api=API))
        desk = Desk(
            self.office, {"discord": self.platform}, self.grounds.words, self.clock,
            Premises(),
        )  # fmt: skip
        self.client = self.platform.put_up(self._hearing(desk.hear), self.grounds, self._fetch)
        self.platform.ready()
        return self.client

    def _hearing(self, hear: Hear) -> Hear:
        async def heard(said: Said) -> None:
            self.heard.append(said)
            await hear(said)

        return heard

    async def _fetch(self, url: str, into: Path, most: int) -> None:
        if self.broken_links:
            raise UserFault("attachment-expired")
        into.write_bytes(await self.client.http.get_from_cdn(url))

    async def restart(self) -> None:
        """The process is another one; Discord and the store are the same."""
        await self.env.restart_bot(self._moved_in())

    def member(self) -> simcord.MemberActor:
        return self.guild.add_member(self.env.create_user(f"person{next(self._names)}"))

    async def told(self, job: Job, card: Card, over: MessageId | None = None) -> MessageId:
        """As the relay does it: show `card` where `job` is told."""
        message = await self.platform.show(job.address, card, over)
        await self.env.settle()
        return message

    def said_in(self, channel: simcord.ChannelHandle) -> list[str]:
        return [text(message) for message in channel.history()]


@asynccontextmanager
async def town(folder: Path, operators: tuple[str, ...] = (), **how: Any) -> AsyncIterator[Town]:
    one = Town(folder, operators, **how)
    async with simcord.run(one.client) as env:
        one.env = env
        one.guild = env.create_guild()
        one.channel = one.guild.create_text_channel("training")
        yield one


def run(folder: Path, story: Callable[[Town], Awaitable[None]], **how: Any) -> None:
    """Play `story` in a fresh town."""

    async def play() -> None:
        async with town(folder, **how) as one:
            await story(one)

    asyncio.run(play())


def text(message: discord.Message | simcord.ResponseMessage) -> str:
    """A message as a person reads it, without its buttons."""
    parts = [message.content or ""]
    for embed in message.embeds:
        parts += [embed.title or "", embed.description or ""]
        parts += [f"{one.name}: {one.value}" for one in embed.fields]
    return "\n".join(filter(None, parts))


def buttons(message: discord.Message | simcord.ResponseMessage) -> list[str]:
    """The labels of its buttons."""
    rows = message.components
    found: list[str] = []
    for row in rows:
        children = row["components"] if isinstance(row, dict) else getattr(row, "children", [])
        found += [str(one["label"] if isinstance(one, dict) else one.label) for one in children]
    return found


def address(actor: simcord.MemberActor, channel: simcord.ChannelHandle) -> Address:
    return Address("discord", f"c.{channel.id}.{actor.id}")
