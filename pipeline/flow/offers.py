"""What is on offer for a job, for quotes and rents alike: the market's list, our history, shuns, a person's filters."""

from dataclasses import dataclass, replace

from pipeline.domain.choice import choice
from pipeline.domain.ids import AccountId
from pipeline.domain.quote import Filters, Need, Offer, ranked
from pipeline.flow.history import History
from pipeline.flow.shuns import Shuns
from pipeline.ports import Clock, Provider, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything a choice is made of. `need` knows our history."""

    need: Need
    offers: list[Offer]
    shunned: frozenset[str]

    def best(self, also_shunned: frozenset[str] = frozenset()) -> list[Offer]:
        """Sound offers, the cheapest whole job first."""
        return ranked(self.offers, self.need, self.shunned | also_shunned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    provider: Provider
    store: Store
    clock: Clock

    async def look(
        self, need: Need, account: AccountId | None = None, *, fresh: bool = False, renting: bool = False
    ) -> Found:
        """One search, or two for a person's filters. `renting`: may use what is kept of the day's searches for rents.

        Raises UserFault("filters-too-narrow"), OperatorFault("market-..." | "no-offers").
        """
        wanted = replace(need, known=await History(self.store, self.clock).known())
        offers = await self.provider.offers(wanted, fresh=fresh, renting=renting)
        if not wanted.filters.open:
            anywhere = replace(wanted, filters=Filters())
            offers = choice(offers, await self.provider.offers(anywhere, renting=renting), wanted)
        shunned = await Shuns(self.store, self.clock).marks(account)
        return Found(need=wanted, offers=offers, shunned=shunned)
