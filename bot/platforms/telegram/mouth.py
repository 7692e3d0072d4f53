"""The bot's mouth: a card is sent, or edited over the message it belongs to, at Telegram's pace."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from aiogram.methods import (
    EditMessageCaption,
    EditMessageMedia,
    EditMessageText,
    SendDocument,
    SendMessage,
    SendPhoto,
)
from aiogram.types import FSInputFile, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaPhoto, Message, WebAppInfo

from bot.platforms.telegram import pen
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.pace import Gate, Rank, Rhythm
from bot.platforms.telegram.wire import UPLOAD_SECONDS, Gone, Moved, OtherKind, Same, TooBig, Wait, Wire
from notifier.card import Button, Card
from notifier.ports import Later, MessageId
from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Address

PHOTO_MOST: Final = 10 * 10**6  # bytes
DATA_MOST: Final = 64  # bytes of a button's action
ROW: Final = 2  # buttons side by side; the first stands alone when they are odd
TRIES: Final = 5  # of one message that Telegram asked to wait with, moved, or did not answer
PAUSE: Final = 1.0  # seconds, then twice as long each time

UNSEEN: Final = "?"  # a picture, but not which

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of ours: its number, and which picture is in it. Written as a MessageId, so nothing is remembered."""

    number: int
    picture: str = ""  # "" for text

    @classmethod
    def read(cls, message: MessageId) -> "Sent":
        number, _, picture = message.partition(".")
        return cls(int(number), picture)

    @property
    def id(self) -> MessageId:
        return MessageId(f"{self.number}.{self.picture}" if self.picture else str(self.number))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes: a chat's number, and the thread of a forum."""

    chat: int
    thread: int | None = None

    @classmethod
    def read(cls, to: Address) -> "Place":
        chat, _, thread = to.chat.partition("/")
        return cls(int(chat), int(thread) if thread else None)


class Mouth:
    """Shows cards in chats. Raises Unreachable, Later, OperatorFault."""

    def __init__(self, wire: Wire, gate: Gate, rhythm: Rhythm, memory: Memory, username: str) -> None:
        self._wire, self._gate, self._rhythm, self._memory = wire, gate, rhythm, memory
        self._username = username

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        """Send `card`, or edit `over` into it; the message it is in now."""
        place = Place.read(to)
        if over is None:
            sent = await self._send(place, card)
        else:
            sent = Sent.read(over)
            wait = self._rhythm.wait(f"{place.chat}:{sent.number}", place.chat, card, _now())
            if wait > 0:
                raise Later(wait)
            sent = await self._edited(place, card, sent)
        self._rhythm.shown(f"{place.chat}:{sent.number}", card, _now())
        return sent.id

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        """Send `file` as a document. False: Telegram does not carry it."""
        if (await asyncio.to_thread(file.stat)).st_size > self._wire.upload_most:
            return False
        place, text = Place.read(to), pen.html(Card(title="", lines=(caption,)), pen.CAPTION)
        try:
            await self._said(place.chat, Rank.LAST_WORD, lambda chat: self._file(chat, place.thread, file, text))
        except TooBig:
            return False
        return True

    async def _file(self, chat: int, thread: int | None, file: Path, text: str) -> Message:
        document = FSInputFile(file)
        return await self._wire.call(
            SendDocument(chat_id=chat, message_thread_id=thread, document=document, caption=text), UPLOAD_SECONDS
        )

    async def _send(self, place: Place, card: Card) -> Sent:
        picture = _usable(card, place.chat)
        try:
            made = await self._said(
                place.chat, Rank.LAST_WORD, lambda chat: self._sending(chat, place.thread, card, picture)
            )
        except (OperatorFault, TooBig) as fault:
            if picture is None or _silent(fault):
                raise
            return await self._send(place, _without_picture(card))
        return Sent(made.message_id, _named(picture) if picture else "")

    async def _sending(self, chat: int, thread: int | None, card: Card, picture: Path | None) -> Message:
        where: dict[str, Any] = {"chat_id": chat, "message_thread_id": thread, "reply_markup": self._keys(card, chat)}
        if picture is None:
            return await self._wire.call(SendMessage(text=pen.html(card), **where))
        photo, caption = FSInputFile(picture), pen.html(card, pen.CAPTION)
        return await self._wire.call(SendPhoto(photo=photo, caption=caption, **where), UPLOAD_SECONDS)

    async def _edited(self, place: Place, card: Card, sent: Sent) -> Sent:
        """`sent` with `card` in it. One that is gone is sent anew."""
        rank = Rank.LAST_WORD if card.final else Rank.LIVE
        picture = _usable(card, place.chat)
        now = Sent(sent.number, _named(picture) if picture else sent.picture)
        try:
            await self._said(place.chat, rank, lambda chat: self._edit(chat, card, sent, picture))
        except Same:
            return now
        except (OperatorFault, TooBig) as fault:
            if picture is None or _silent(fault):
                raise
            return await self._edited(place, _without_picture(card), sent)
        except OtherKind:
            if sent.picture == UNSEEN:
                return await self._send(place, card)
            return await self._edited(place, card, replace(sent, picture="" if sent.picture else UNSEEN))
        except Gone:
            return await self._send(place, card)
        return now

    async def _edit(self, chat: int, card: Card, sent: Sent, picture: Path | None) -> Message | bool:
        """Text stays text until a picture appears; from then on the words are its caption. No way leads back."""
        where: dict[str, Any] = {"chat_id": chat, "message_id": sent.number, "reply_markup": self._keys(card, chat)}
        if picture is not None and _named(picture) != sent.picture:
            media = InputMediaPhoto(media=FSInputFile(picture), caption=pen.html(card, pen.CAPTION))
            return await self._wire.call(EditMessageMedia(media=media, **where), UPLOAD_SECONDS)
        if sent.picture:
            return await self._wire.call(EditMessageCaption(caption=pen.html(card, pen.CAPTION), **where))
        return await self._wire.call(EditMessageText(text=pen.html(card), **where))

    async def _said(self, chat: int, rank: Rank, say: Callable[[int], Awaitable[T]]) -> T:
        """Say it when it is its turn; wait exactly as long as Telegram asks, follow a group that moved.

        What was not answered is said again: an edit may be repeated, and a message twice is better than none.
        """
        pause = PAUSE
        for left in reversed(range(TRIES)):
            to = await self._memory.moved(chat)
            try:
                async with self._gate.turn(to, rank):
                    return await say(to)
            except Wait as wait:
                log.info("telegram-wait", seconds=wait.seconds)
                self._gate.hold(to, wait.seconds)
            except Moved as moved:
                await self._memory.move(to, moved.chat)
            except OperatorFault as fault:
                if fault.code != "telegram-down" or not left:
                    raise
                await asyncio.sleep(pause)
                pause *= 2
        raise OperatorFault("telegram-down", why="flood")

    def _keys(self, card: Card, chat: int) -> InlineKeyboardMarkup | None:
        buttons = [self._key(button, chat) for button in card.buttons]
        if not buttons:
            return None
        odd = len(buttons) % ROW
        rows = [buttons[:odd], *(buttons[n : n + ROW] for n in range(odd, len(buttons), ROW))]
        return InlineKeyboardMarkup(inline_keyboard=[row for row in rows if row])

    def _key(self, button: Button, chat: int) -> InlineKeyboardButton:
        if button.action.startswith("private:"):
            link = f"https://t.me/{self._username}?start={button.action.partition(':')[2]}"
            return InlineKeyboardButton(text=button.label, url=link)
        if button.link.startswith("https:") and button.app and chat > 0:  # it proves by itself who opens it
            return InlineKeyboardButton(text=button.label, web_app=WebAppInfo(url=button.link.partition("#")[0]))
        if button.link:
            return InlineKeyboardButton(text=button.label, url=button.link)
        assert len(button.action.encode()) <= DATA_MOST, button.action
        return InlineKeyboardButton(text=button.label, callback_data=button.action)


def _silent(fault: Exception) -> bool:
    """Nobody answered: the picture is not to blame."""
    return isinstance(fault, OperatorFault) and fault.code != "telegram-refused"


def _without_picture(card: Card) -> Card:
    """Telegram does not take it: the words are worth more."""
    log.warning("telegram-picture-refused", title=card.title)
    return replace(card, picture=None)


def _usable(card: Card, chat: int) -> Path | None:
    """The card's picture, if it may be shown here: samples go to a group only when their owner put them there."""
    picture = card.picture
    if picture is None or (chat < 0 and not card.shared):
        return None
    try:
        return picture if 0 < picture.stat().st_size <= PHOTO_MOST else None
    except OSError:
        return None


def _named(picture: Path) -> str:
    """A picture's name in a MessageId: a file of ours is never drawn over with the same size."""
    return hashlib.sha256(f"{picture.name}\0{picture.stat().st_size}".encode()).hexdigest()[:8]


def _now() -> float:
    return asyncio.get_running_loop().time()
