"""When a live message is worth an edit: at once when its words changed, else now and then, never faster than may be.

Pure, asked with the time. Edits of messages older than an hour have a limit of their own, counted by channel (30046).
"""

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from bot.platforms.discord.where import Spot
from notifier.card import Card
from pipeline.ports import Pace

ALONE_EVERY, ALONE_LEAST = 20.0, 1.0  # seconds between two edits of one message that its person alone reads
SHARED_EVERY, SHARED_LEAST = 30.0, 3.0
OLD: Final = 3600.0 - 60  # seconds: from this age on Discord counts edits more strictly, to its own clock
OLD_LEAST: Final = 15.0  # seconds between two edits of old messages of one channel
REMEMBERED: Final = 5000  # messages


@dataclass(slots=True)
class _Seen:
    born: float
    at: float  # shown last
    words: str


@dataclass(slots=True)
class Rhythm:
    """Times are the loop's. Discord's own limits do not know of PACE."""

    pace: Pace
    _seen: OrderedDict[Spot, _Seen] = field(default_factory=OrderedDict)
    _old: dict[int, float] = field(default_factory=dict)  # channel -> when an old message of it was edited last

    def wait(self, spot: Spot, card: Card, now: float, age: float, *, shared: bool) -> float:
        """Seconds until `card` may be shown over `spot`, which was `age` seconds old when we first met it; 0: now.

        After a restart each message waits for a moment of its own, so that a hundred of them are no burst.
        """
        every, least = (SHARED_EVERY, SHARED_LEAST) if shared else (ALONE_EVERY, ALONE_LEAST)
        every = max(least, self.pace.seconds(every))
        if spot not in self._seen:
            self._keep(spot, _Seen(now - age, now - every + spread(spot) * every, words_of(card)))
        seen = self._seen[spot]
        changed = card.final or seen.words != words_of(card)
        due = seen.at + (least if changed else every)
        if now - seen.born >= OLD:
            due = max(due, self._old.get(spot.channel, now - OLD_LEAST) + OLD_LEAST)
        return max(0.0, due - now)

    def shown(self, spot: Spot, card: Card, now: float) -> None:
        """`card` is in `spot` now."""
        seen = self._seen.get(spot)
        born = seen.born if seen else now
        if now - born >= OLD:
            self._old[spot.channel] = now
            if len(self._old) > REMEMBERED:
                self._old = {channel: at for channel, at in self._old.items() if at > now - OLD_LEAST}
        self._keep(spot, _Seen(born, now, words_of(card)))

    def _keep(self, spot: Spot, seen: _Seen) -> None:
        self._seen[spot] = seen
        self._seen.move_to_end(spot)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def words_of(card: Card) -> str:
    """What of a card is news at once: its sentences and buttons, without the figures in them."""
    return re.sub(r"\d+", "", repr((card.title, card.lines, card.tone, card.buttons)))


def spread(spot: Spot) -> float:
    """A number in 0..1 that belongs to this message."""
    return (spot.number * 2654435761 % 2**32) / 2**32  # Knuth's: neighbours fall far apart
