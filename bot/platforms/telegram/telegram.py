"""Telegram's ear and mouth in one: what runs while the bot is up, and what it is closed with."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from aiogram.client.session.base import BaseSession
from aiogram.methods import DeleteWebhook
from pydantic import ValidationError

from bot.platforms.telegram import menu, webhook
from bot.platforms.telegram.ear import Attendant
from bot.platforms.telegram.hearing import KINDS
from bot.platforms.telegram.inbox import Inbox
from bot.platforms.telegram.lanes import Lanes, Place
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.pace import Gate, Rhythm
from bot.platforms.telegram.replies import Replies
from bot.platforms.telegram.shelf import Shelf
from bot.platforms.telegram.wire import RawUpdates, Rival, Wait, Wire
from bot.ports import Grounds, Hear, Refused
from notifier.card import Card
from notifier.ports import MessageId, Unreachable
from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Address
from pipeline.ports import Pace

POLL_SECONDS, PATIENCE = 25, 15  # of one long poll; more for its answer to arrive
DRAIN_SECONDS: Final = 3.0  # of the five that SIGTERM leaves us
PAUSE, LONGEST_PAUSE = 1.0, 30.0
HOUR: Final = 3600.0

Update = Mapping[str, Any]  # as it came

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    token: str = field(repr=False)
    api_url: str
    local_dir: Path | None = None
    secret: str | None = field(default=None, repr=False)  # of the webhook; None: we poll
    public_url: str = ""
    pace: Pace = field(default_factory=Pace)


class Telegram:
    """Ear and Courier of one bot."""

    name = "telegram"

    def __init__(self, config: Config, session: BaseSession | None = None) -> None:
        """`session`: another line to Telegram than aiogram's own."""
        self._config, self._session = config, session
        self._gate = Gate()
        self._mouth: Mouth | None = None
        self._opened = asyncio.Event()
        logging.getLogger("aiogram").setLevel(logging.WARNING)

    # --- ear

    async def run(self, hear: Hear, grounds: Grounds) -> None:
        """Ear.run: take updates in until cancelled, then let what is in hand be answered."""
        memory, refusal = Memory(grounds.store), list[Refused]()
        wire = Wire(self._config.token, self._config.api_url, self._config.local_dir, self._session)
        try:
            me = await _introduced(wire)
            self._mouth = mouth = Mouth(wire, self._gate, Rhythm(self._config.pace), memory, me)
            self._opened.set()
            async with asyncio.TaskGroup() as group:
                shelf = Shelf(grounds.store, grounds.clock, wire.bot.id)
                lanes, inbox, replies = Lanes(group), Inbox(shelf), Replies(shelf)
                attendant = Attendant(
                    hear=hear, grounds=grounds, wire=wire, memory=memory, replies=replies, mouth=mouth, me=me
                )
                desk = Reception(inbox, lanes, attendant)
                chores = [
                    group.create_task(menu.set_up(wire, memory, grounds.words)),
                    group.create_task(_swept(inbox, replies)),
                ]
                try:
                    await desk.open()
                    await self._listen(wire, desk, grounds)
                except Refused as refused:  # a group would wrap it
                    refusal.append(refused)
                finally:
                    for chore in chores:
                        chore.cancel()
                    await lanes.drain(DRAIN_SECONDS)
        finally:
            self._opened.clear()
            await wire.close()
        if refusal:
            raise refusal[0]

    async def _listen(self, wire: Wire, desk: "Reception", grounds: Grounds) -> None:
        if self._config.secret is None:
            await _poll(wire, desk)
        elif grounds.mount is None:
            raise Refused("telegram-no-pages")
        else:
            await webhook.serve(wire, desk.take, grounds.mount, self._config.public_url, self._config.secret)

    # --- mouth

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        """Courier.show."""
        return await (await self._speaking()).show(to, card, over)

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        """Courier.send_file."""
        return await (await self._speaking()).send_file(to, file, caption)

    async def _speaking(self) -> Mouth:
        """The mouth, while there is one. After the end nothing is said: who waits here is about to be cancelled."""
        await self._opened.wait()
        assert self._mouth is not None
        return self._mouth


async def _introduced(wire: Wire) -> str:
    """Our user name at Telegram, as soon as it answers. Raises Refused."""
    pause = PAUSE
    while True:
        try:
            return (await wire.me()).username or ""
        except OperatorFault as fault:
            log.warning("telegram-down", code=fault.code, **fault.facts)
        except Wait as wait:
            pause = wait.seconds
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _poll(wire: Wire, desk: "Reception") -> None:
    """Ask for updates for ever. One is acknowledged by the next question, when it is stored already."""
    pause, offset, greeted = PAUSE, None, False
    while True:
        try:
            if not greeted:  # a webhook that is still set would keep updates from us
                await wire.call(DeleteWebhook())
                greeted = True
            asked = RawUpdates(offset=offset, timeout=POLL_SECONDS, allowed_updates=list(KINDS))
            for update in await wire.call(asked, POLL_SECONDS + PATIENCE):
                await desk.take(update)
                offset = int(update["update_id"]) + 1
            pause = PAUSE
            continue
        except Wait as wait:
            pause = wait.seconds
        except Rival:  # stop-then-start, never two at once
            log.warning("telegram-rival")
        except OperatorFault as fault:
            log.warning("telegram-deaf", code=fault.code, **fault.facts)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


class Reception:
    """Takes updates in: stored first, then handled, then crossed out."""

    def __init__(self, inbox: Inbox, lanes: Lanes, attendant: Attendant) -> None:
        self._inbox, self._lanes, self._attendant = inbox, lanes, attendant

    async def open(self) -> None:
        """Go on with what an earlier process left unanswered."""
        for update in await self._inbox.waiting():
            await self._begin(update)

    async def take(self, update: Update) -> None:
        """Own `update`; when this returns, Telegram may forget it. One we had before is nothing new."""
        if await self._inbox.keep(update):
            await self._begin(update)

    async def _begin(self, update: Update) -> None:
        await self._lanes.room()
        number = int(update["update_id"])
        try:
            heard = self._attendant.heard(update)
        except ValidationError as error:  # a kind of update newer than our aiogram; its words stay out of the log
            log.warning("telegram-unread", update=number, fields=[each["loc"] for each in error.errors()][:5])
            heard = None
        if heard is None:
            await self._inbox.done(number)
            return

        async def work(place: Place) -> None:
            try:
                await self._attendant.attend(heard, place)
            except Unreachable:
                log.info("telegram-unreachable", update=number)
            except Exception:  # the next one must still be heard, and this one not again and again
                log.exception("telegram-mute", update=number)
            await self._inbox.done(number)

        self._lanes.start(self._attendant.person(heard), work, files=self._attendant.brings_files(heard))


async def _swept(inbox: Inbox, replies: Replies) -> None:
    while True:
        try:
            await inbox.sweep()
            await replies.sweep()
        except OperatorFault as fault:
            log.warning("telegram-sweep", code=fault.code)
        await asyncio.sleep(HOUR)
