"""What the notifier needs from a chat platform."""

from pathlib import Path
from typing import NewType, Protocol

from notifier.card import Card
from pipeline.domain.job import Address

MessageId = NewType("MessageId", str)


class Unreachable(Exception):
    """This person cannot be written to here any more: blocked, left, never started. Another way must be found."""


class Later(Exception):
    """Nothing of this edit is worth its place in the platform's pace yet. Ask again with the newest card."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Courier(Protocol):
    """One chat platform's mouth."""

    name: str

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        """Send `card`, or edit message `over` into it; a message that is gone is sent anew.

        Keeps the platform's own pace (1 edit a second and chat). Raises Unreachable, and Later for an edit of a card
        that is not final.
        """

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        """Send `file` under its own name. False: it is larger than the platform carries. Raises Unreachable."""
