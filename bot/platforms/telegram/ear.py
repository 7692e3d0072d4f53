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
from bot.platforms.telegram.hearing import Attached, Heard, Masked, Migrated, Reach, Remark, Replied
from bot.platforms.telegram.lanes import Place
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.replies import Asked, Replies
from bot.platforms.telegram.wire import TooBig, Wait, Wire
from bot.ports import Grounds, Hear, Said
from bot.talk.dialogue import COMMANDS, GROUP
from notifier.card import Button, Card, Tone
from notifier.ports import Unreachable
from pipeline.domain.faults import Fact, OperatorFault
from pipeline.domain.job import Address

TRIES, PAUSE = 3, 1.0  # of one file
ALLOW: Final = "allow"  # the one button that is ours alone: it is about a message, not about a job
DRAFTING: Final = frozenset({"train", "dataset", "upload"})  # commands about the files sent before them
ENTRANCES: Final = frozenset(COMMANDS) - {"stop", "cancel"}  # what a link from outside may say for somebody

log = structlog.get_logger()


class Attendant:
    """Handles one update after the other; knows the platform's manners, none of the dialogue."""

    def __init__(
        self, *, hear: Hear, grounds: Grounds, wire: Wire, memory: Memory, replies: Replies, mouth: Mouth, me: str
    ) -> None:
        """`me`: our user name, which commands may carry."""
        self._hear, self._grounds, self._wire = hear, grounds, wire
        self._memory, self._replies, self._mouth, self._me = memory, replies, mouth, me

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
        verb, _, nonce = remark.pressed.partition(":")
        if verb == ALLOW:
            async with place.button():
                await self._allowed(remark, nonce, place)
            return
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
        if remark.album:
            await self._replies.seen(remark)
        entered = hearing.ENTERED.fullmatch(remark.text)
        if entered:
            name = entered[1].lower()
            remark = replace(remark, text=f"/{name}" if name in ENTRANCES else "/start")
        await self._bring(remark, [*remark.files, *await self._own(remark)], place)

    async def _among_others(self, remark: Remark, place: Place) -> None:
        """A group: commands alone are heard. What shows money or a draft is answered where nobody else reads."""
        if remark.album:
            await self._replies.seen(remark)
        if not remark.command or not remark.meant_for(self._me):
            return
        said = Said(identity=remark.identity, address=remark.address, text=remark.text, private=False)
        if remark.command in GROUP:
            async with place.words(after_files=False):
                await self._hear(said)
        elif remark.command == "train" and remark.reply is not None and remark.reply.author != remark.person:
            await self._ask(remark, remark.reply)
        else:
            await self._hear(said)
            files = [*remark.files, *await self._own(remark)]
            await self._bring(replace(remark, chat=remark.person, thread=None), files, place)

    # --- replies to pictures

    async def _own(self, remark: Remark) -> Sequence[Attached]:
        """The pictures of the message this answers, if they are this person's own."""
        reply = remark.reply
        if remark.command != "train" or reply is None or reply.author != remark.person:
            return ()
        return await self._replies.album(remark.chat, reply.album, remark.person) or reply.files

    async def _ask(self, remark: Remark, reply: Replied) -> None:
        """Somebody else's pictures: nothing is taken, their owner is asked where both can read it."""
        if reply.author is None:
            await self._tell(remark, "telegram-masked-pictures")
            return
        files = await self._replies.album(remark.chat, reply.album, reply.author) or reply.files
        nonce = await self._replies.ask(
            Asked(owner=reply.author, asker=remark.person, locale=remark.locale, text=remark.text, files=files)
        )
        words = self._grounds.words(remark.locale)
        said = words.say("telegram-ask", asker=words.foreign(remark.name), owner=words.foreign(reply.name))
        allow = Button(words.say("telegram-button-allow"), f"{ALLOW}:{nonce}")
        await self._mouth.show(remark.address, Card(title="", lines=(said,), buttons=(allow,), final=True), None)

    async def _allowed(self, remark: Remark, nonce: str, place: Place) -> None:
        """The owner said yes: it is done as the asker wanted. Anybody else hears what a button of nothing says."""
        asked = await self._replies.asked(nonce, remark.person)
        words = self._grounds.words(remark.locale)
        if asked is None:
            await self._answer(remark.query, words.say("chat-button-gone"))
            return
        await self._answer(remark.query)
        card = Card(title="", lines=(words.say("telegram-allowed"),), final=True)
        aside = Button(words.say("chat-button-aside"), "private:train")
        await self._mouth.show(remark.address, replace(card, buttons=(aside,)), remark.message)
        asker = Remark(
            person=asked.asker, name="", chat=asked.asker, locale=asked.locale, text=asked.text, files=asked.files
        )
        await self._bring(asker, asked.files, place)
        await self._replies.settle(nonce)

    # --- files

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
                identity=remark.identity, address=remark.address, text=remark.text, attachments=tuple(brought),
                id=remark.id,
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
        await self._tell(remark, "telegram-not-fetched", name=self._grounds.words(remark.locale).foreign(file.name, 60))
        return None

    async def _too_big(self, remark: Remark, file: Attached) -> None:
        """Say so early, with the ways that work: our page first."""
        words, pages = self._grounds.words(remark.locale), self._grounds.pages
        facts: dict[str, Fact] = {"name": words.foreign(file.name, 60), "most": self._wire.most >> 20}
        card = Card(title="", lines=(words.say("telegram-too-big", **facts),), tone=Tone.BAD, final=True)
        if pages is not None:
            link = await pages.upload_link(remark.identity, remark.alone, f"https://t.me/{self._me}")
            page = Button(words.say("chat-button-upload"), "", link=link, app=True)
            card = replace(card, lines=(words.say("telegram-too-big-page", **facts),), buttons=(page,))
        await self._mouth.show(remark.alone, card, None)

    async def _tell(self, remark: Remark, key: str, **facts: Fact) -> None:
        await self._show(remark.address, key, **facts)

    async def _show(self, to: Address, key: str, **facts: Fact) -> None:
        words = self._grounds.words(to.locale)
        await self._mouth.show(to, Card(title="", lines=(words.say(key, **facts),), tone=Tone.BAD, final=True), None)
