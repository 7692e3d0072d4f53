"""A small town on simcord's Discord: our real platform and desk, a small office. Our thin wrapper round simcord."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.desk import Desk
from bot.platforms.discord.client import Client
from bot.platforms.discord.platform import Discord, Line
from bot.ports import Grounds, Hear, Said
from bot.visit import Premises
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

Shown = discord.Message | simcord.ResponseMessage
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

    wait: Callable[[], Awaitable[None]] | None = None  # how a busy office makes people wait

    async def account(self, identity: Identity) -> AccountId:
        if self.wait is not None:
            await self.wait()
        return await super().account(identity)

    async def add(self, account: AccountId, source: Path) -> tuple[Draft, Inspection]:
        self.files = {source: self.shelf.get(source.read_bytes(), UserFault("file-missing"))}
        return await super().add(account, source)


class Shelf(MemoryStore):
    """`stuck`: the process dies before it takes anything away."""

    stuck = False

    async def delete(self, coll: str, key: str) -> None:
        if not self.stuck:
            await super().delete(coll, key)


@dataclass
class Clock:
    """Stands still unless told."""

    at: Any = EPOCH

    def now(self) -> Any:
        return self.at


class Town:
    """One server with one channel, and the bot. `restart` is another process on the same store."""

    def __init__(self, folder: Path) -> None:
        self.office, self.store, self.clock = Clerk(), Shelf(), Clock()
        self.grounds = Grounds(
            store=self.store, folder=folder, clock=self.clock, words=Words, office=self.office,
        )  # fmt: skip
        self.heard: list[Said] = []
        self.broken_links = False
        self.spool = folder.parent
        self.env: simcord.Env
        self.guild: simcord.GuildHandle
        self.channel: simcord.ChannelHandle
        self._names = itertools.count(1)
        self.client = self._moved_in()

    def _moved_in(self) -> Client:
        self.platform = Discord(Line(token="simcord", api=API))
        desk = Desk(
            self.office, {"discord": self.platform}, self.grounds.words, self.clock,
            Premises(operators=self.grounds.operators, spool=self.spool),
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

    async def promotes(self, person: "Person") -> None:
        """The next process counts `person` among its operators."""
        self.grounds = replace(self.grounds, operators=frozenset({Identity(f"discord:{person.id}")}))
        await self.restart()

    def person(self) -> "Person":
        return Person(self, self.env.create_user(f"person{next(self._names)}"))

    async def told(self, job: Job, card: Card, over: MessageId | None = None) -> MessageId:
        """As the relay does it: show `card` where `job` is told."""
        return await self.shows(job.address, card, over)

    async def shows(self, to: Address, card: Card, over: MessageId | None = None) -> MessageId:
        with self.env._bot_scope():  # on the town's clock
            return await self.platform.show(to, card, over)

    async def sends(self, to: Address, file: Path) -> bool:
        with self.env._bot_scope():
            return await self.platform.send_file(to, file, "Here it is.")

    async def passes(self, seconds: float) -> None:
        self.clock.at += timedelta(seconds=seconds)
        await self.env.advance_time(seconds)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While this lasts, the office lets everybody wait."""
        free = asyncio.Event()
        self.office.wait = lambda: self.env.external_wait(free.wait(), reason="a busy office")
        try:
            yield
        finally:
            self.office.wait = None
            free.set()

    async def catches_up(self) -> None:
        """What a process does first that finds remarks of one that was killed."""
        with self.env._bot_scope():
            await self.client.ear.catch_up()

    def asked(self, method: str, path: str) -> int:
        """How many requests of that kind the bot made; `path` ends it."""
        return sum(one.method == method and one.path.endswith(path) for one in self.env.http_requests)


class Person:
    """Somebody in the server, who can also speak to the bot alone."""

    def __init__(self, town: Town, user: simcord.UserHandle) -> None:
        self._town, self._user = town, user
        self._member = town.guild.add_member(user)

    @property
    def id(self) -> int:
        return self._user.id

    @property
    def user(self) -> simcord.UserHandle:
        """For options that name somebody."""
        return self._user

    @property
    def mention(self) -> str:
        return self._user.mention

    @property
    def address(self) -> Address:
        return Address("discord", f"c.{self._town.channel.id}.{self.id}", "en-US")

    async def says(self, command: str, **options: Any) -> simcord.InteractionResult:
        """A slash command in the server's channel."""
        return await self._member.slash(self._town.channel, command, **options)

    async def whispers(self, command: str, **options: Any) -> simcord.InteractionResult:
        """A slash command in their DM with the bot."""
        result: simcord.InteractionResult = await self._user.slash(command, **options)
        return result

    async def types(self, command: str, option: str, typed: str, **filled: Any) -> list[str]:
        """The values suggested for what is typed into an option."""
        return [one["value"] for one in await self._member.autocomplete(self._town.channel, command, option, typed)]

    async def presses(self, message: Shown, label: str) -> simcord.InteractionResult:
        if isinstance(message, simcord.ResponseMessage) or message.guild is not None:
            return await self._member.click(message, label=label)
        result: simcord.InteractionResult = await self._user.click(message, label=label)
        return result

    async def fills(self, form: simcord.InteractionResult, *files: tuple[str, bytes]) -> simcord.InteractionResult:
        """The first field of a form, with files."""
        return await self._member.submit_modal(form, {"files0": list(files)})

    async def forges(self, action: str, message: Shown) -> list[str]:
        """Press a button that is not there: an old screen, or a forged request. What they are answered."""
        stored = dict(_payload(self._town, message))
        row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": action}]}
        result = await self._member._dispatch_interaction(
            3,
            self._town.channel,
            {"custom_id": action, "component_type": 2},
            extra={"message": {**stored, "components": [row]}},
            source_message_id=message.id,
        )
        return [text(one) for one in result.followups]

    def refuses(self, code: int) -> None:
        """From now on, no DM reaches them."""
        path = f"/channels/{self._user.dm_channel.id}/messages"
        self._town.env.inject_error("POST", path, status=403, code=code, times=None)

    def relents(self) -> None:
        self._town.env.backend.faults.clear()

    @property
    def dm(self) -> list[discord.Message]:
        """What stands in their DM with the bot."""
        return self._user.dm_channel.history()


def _payload(town: Town, message: Shown) -> Any:
    from simcord.backend import serializers  # noqa: PLC0415  # a forged request is made of a true one

    stored = next(box[message.id] for box in town.env.backend.messages.values() if message.id in box)
    return serializers.message_payload(town.env.backend, stored)


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    one = Town(folder)
    async with simcord.run(one.client) as env:
        one.env = env
        one.guild = env.create_guild()
        one.channel = one.guild.create_text_channel("training")
        yield one


def run(folder: Path, story: Callable[[Town], Awaitable[None]]) -> None:
    """Play `story` in a fresh town."""

    async def play() -> None:
        async with town(folder) as one:
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
