"""What the notifier needs from a chat platform."""

from pathlib import Path
from typing import NewType, Protocol

from notifier.card import Card
from pipeline.domain.job import Address

MessageId = NewType("MessageId", str)


class Unreachable(Exception):
    """This person cannot be written to here any more: blocked, left, never started. Another way must be found."""


class Courier(Protocol):
    """One chat platform's mouth."""

    name: str

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        """Send `card`, or edit message `over` into it; a message that is gone is sent anew.

        Keeps the platform's own pace (1 edit a second and chat). Raises Unreachable.
        """

    async def send_file(self, to: Address, file: Path, caption: str) -> None: ...
