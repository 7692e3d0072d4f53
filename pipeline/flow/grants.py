"""Points that operators give away in chat: no more in a day than one slip may cost."""

from dataclasses import dataclass
from typing import Final

from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.ids import Identity
from pipeline.domain.ledger import Balance
from pipeline.domain.money import Points
from pipeline.flow.accounts import Accounts
from pipeline.flow.ledger import Ledger
from pipeline.ports import Clock, Store

DAILY: Final = Points(1_000_000)  # of one operator; the command line has no such limit
COLL: Final = "settings"
TRIES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    store: Store
    clock: Clock
    ledger: Ledger
    accounts: Accounts
    daily: Points = DAILY

    async def give(self, by: Identity, to: Identity, points: int, reason: str, key: str) -> Balance:
        """Deposit `points` for `to`, the same `key` once. Raises UserFault("grants-of-the-day", left=, most=)."""
        await self._count(by, points, key)
        account = await self.accounts.made(to)
        await self.ledger.deposit(account, f"grant:{key}", Points(points), source=f"grant: {reason[:80]}")
        return await self.ledger.balance(account)

    async def _count(self, by: Identity, points: int, key: str) -> None:
        """Counted before it is given: a crash between costs room of the day, never the limit."""
        name = f"granted-{by}-{self.clock.now():%Y-%m-%d}"
        for _ in range(TRIES):
            doc = await self.store.get(COLL, name)
            given = dict(doc["given"]) if doc else {}
            if key in given:
                return
            left = self.daily - sum(given.values())
            if points > left:
                raise UserFault("grants-of-the-day", left=left, most=int(self.daily))
            told = {"given": {**given, key: points}}
            if doc is None:
                if await self.store.create(COLL, name, told):
                    return
            elif await self.store.cas(COLL, name, doc["version"], told):
                return
        raise OperatorFault("store-down", why="contended")
