"""What is done about each thing heard: files are fetched, replies judged, and the desk hears the rest."""

import asyncio
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog
from aiogram.methods import AnswerCallbackQuery
from aiogram.types import Update

from bot.platforms.telegram import hearing
from bot.platforms.telegram.hearing import Attached, Heard, Masked, Migrated, Reach, Remark
from bot.platforms.telegram.lanes import Place
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.wire import TooBig, Wait, Wire
from bot.ports import Grounds, Hear, Said
from bot.talk.dialogue import COMMANDS, GROUP
from notifier.card import Card, Tone
from notifier.ports import Unreachable
from pipeline.domain.faults import Fact, OperatorFault
from pipeline.domain.job import Address

TRIES, PAUSE = 3, 1.0  # of one file
DRAFTING: Final = frozenset({"train", "dataset", "upload"})  # commands about the files sent before them
ENTRANCES: Final = frozenset(COMMANDS) - {"stop", "cancel"}  # what a link from outside may say for somebody

log = structlog.get_logger()


class Attendant:
    """Handles one update after the other; knows the platform's manners, none of the dialogue."""

    def __init__(self, *, hear: Hear, grounds: Grounds, wire: Wire, memory: Memory, mouth: Mouth, me: str) -> None:
        self._hear, self._grounds, self._wire = hear, grounds, wire
        self._memory, self._mouth, self._me = memory, mouth, me

    def heard(self, update: Mapping[str, Any]) -> Heard | None:
        """What `update` says. Raises pydantic.ValidationError."""
        return hearing.read(Update.model_validate(update))

    def person(self, heard: Heard) -> int:
        """In whose lane it is handled."""
        return heard.person if isinstance(heard, Remark) else heard.chat

    def brings_files(self, heard: Heard) -> bool:
        return isinstance(heard, Remark) and bool(heard.files)

    async def attend(self, heard: Heard, place: Place) -> None:
        """Do what `heard` asks for."""
        match heard:
            case Migrated(chat, to):
                await self._memory.move(chat, to)
            case Reach(chat, is_open):
                log.info("telegram-reach", chat=chat, open=is_open)
                if is_open and self._grounds.reachable is not None:
                    self._grounds.reachable("telegram", str(chat))
            case Masked():
                await self._masked(heard)
            case Remark() if heard.query:
                await self._pressed(heard, place)
            case Remark() if heard.private:
                await self._alone(heard, place)
            case Remark():
                await self._among_others(heard, place)

    # --- buttons

    async def _pressed(self, remark: Remark, place: Place) -> None:
        await self._answer(remark.query)
        said = Said(
            identity=remark.identity, address=remark.address, pressed=remark.pressed, message=remark.message,
            private=remark.private,
        )  # fmt: skip
        async with place.button():
            await self._hear(said)

    async def _answer(self, query: str, text: str = "") -> None:
        """Take the spinner off the button. Past its few seconds nobody waits for it any more."""
        try:
            await self._wire.call(AnswerCallbackQuery(callback_query_id=query, text=text or None))
        except (OperatorFault, Unreachable, Wait) as late:
            log.info("telegram-late-answer", why=type(late).__name__)

    # --- words and files

    async def _alone(self, remark: Remark, place: Place) -> None:
        """A private chat: everything works."""
        if not remark.meant_for(self._me) or (remark.edited and not remark.command):
            return
        if remark.other:
            await self._tell(remark, "telegram-no-picture")
            return
        entered = hearing.ENTERED.fullmatch(remark.text)
        if entered:
            name = entered[1].lower()
            remark = replace(remark, text=f"/{name}" if name in ENTRANCES else "/start")
        await self._bring(remark, remark.files, place)

    async def _among_others(self, remark: Remark, place: Place) -> None:
        """A group: commands alone are heard. What shows money or a draft is answered where nobody else reads."""
        if not remark.command or not remark.meant_for(self._me):
            return
        if remark.command in GROUP:
            async with place.words(after_files=False):
                await self._hear(Said(
                    identity=remark.identity, address=remark.address, text=remark.text, private=False
                ))  # fmt: skip
            return
        await self._hear(Said(identity=remark.identity, address=remark.address, text=remark.text, private=False))
        await self._bring(replace(remark, chat=remark.person, thread=None), remark.files, place)

    async def _masked(self, masked: Masked) -> None:
        if hearing.COMMAND.match(masked.text):
            where = f"{masked.chat}/{masked.thread}" if masked.thread else str(masked.chat)
            await self._show(Address("telegram", where, masked.locale), "telegram-masked")

    async def _bring(self, remark: Remark, files: Sequence[Attached], place: Place) -> None:
        """Fetch what came with it, then let the desk hear it all."""
        folder = self._grounds.folder / secrets.token_hex(8)
        try:
            brought = await self._fetched(remark, files, folder, place) if files else []
            if files and not brought:
                return
            said = Said(
                identity=remark.identity, address=remark.address, text=remark.text, attachments=tuple(brought)
            )  # fmt: skip
            if remark.command:
                async with place.words(after_files=remark.command in DRAFTING):
                    await self._hear(said)
            else:
                await self._hear(said)
        finally:
            if files:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _fetched(self, remark: Remark, files: Sequence[Attached], folder: Path, place: Place) -> list[Path]:
        """The files at home, each under its own name. Those that cannot be had are named in an answer."""
        small = [file for file in files if file.size <= self._wire.most]
        for file in files:
            if file not in small:
                await self._too_big(remark, file)
        async with place.fetching():
            brought = [await self._one(remark, file, folder / file.unique) for file in small]
        return [path for path in brought if path is not None]

    async def _one(self, remark: Remark, file: Attached, folder: Path) -> Path | None:
        await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
        into = folder / file.name
        pause = PAUSE
        for left in reversed(range(TRIES)):
            try:
                await self._wire.fetch(file.id, into)
            except TooBig:
                await self._too_big(remark, file)
                return None
            except Wait as wait:
                pause = wait.seconds
            except OperatorFault as fault:
                log.warning("telegram-file", code=fault.code, left=left, **fault.facts)
            else:
                return into
            await asyncio.to_thread(into.unlink, missing_ok=True)
            if left:
                await asyncio.sleep(pause)
                pause *= 2
        await self._tell(remark, "telegram-not-fetched", name=file.name)
        return None

    async def _too_big(self, remark: Remark, file: Attached) -> None:
        """Say so early, with the ways that work."""
        await self._tell(remark, "telegram-too-big", name=file.name, most=self._wire.most >> 20)

    async def _tell(self, remark: Remark, key: str, **facts: Fact) -> None:
        await self._show(remark.address, key, **facts)

    async def _show(self, to: Address, key: str, **facts: Fact) -> None:
        words = self._grounds.words(to.locale)
        await self._mouth.show(to, Card(title="", lines=(words.say(key, **facts),), tone=Tone.BAD, final=True), None)
