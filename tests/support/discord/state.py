"""What the fake Discord knows: people, servers, channels, messages, interactions; and how to wait for it to change."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from pipeline.sandbox.world import wall_clock

T = TypeVar("T")
Json = dict[str, Any]

EPOCH: Final = datetime(2015, 1, 1, tzinfo=UTC)  # Discord's own: a snowflake's upper bits are milliseconds since then
BOT_ID: Final = 2  # of the bot's user and of its application alike, as for every app made since 2016
TOKEN_LIFE: Final = timedelta(minutes=15)
ACK_WITHIN: Final = timedelta(seconds=3)
LINK_LIFE: Final = timedelta(hours=24)
EPHEMERAL: Final = 1 << 6
LOADING: Final = 1 << 7


class Clock:
    """The wall clock, and whatever a test adds to it: an hour passes in no time."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return wall_clock() + self._ahead

    def passes(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class Bell:
    """Rung at every change; who waits looks again."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, look: Callable[[], T | None], what: Callable[[], str], seconds: float = 20) -> T:
        """Wait until `look` finds something. Raises AssertionError with `what()` after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := look()):
                    await self._rung.wait()
        except TimeoutError:
            raise AssertionError(f"waited {seconds} s in vain: {what()}") from None
        return found


@dataclass(slots=True, kw_only=True, eq=False)
class Guild:
    id: int
    name: str
    member: bool = True  # the bot is in it; else only the person installed the app


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    id: int
    name: str
    locale: str = "en-US"
    refuses: int = 0  # direct messages, with this code: 50007 (closed) or 50278 (no server in common)


@dataclass(slots=True, kw_only=True, eq=False)
class Channel:
    id: int
    name: str = ""
    guild: Guild | None = None
    user: User | None = None  # the other one, in a direct conversation
    closed: bool = False  # the bot may not see it
    messages: dict[int, "Message"] = field(default_factory=dict)

    @property
    def private(self) -> bool:
        return self.guild is None


@dataclass(slots=True, kw_only=True, eq=False)
class Upload:
    """A file on the CDN."""

    id: int
    name: str
    kind: str
    data: bytes
    path: str
    made_at: datetime
    fetched: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    id: int
    channel: Channel
    made_at: datetime
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    mentions: list[User] = field(default_factory=list)
    pinged: list[User] = field(default_factory=list)  # whose phone rang when it came; an edit rings nobody
    flags: int = 0
    edited_at: datetime | None = None
    versions: list[str] = field(default_factory=list)  # its text, as it was after each write
    asked: "Interaction | None" = None  # what it answers
    nonce: str = ""  # the app's own mark: a second message with it is the first one again

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """Every word of it, as a person reads down."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [str(embed.get(name, "")) for name in ("title", "description")]
            for row in embed.get("fields", ()):
                parts += [row["name"], row["value"]]
            parts.append(embed.get("footer", {}).get("text", ""))
        parts += [str(part["content"]) for part in walk(self.components) if part.get("type") == TEXT]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[Json]:
        return [part for part in walk(self.components) if part.get("type") == BUTTON]

    def button(self, label: str) -> Json | None:
        """The enabled button whose label holds `label`."""
        fit = (one for one in self.buttons if label in one.get("label", "") and not one.get("disabled"))
        return next(fit, None)


@dataclass(slots=True, kw_only=True, eq=False)
class Interaction:
    id: int
    token: str
    kind: int
    user: User
    channel: Channel
    made_at: datetime
    data: Json
    message: Message | None = None  # on which a button was pressed
    ack: int | None = None  # type of the callback that answered it
    ack_after: float = 0.0  # seconds from its making
    original: Message | None = None
    choices: list[Json] | None = None
    modal: Json | None = None
    follow_ups: int = 0


BUTTON: Final = 2
TEXT: Final = 10
FILE_UPLOAD: Final = 19


def walk(components: list[Json]) -> list[Json]:
    """Every component of a message or modal, the nested ones too, in reading order."""
    found: list[Json] = []
    for part in components:
        inner = [*part.get("components", ()), *(part[key] for key in ("accessory", "component") if part.get(key))]
        found += [part, *walk(inner)]
    return found


class State:
    """All of it. `base` is the address of the one server that plays REST, gateway and CDN."""

    def __init__(self) -> None:
        self.base = ""
        self.clock = Clock()
        self.bell = Bell()
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.uploads: dict[str, Upload] = {}
        self.interactions: dict[str, Interaction] = {}  # by token
        self.commands: dict[int | None, list[Json]] = {}  # by guild; None: everywhere
        self._last = 0
        self._key = b"signs links"

    def new_id(self) -> int:
        at = int((self.clock.now() - EPOCH).total_seconds() * 1000) << 22
        self._last = max(at, self._last + 1)
        return self._last

    def guild(self, name: str = "club", *, member: bool = True) -> Channel:
        """Make a server with one text channel; that channel."""
        guild = Guild(id=self.new_id(), name=name, member=member)
        self.guilds[guild.id] = guild
        channel = Channel(id=self.new_id(), name="general", guild=guild)
        self.channels[channel.id] = channel
        return channel

    def direct(self, user: User) -> Channel:
        """The conversation of bot and `user`; there is only one."""
        for channel in self.channels.values():
            if channel.user is user:
                return channel
        channel = Channel(id=self.new_id(), user=user)
        self.channels[channel.id] = channel
        return channel

    def upload(self, name: str, data: bytes, kind: str, folder: str) -> Upload:
        number = self.new_id()
        made = Upload(
            id=number, name=name, kind=kind, data=data, path=f"/{folder}/{number}/{name}", made_at=self.clock.now()
        )
        self.uploads[made.path] = made
        return made

    def signed(self, upload: Upload) -> str:
        """Its address, for a day from now."""
        now = self.clock.now()
        begins, ends = (f"{int(at.timestamp()):x}" for at in (now, now + LINK_LIFE))
        return f"{self.base}{upload.path}?ex={ends}&is={begins}&hm={self.seal(upload.path, ends, begins)}&"

    def seal(self, path: str, ends: str, begins: str) -> str:
        return hmac.new(self._key, f"{path}|{ends}|{begins}".encode(), hashlib.sha256).hexdigest()

    def messages(self) -> list[Message]:
        """Every message anywhere, oldest first."""
        return sorted((one for place in self.channels.values() for one in place.messages.values()), key=lambda m: m.id)
