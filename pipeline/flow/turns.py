"""How often a person may ask for a price: each may cost one of the market's searches of the day."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId

MINUTE: Final = timedelta(minutes=1)


class Turns:
    """Kept in memory: a restart forgives."""

    def __init__(self, a_minute: int) -> None:
        self._most = a_minute
        self._taken: dict[AccountId, deque[datetime]] = {}

    def take(self, account: AccountId, now: datetime) -> None:
        """Raises UserFault("too-many-quotes")."""
        for each in [each for each, times in self._taken.items() if now - times[-1] >= MINUTE]:
            del self._taken[each]
        times = self._taken.setdefault(account, deque(maxlen=self._most))
        if len(times) == times.maxlen and now - times[0] < MINUTE:
            seconds = (MINUTE - (now - times[0])).total_seconds()
            raise UserFault("too-many-quotes", most=self._most, seconds=max(1, round(seconds)))
        times.append(now)
