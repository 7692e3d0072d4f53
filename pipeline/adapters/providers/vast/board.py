"""The board of offers: one minute's cache for quotes and rents, and a day's budget of searches with a part for rents.

The market has a daily quota of searches and does not say how many. It is spent by people asking for prices, and
whoever empties it also stops every job that stands before RENT (threats.md 3).
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pipeline.adapters.providers.vast import asks
from pipeline.domain.faults import Fault, OperatorFault
from pipeline.domain.ids import OfferId
from pipeline.domain.quote import Need, Offer
from pipeline.ports import Pace

FRESH: Final = 60.0  # seconds an answer is good for
STALE: Final = 600.0  # seconds for which an old answer is better than none: as long as a quote is open
A_DAY: Final = 2000  # searches we allow ourselves; one a minute all day long is 1440
FOR_RENTS: Final = 0.2  # of them
DAY: Final = 86_400.0
REFUSED: Final = 600.0  # seconds for which a market that says "quota" is not asked for a price again


@dataclass(slots=True)
class Answer:
    at: float  # of the loop's clock
    offers: list[Offer]


class Board:
    """Asks by `search`, once for any number of callers."""

    def __init__(
        self, search: Callable[[Need, dict[str, object]], Awaitable[list[Offer]]], pace: Pace, *, a_day: int = A_DAY
    ) -> None:
        self._search = search
        self._pace = pace
        self._a_day = a_day
        self._asking = asyncio.Lock()
        self._answers: dict[str, Answer] = {}
        self._spent: deque[float] = deque()
        self._refused_until = float("-inf")

    async def offers(self, need: Need, *, fresh: bool, renting: bool) -> list[Offer]:
        """What fits `need`. Raises OperatorFault("market-searches") when the day's searches are used up."""
        body = asks.search(need)
        key = json.dumps(body, sort_keys=True)
        async with self._asking:
            now = asyncio.get_running_loop().time()
            self._forget(now)
            known = self._answers.get(key)
            if known and not fresh and now - known.at < self._pace.seconds(FRESH):
                return list(known.offers)
            if not self._may(now, renting=renting):
                if known and not renting:
                    return list(known.offers)
                raise OperatorFault("market-searches", spent=len(self._spent))
            return list(await self._ask(key, need, body, now))

    async def _ask(self, key: str, need: Need, body: dict[str, object], now: float) -> list[Offer]:
        self._spent.append(now)
        try:
            found = await self._search(need, body)
        except Fault as fault:
            if fault.code == "market-searches":
                self._refused_until = now + self._pace.seconds(REFUSED)
            raise
        self._answers[key] = Answer(asyncio.get_running_loop().time(), found)
        return found

    def taken(self, offer: OfferId) -> None:
        """An offer that was rented, by us or by somebody faster, is on no list any more."""
        for answer in self._answers.values():
            answer.offers = [one for one in answer.offers if one.id != offer]

    def _may(self, now: float, *, renting: bool) -> bool:
        if renting:
            return len(self._spent) < self._a_day
        return len(self._spent) < self._a_day * (1 - FOR_RENTS) and now >= self._refused_until

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0] <= now - self._pace.seconds(DAY):
            self._spent.popleft()
        old = now - self._pace.seconds(STALE)
        self._answers = {key: answer for key, answer in self._answers.items() if answer.at > old}
