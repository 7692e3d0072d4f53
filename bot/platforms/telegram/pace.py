"""How fast the bot may speak: one gate for all its messages, and how often a live message is worth an edit."""

import asyncio
import hashlib
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Final

from notifier.card import Card
from pipeline.ports import Pace

BURST, A_SECOND = 10, 20.0  # together at most 30 in any second, which is what the FAQ for bots allows
CHAT_GAP: Final = 1.05  # seconds between two messages of one chat; the line may take some of it away
GROUP_MOST, MINUTE = 20, 60.5
PRIVATE_EVERY, PRIVATE_LEAST = 20.0, 1.0  # seconds between two edits of one live message
GROUP_EVERY, GROUP_LEAST = 30.0, 3.0
INSTANT: Final = 1e-6  # seconds: less is a rounding error, and a timer that never comes nearer
REMEMBERED: Final = 2000  # live messages


class Rank(IntEnum):
    """Who goes first when not all can."""

    LAST_WORD = 0  # a job's end, an answer to somebody
    LIVE = 1  # a live message whose words changed, or whose figures did


@dataclass(slots=True)
class Limits:
    """What may go when: pure, asked with the time. Chats below 0 are groups."""

    tokens: float = BURST
    filled: float = 0.0
    free: dict[int, float] = field(default_factory=dict)  # chat -> when its gap is over
    minute: dict[int, deque[float]] = field(default_factory=dict)  # group -> its messages of the last minute

    def wait(self, chat: int, now: float) -> float:
        """Seconds until a message to `chat` may go; 0: now."""
        self._fill(now)
        overall = 0.0 if self.tokens >= 1 else (1 - self.tokens) / A_SECOND
        return max(overall, self.own(chat, now))

    def own(self, chat: int, now: float) -> float:
        """As `wait`, of what is this chat's alone."""
        group = 0.0
        if times := self.minute.get(chat):
            while times and times[0] <= now - MINUTE:
                times.popleft()
            group = times[0] + MINUTE - now if len(times) >= GROUP_MOST else 0.0
        return max(0.0, group, self.free.get(chat, now) - now)

    def take(self, chat: int, now: float) -> None:
        """Count one message that goes now."""
        self._fill(now)
        self.tokens -= 1
        self.rest(chat, now, CHAT_GAP)
        if chat < 0:
            self.minute.setdefault(chat, deque()).append(now)

    def rest(self, chat: int, now: float, seconds: float) -> None:
        """Let `chat` be for `seconds` from `now`: after a message, or because Telegram said so."""
        self.free[chat] = max(self.free.get(chat, now), now + seconds)
        if len(self.free) > REMEMBERED:
            self.free = {one: until for one, until in self.free.items() if until > now}
            self.minute = {one: times for one, times in self.minute.items() if times and times[-1] > now - MINUTE}

    def _fill(self, now: float) -> None:
        self.tokens = min(float(BURST), self.tokens + max(0.0, now - self.filled) * A_SECOND)
        self.filled = now


class Gate:
    """Lets messages through, one at a time in each chat, the more urgent first."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []  # rank, ticket, chat, its turn
        self._tickets = count()
        self._speaking: set[int] = set()
        self._alarm: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, chat: int, rank: Rank = Rank.LAST_WORD) -> AsyncIterator[None]:
        """Wait for a turn to write to `chat`, and keep it while writing: a chat reads in order."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rank, next(self._tickets), chat, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(chat, CHAT_GAP)
            raise
        try:
            yield
        finally:
            self._leave(chat, CHAT_GAP)  # from the end: the line may have held it up

    def hold(self, chat: int, seconds: float) -> None:
        """Telegram asked us to leave `chat` alone for so long: exactly that."""
        self._limits.rest(chat, asyncio.get_running_loop().time(), seconds)

    def _leave(self, chat: int, gap: float) -> None:
        self._speaking.discard(chat)
        self._limits.rest(chat, asyncio.get_running_loop().time(), gap)
        self._admit()

    def _admit(self) -> None:
        """Give turns to all who may go now; look again when the next one may."""
        loop = asyncio.get_running_loop()
        now, later, kept = loop.time(), list[float](), list[tuple[int, int, int, asyncio.Future[None]]]()
        for one in sorted(self._waiting, key=lambda each: each[:2]):
            chat, turn = one[2], one[3]
            if turn.cancelled():
                continue
            if chat in self._speaking:  # its end will call again
                kept.append(one)
            elif (wait := self._limits.wait(chat, now)) > INSTANT:
                kept.append(one)
                later.append(wait)
            else:
                self._limits.take(chat, now)
                self._speaking.add(chat)
                turn.set_result(None)
        self._waiting = kept
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_later(min(later), self._admit) if later else None


class Rhythm:
    """When a live message is worth an edit: at once when its words changed, else now and then."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._seen: OrderedDict[str, tuple[float, str]] = OrderedDict()  # message -> when it was shown last, its words

    def wait(self, message: str, chat: int, card: Card, now: float) -> float:
        """Seconds until `card` should be shown over `message`; 0: now.

        A message we have not shown since we started waits for a moment of its own, so that a restart with a hundred
        of them is no burst.
        """
        if card.final:
            return 0.0
        every = self.every(chat)
        if message not in self._seen:
            self._seen[message] = (now - every + _spread(message) * every, words_of(card))
            self._seen.move_to_end(message)
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        at, words = self._seen[message]
        return 0.0 if words != words_of(card) else max(0.0, at + every - now)

    def shown(self, message: str, card: Card, now: float) -> None:
        if card.final:
            self._seen.pop(message, None)
        else:
            self._seen[message] = (now, words_of(card))

    def every(self, chat: int) -> float:
        """Seconds between two edits of a live message in `chat`."""
        life, least = (GROUP_EVERY, GROUP_LEAST) if chat < 0 else (PRIVATE_EVERY, PRIVATE_LEAST)
        return max(least, self._pace.seconds(life))


def words_of(card: Card) -> str:
    """What of a card is news at once: its sentences and buttons, without the figures in them."""
    said = "\n".join([card.title, *card.lines, card.tone, *(button.action for button in card.buttons)])
    return re.sub(r"\d+", "", said)


def _spread(message: str) -> float:
    """A number in 0..1 that belongs to this message."""
    return hashlib.sha256(message.encode()).digest()[0] / 256
