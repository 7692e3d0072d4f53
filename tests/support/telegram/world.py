"""Who there is: users, chats, messages; what the bot may reach of them; and how all of it looks on the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any, Final

from tests.support.telegram.answers import Refusal, bad, forbidden, migrated
from tests.support.telegram.bell import Bell
from tests.support.telegram.files import Files

BOT_ID: Final = 424242
BOT_NAME: Final = "station_bot"
ANONYMOUS: Final = 1087968824  # the account behind which Telegram hides every anonymous administrator
CHANNEL_BOT: Final = 136817688  # and every channel that writes in a group
FOUNDERS: Final = {ANONYMOUS: "GroupAnonymousBot", CHANNEL_BOT: "Channel_Bot"}


class Kind(StrEnum):
    PRIVATE = "private"
    GROUP = "group"
    SUPERGROUP = "supergroup"
    CHANNEL = "channel"


@dataclass(slots=True)
class User:
    id: int
    name: str
    language: str | None = "en"
    username: str = ""
    is_bot: bool = False

    def wire(self) -> dict[str, Any]:
        said: dict[str, Any] = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        named = {"language_code": self.language, "username": self.username}
        return said | {key: value for key, value in named.items() if value}


@dataclass(slots=True)
class Message:
    """One message as it is now. `past`: how it looked before each edit."""

    id: int
    chat: "Chat"
    wire: dict[str, Any]
    by_bot: bool = False
    gone: bool = False
    past: list[dict[str, Any]] = field(default_factory=list)

    @property
    def said(self) -> str:
        return str(self.wire.get("text", self.wire.get("caption", "")))

    def becomes(self, wire: dict[str, Any]) -> None:
        self.past.append(self.wire)
        self.wire = wire


@dataclass(slots=True)
class Chat:
    """`bot`: the bot's own status there. A private chat's is "member" after /start, "kicked" when it was blocked."""

    id: int
    kind: Kind
    title: str
    bot: str = "left"
    members: dict[int, str] = field(default_factory=dict)  # user -> status
    messages: dict[int, Message] = field(default_factory=dict)
    moved: int | None = None  # a group that became a supergroup
    linked: int | None = None

    @property
    def is_group(self) -> bool:
        return self.kind in {Kind.GROUP, Kind.SUPERGROUP}

    def wire(self) -> dict[str, Any]:
        name = "first_name" if self.kind is Kind.PRIVATE else "title"
        return {"id": self.id, "type": self.kind.value, name: self.title}


class World:
    """All of Telegram that the bot can meet."""

    def __init__(self, files: Files, bell: Bell) -> None:
        """`bell` rings at whatever changes here."""
        self.files, self.bell = files, bell
        self.bot = User(BOT_ID, "Train station", None, BOT_NAME, is_bot=True)
        self.users: dict[int, User] = {id_: User(id_, name, None, name, is_bot=True) for id_, name in FOUNDERS.items()}
        self.chats: dict[int, Chat] = {}
        self._ids = count(1)  # private chats and basic groups count together, as the bot's own box does
        self._own: dict[int, count[int]] = {}  # a supergroup counts by itself

    def user(self, user: User) -> User:
        return self.users.setdefault(user.id, user)

    def private(self, user: User) -> Chat:
        return self.chats.setdefault(user.id, Chat(user.id, Kind.PRIVATE, user.name))

    def reach(self, raw: str) -> Chat:
        """The chat a method names. Raises the Refusal of whoever the bot cannot write to."""
        try:
            chat = self.chats[int(raw)]
        except (ValueError, KeyError):
            raise self._unknown(raw) from None
        if chat.moved is not None:
            raise migrated(chat.moved)
        if chat.bot == "kicked":
            whom = "blocked by the user" if chat.kind is Kind.PRIVATE else f"kicked from the {chat.kind} chat"
            raise forbidden(f"bot was {whom}")
        if chat.bot == "left":
            private = chat.kind is Kind.PRIVATE
            why = "can't initiate conversation with a user" if private else f"is not a member of the {chat.kind} chat"
            raise forbidden(f"bot {why}")
        return chat

    def _unknown(self, raw: str) -> Refusal:
        """A user met in a group only can be named, but not written to first."""
        if raw.lstrip("-").isdecimal() and int(raw) in self.users:
            return forbidden("bot can't initiate conversation with a user")
        return bad("chat not found" if raw else "chat_id is empty")

    def message(self, chat: Chat, raw: str) -> Message | None:
        found = chat.messages.get(int(raw)) if raw.isdecimal() else None
        return None if found is None or found.gone else found

    def post(self, chat: Chat, content: Mapping[str, Any], author: Mapping[str, Any], *, by_bot: bool) -> Message:
        """Put a message into `chat`. `author`: its `from` and `sender_chat`."""
        number = next(
            self._own.setdefault(chat.id, count(1)) if chat.kind in {Kind.SUPERGROUP, Kind.CHANNEL} else self._ids
        )
        wire = {"message_id": number, **author, "chat": chat.wire(), "date": stamp(), **content}
        message = Message(number, chat, wire, by_bot)
        chat.messages[number] = message
        self.bell.ring()
        return message

    def member(self, chat: Chat, user: User, status: str) -> dict[str, Any]:
        """A ChatMember."""
        said: dict[str, Any] = {"user": user.wire(), "status": status}
        if status == "kicked":
            return said | {"until_date": 0}
        if status == "creator":
            return said | {"is_anonymous": False}
        return said | (RIGHTS if status == "administrator" else {})


RIGHTS: Final[dict[str, Any]] = dict.fromkeys(
    (
        "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
        "can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
        "can_edit_stories", "can_delete_stories",
    ),
    False,  # each of them
)  # fmt: skip


def stamp() -> int:
    """Seconds since 1970, as every date on this wire is."""
    return int(datetime.now(UTC).timestamp())  # noqa: TID251  # Telegram has its own clock


Look = Callable[[Message], bool]
