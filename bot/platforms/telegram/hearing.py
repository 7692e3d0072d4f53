"""What an update says, with no network in it: who speaks where, words, files, a button, or that a chat changed."""

import mimetypes
import re
from dataclasses import dataclass
from typing import Final

from aiogram.types import CallbackQuery, ChatMemberUpdated, Document, Message, Update, User

from notifier.ports import MessageId
from notifier.words import spoken
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address
from pipeline.domain.text import line

KINDS: Final = ("message", "edited_message", "callback_query", "my_chat_member")  # what we ask Telegram for
COMMAND: Final = re.compile(r"\s*/([A-Za-z0-9_]{1,32})(?:@(\w{1,64}))?(?=\s|$)")
ENTERED: Final = re.compile(r"\s*/start(?:@\w+)?\s+([A-Za-z0-9_-]{1,64})\s*")
USABLE: Final = re.compile(r"image/|application/(x-)?zip", re.IGNORECASE)
PICTURES: Final = (".zip", ".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".bmp", ".tif", ".tiff", ".gif", ".avif")


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as the message names it; nothing was fetched yet."""

    id: str
    unique: str  # the same file has the same one, for every bot and for ever
    size: int  # bytes; 0: not told
    name: str


@dataclass(frozen=True, slots=True)
class Replied:
    """The message a remark answers."""

    message: int
    author: int | None  # None: an anonymous admin, a channel
    name: str
    files: tuple[Attached, ...]
    album: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One remark of one person."""

    person: int
    name: str  # as they call themselves: never believed, only shown
    chat: int
    thread: int | None = None  # of a forum
    locale: str
    text: str = ""
    files: tuple[Attached, ...] = ()
    album: str = ""
    other: bool = False  # a kind of message that holds neither words nor files we use
    edited: bool = False
    query: str = ""  # of a pressed button
    pressed: str = ""
    message: MessageId | None = None  # itself, or the one a button stood on
    reply: Replied | None = None

    @property
    def private(self) -> bool:
        return self.chat == self.person

    @property
    def id(self) -> str:
        return f"telegram:{self.chat}:{self.message}"

    @property
    def identity(self) -> Identity:
        return Identity(f"telegram:{self.person}")

    @property
    def address(self) -> Address:
        """Where it was said."""
        return Address("telegram", f"{self.chat}/{self.thread}" if self.thread else str(self.chat), self.locale)

    @property
    def alone(self) -> Address:
        """Where nobody else listens."""
        return Address("telegram", str(self.person), self.locale)

    @property
    def command(self) -> str:
        """The command's name in lower case, or ""."""
        found = COMMAND.match(self.text)
        return found[1].lower() if found else ""

    def meant_for(self, username: str) -> bool:
        """Whether a command is ours: several bots may share a group."""
        found = COMMAND.match(self.text)
        return not found or not found[2] or found[2].lower() == username.lower()


@dataclass(frozen=True, slots=True)
class Masked:
    """Somebody speaks as a group or a channel: many people may share that one number."""

    chat: int
    thread: int | None
    locale: str
    text: str


@dataclass(frozen=True, slots=True)
class Migrated:
    chat: int
    to: int


@dataclass(frozen=True, slots=True)
class Reach:
    """A chat let us in, or shut us out."""

    chat: int
    open: bool


Heard = Remark | Masked | Migrated | Reach


def read(update: Update) -> Heard | None:
    """What `update` means to us; None: nothing."""
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if update.my_chat_member is not None:
        return _reach(update.my_chat_member)
    message = update.message or update.edited_message
    if message is None:
        return None
    return _said(message, edited=update.edited_message is not None)


def _said(message: Message, *, edited: bool) -> Heard | None:
    if message.migrate_to_chat_id is not None:
        return Migrated(message.chat.id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id is not None:
        return Migrated(message.migrate_from_chat_id, message.chat.id)
    text, who = message.text or message.caption or "", message.from_user
    thread = message.message_thread_id if message.is_topic_message else None
    if message.sender_chat is not None or who is None:
        return None if message.is_automatic_forward else Masked(message.chat.id, thread, _locale(who), text)
    if who.is_bot or message.chat.type == "channel":
        return None
    files = _files(message)
    return Remark(
        person=who.id,
        name=line(who.full_name, 60),
        chat=message.chat.id,
        thread=thread,
        locale=_locale(who),
        text=text,
        files=files,
        album=message.media_group_id or "",
        other=not files and not text,
        edited=edited,
        message=MessageId(str(message.message_id)),
        reply=_replied(message.reply_to_message),
    )


def _pressed(query: CallbackQuery) -> Remark | None:
    where, who = query.message, query.from_user
    if where is None or query.data is None:  # from an inline message, or a game: none of ours
        return None
    known = isinstance(where, Message)
    thread = where.message_thread_id if isinstance(where, Message) and where.is_topic_message else None
    shown = f"{where.message_id}.?" if known and getattr(where, "photo", None) else str(where.message_id)
    return Remark(
        person=who.id,
        name=line(who.full_name, 60),
        chat=where.chat.id,
        thread=thread,
        locale=_locale(who),
        query=query.id,
        pressed=query.data,
        message=MessageId(shown),
    )


def _reach(changed: ChatMemberUpdated) -> Reach:
    return Reach(changed.chat.id, changed.new_chat_member.status not in {"kicked", "left"})


def _replied(message: Message | None) -> Replied | None:
    if message is None:
        return None
    files, who = _files(message), message.from_user
    masked = message.sender_chat is not None or who is None
    if not files or (who is not None and who.is_bot and not masked):  # pictures that bots showed are nobody's dataset
        return None
    return Replied(
        message=message.message_id,
        author=None if masked or who is None else who.id,
        name=line(who.full_name, 60) if who else "",
        files=files,
        album=message.media_group_id or "",
    )


def _files(message: Message) -> tuple[Attached, ...]:
    if message.photo:
        best = max(message.photo, key=lambda size: size.width * size.height)
        return (Attached(best.file_id, best.file_unique_id, best.file_size or 0, f"{best.file_unique_id}.jpg"),)
    if message.document is not None and _usable(message.document):
        found = message.document
        return (Attached(found.file_id, found.file_unique_id, found.file_size or 0, _name(found)),)
    return ()


def _usable(document: Document) -> bool:
    """Whether it calls itself a zip or a picture; what is in it is looked at later."""
    named = (document.file_name or "").lower().endswith(PICTURES)
    return named or bool(USABLE.match(document.mime_type or ""))


def _name(document: Document) -> str:
    """The file's name as one that is safe on our disk, and still theirs to read."""
    name = re.sub(r"[/\\\0]", "_", line(document.file_name or "", 80)).lstrip(". ")
    kind = mimetypes.guess_extension(document.mime_type or "") or ".bin"
    return name[-80:] if "." in name else f"{name or 'file'}{kind}"


def _locale(who: User | None) -> str:
    return spoken((who.language_code if who else None) or "en")
