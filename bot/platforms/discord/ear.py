"""Interactions become remarks: acknowledged at once, stored, their files brought home, handed on, answered."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import discord
import structlog

from bot.platforms.discord.fetch import Fetch, home_name, room
from bot.platforms.discord.hearing import Listener
from bot.platforms.discord.inbox import Inbox, Remark
from bot.platforms.discord.mouth import Mouth
from bot.platforms.discord.people import People
from bot.platforms.discord.reply import BROKEN, Reply, answering, revived
from bot.platforms.discord.said import place_of, remark_of
from bot.platforms.discord.where import Kind, Place, Spot
from bot.ports import Grounds, Hear, Said
from bot.talk import phrases
from notifier.card import Tone
from notifier.ports import MessageId, Unreachable
from pipeline.domain.dataset import MOST_BYTES
from pipeline.domain.faults import Fault, OperatorFault
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address

DRAIN: Final = 3.5  # seconds that handlers have to come to an end when we are asked to
ACKNOWLEDGED: Final = 40060
NAME: Final = "discord"

log = structlog.get_logger()


class Ear:
    """Hears interactions. `fetch` brings attachments home."""

    def __init__(
        self, client: Listener, hear: Hear, grounds: Grounds, mouth: Mouth, people: People, fetch: Fetch
    ) -> None:
        self._client, self._hear, self._grounds = client, hear, grounds
        self._mouth, self._people, self._fetch = mouth, people, fetch
        self._inbox = Inbox(grounds.store)
        self._visits = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    async def commanded(self, interaction: discord.Interaction[Any]) -> None:
        """A slash command, or the files of /photos."""
        await self._visited(interaction, remark_of(interaction), None)

    async def pressed(self, interaction: discord.Interaction[Any], action: str) -> None:
        """A button. Who presses it, and what for, is believed by nobody before the office looked."""
        assert interaction.message is not None
        hidden = interaction.message.flags.ephemeral
        spot = Spot(interaction.channel_id or interaction.message.channel.id, interaction.message.id, hidden)
        await self._visited(interaction, remark_of(interaction, pressed=action, message=spot.id), spot)

    async def catch_up(self) -> None:
        """Answer what an earlier process acknowledged and did not answer: where it was promised, while that lives."""
        try:
            left = await self._inbox.left(self._grounds.clock.now())
        except Fault as fault:  # nobody loses by waiting for the next start
            log.warning("discord-inbox", code=fault.code)
            return
        for remark, age in left:
            log.info("discord-again", interaction=remark.id, tries=remark.tries)
            pressed = Spot.read(MessageId(remark.message)) if remark.message else None
            hidden = Place.read(remark.chat).shared
            reply = Reply(revived(self._client, remark), hidden=hidden, pressed=pressed, age=age)
            with self._visit():
                if await reply.kept():
                    await self._forget(remark)
                else:
                    await self._answered(remark, reply)

    async def drain(self) -> None:
        """Take nothing more; wait a little for what is in hand. What is left then is answered by the next process."""
        self._closing = True
        try:
            async with asyncio.timeout(DRAIN):
                await self._idle.wait()
        except TimeoutError:
            log.warning("discord-drain", left=self._visits)

    async def _visited(self, interaction: discord.Interaction[Any], remark: Remark, pressed: Spot | None) -> None:
        if self._closing:
            return  # not acknowledged, so the person is told by Discord and tries again
        hidden = place_of(interaction).shared
        with self._visit():
            async with asyncio.TaskGroup() as group:  # side by side: neither may make the other late
                group.create_task(self._stored(remark))
                deferring = group.create_task(_deferred(interaction, hidden=hidden, thinking=pressed is None))
            if not deferring.result():  # not heard, and the person saw it: another process has it, or it was too late
                await self._forget(remark)
                return
            await self._answered(remark, Reply(interaction, hidden=hidden, pressed=pressed))

    async def _answered(self, remark: Remark, reply: Reply) -> None:
        token = answering.set(reply)
        try:
            await self._handled(remark)
            await reply.finish()
        finally:
            answering.reset(token)

    async def _handled(self, remark: Remark) -> None:
        """Bring its files, hand it on. Cancelled in between, it stays in the inbox."""
        address = Address(NAME, remark.chat, remark.locale)
        folder = self._grounds.folder / str(remark.id)
        try:
            await self._meet(Place.read(remark.chat))
            files = await self._brought(remark, folder)
        except Fault as fault:
            await self._regret(address, fault)
        else:
            await self._hear(said_of(remark, files))
        await self._forget(remark)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _regret(self, address: Address, fault: Fault) -> None:
        said = phrases.sentence(self._grounds.words(address.locale).fault(fault), Tone.BAD)
        try:
            await self._mouth.show(address, said, None)
        except (Unreachable, discord.HTTPException, *BROKEN) as error:
            log.info("discord-mute", error=type(error).__name__)

    async def _meet(self, place: Place) -> None:
        """Who speaks to us in their DM can be written to there."""
        if place.kind is Kind.DM:
            self._people.met(place.user, place.channel)
            await self._people.open(place.user)

    async def _brought(self, remark: Remark, folder: Path) -> tuple[Path, ...]:
        """The remark's files at home, each in a folder of its own, so that equal names do not meet."""
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        brought, whole = list[Path](), 0
        room(sum(file.size for file in remark.files))
        for n, file in enumerate(remark.files):
            into = folder / str(n) / home_name(file.name)
            try:
                await asyncio.to_thread(into.parent.mkdir, mode=0o700, parents=True)
                await self._fetch(file.url, into, MOST_BYTES - whole)
                whole += (await asyncio.to_thread(into.stat)).st_size
            except OSError:
                raise OperatorFault("home-disk") from None
            brought.append(into)
        return tuple(brought)

    async def _stored(self, remark: Remark) -> None:
        try:
            await self._inbox.put(remark, self._grounds.clock.now())
        except Fault as fault:  # heard all the same: only a crash right now would lose it
            log.warning("discord-inbox", code=fault.code)

    async def _forget(self, remark: Remark) -> None:
        try:
            await self._inbox.drop(remark)
        except Fault as fault:
            log.warning("discord-inbox", code=fault.code)

    @contextmanager
    def _visit(self) -> Iterator[None]:
        self._visits += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._visits -= 1
            if not self._visits:
                self._idle.set()


async def _deferred(interaction: discord.Interaction[Any], *, hidden: bool, thinking: bool) -> bool:
    """Acknowledge within Discord's three seconds; False: somebody else did (40060), or it is too late (10062).

    A line that broke is tried once more: what Discord then calls a second acknowledgement is the first, arrived.
    """
    broke = False
    for _ in range(2):
        try:
            if thinking:
                await interaction.response.defer(ephemeral=hidden, thinking=True)
            else:
                await interaction.response.defer()
        except discord.HTTPException as error:
            if broke and error.code == ACKNOWLEDGED:
                return True
            log.warning("discord-not-acknowledged", interaction=interaction.id, code=error.code)
            return False
        except BROKEN:
            broke = True
        else:
            return True
    log.warning("discord-not-acknowledged", interaction=interaction.id)
    return False


def said_of(remark: Remark, files: tuple[Path, ...]) -> Said:
    """`remark` for the desk, its `files` at home."""
    return Said(
        identity=Identity(f"{NAME}:{remark.user}"),
        address=Address(NAME, remark.chat, remark.locale),
        text=remark.text,
        attachments=files,
        pressed=remark.pressed,
        message=MessageId(remark.message) if remark.message else None,
        private=True,  # in company we answer to that person's eyes only
        id=remark.key,
    )
