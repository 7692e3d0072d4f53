"""Time: when it is, and how fast a wait of ours passes here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One factor on every wait of ours (settings.md). Never on connect, login or read timeouts."""

    factor: float = 1.0

    def seconds(self, life: float) -> float:
        """How long a wait of `life` seconds takes here."""
        return life * self.factor

    def delta(self, **life: float) -> timedelta:
        """`timedelta(**life)` as it passes here."""
        return timedelta(**life) * self.factor

    def life(self, measured: float) -> float:
        """What `measured` seconds would have been in life: before they meet a rate, a price or a class."""
        return measured / self.factor
