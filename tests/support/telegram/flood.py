"""Flood control, really counted: what Telegram publishes, and a book of who went beyond it."""

import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.support.telegram.answers import too_many


@dataclass(frozen=True, slots=True)
class Limits:
    """As the FAQ for bots says: one a second and chat, 30 a second in all, 20 a minute and group."""

    chat_seconds: float = 1.0
    overall: int = 30
    group: int = 20


JITTER: Final = 0.25  # seconds that the line may take from a gap the client did keep
SECOND: Final = 1.0
MINUTE: Final = 60.0


@dataclass(slots=True)
class Flood:
    """Ask `take` before a message is sent or edited. `now`: seconds on any steady clock."""

    now: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    violations: list[str] = field(default_factory=list)
    _free: dict[int, float] = field(default_factory=dict)  # when a chat is free again
    _minute: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _second: deque[float] = field(default_factory=deque)
    _told: dict[int, float] = field(default_factory=dict)  # until when a chat was told to wait

    def take(self, chat: int, method: str, *, group: bool) -> None:
        """Count one message. Raises Refusal 429, and writes down that it had to."""
        now = self.now()
        wait, why = self._wait(chat, now, group=group)
        if wait > 0:
            self._refuse(chat, now, wait, f"{method} in {chat}: {why}")
        # lateness is forgiven once, not saved up: a steady client that is too fast runs into it
        self._free[chat] = max(now, self._free.get(chat, now)) + self.limits.chat_seconds
        self._second.append(now)
        if group:
            self._minute[chat].append(now)

    def punish(self, chat: int, seconds: int) -> None:
        """Tell a chat to wait, as an armed 429 does: coming back before is a violation, too."""
        self._told[chat] = self.now() + seconds

    def _wait(self, chat: int, now: float, *, group: bool) -> tuple[float, str]:
        told = self._told.get(chat, now) - now
        if told > JITTER:
            return told, "came back before retry_after was over"
        free = self._free.get(chat, now) - now
        if free > JITTER:
            return free, "more than one a second"
        if (late := _beyond(self._second, now, SECOND - JITTER, self.limits.overall)) > 0:
            return late, f"more than {self.limits.overall} a second in all"
        if group and (late := _beyond(self._minute[chat], now, MINUTE - JITTER, self.limits.group)) > 0:
            return late, f"more than {self.limits.group} a minute in a group"
        return 0.0, ""

    def _refuse(self, chat: int, now: float, wait: float, why: str) -> None:
        seconds = max(1, math.ceil(wait))
        self.violations.append(why)
        self._told[chat] = max(self._told.get(chat, now), now + wait)
        raise too_many(seconds)


def _beyond(stamps: deque[float], now: float, window: float, most: int) -> float:
    """Seconds until one more fits into the window; 0 or less when it does now."""
    while stamps and stamps[0] <= now - window:
        stamps.popleft()
    return stamps[0] + window - now if len(stamps) >= most else 0.0
