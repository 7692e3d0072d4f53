"""Where things are said on Discord, written as the text that addresses and message ids are to everybody else."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from notifier.ports import MessageId


class Kind(StrEnum):
    """What may be said in a place, and who reads it."""

    DM = "d"  # this person and we
    CHANNEL = "c"  # others read it, and so may we write there
    ELSEWHERE = "e"  # others read it and we cannot write there: a server or group that only the person's app is in


@dataclass(frozen=True, slots=True)
class Place:
    """A person in a channel. `user` 0: a channel that is nobody's, such as the one for alerts."""

    kind: Kind
    channel: int
    user: int = 0

    @classmethod
    def read(cls, chat: str) -> Self:
        """As `str` wrote it; a bare number is a channel."""
        kind, _, rest = chat.partition(".")
        if not rest:
            return cls(Kind.CHANNEL, int(kind))
        channel, _, user = rest.partition(".")
        return cls(Kind(kind), int(channel), int(user))

    def __str__(self) -> str:
        return f"{self.kind}.{self.channel}.{self.user}"

    @property
    def shared(self) -> bool:
        """Whether others read what is said here."""
        return self.kind is not Kind.DM


@dataclass(frozen=True, slots=True)
class Spot:
    """One message of ours. A hidden one is seen by one person alone, and the bot's token cannot edit it (10008)."""

    channel: int
    number: int
    hidden: bool = False

    @classmethod
    def read(cls, message: MessageId) -> Self:
        channel, _, rest = message.partition(".")
        number, _, hidden = rest.partition(".")
        return cls(int(channel), int(number), bool(hidden))

    @property
    def id(self) -> MessageId:
        return MessageId(f"{self.channel}.{self.number}{'.h' if self.hidden else ''}")
