"""What our choice of a machine really costs, against the best in hindsight and against the lowest price tag."""

from dataclasses import dataclass, replace

from pipeline.domain.quote import Need, ranked
from pipeline.domain.recipe import Recipe
from pipeline.flow.kit import need_of
from pipeline.settings import Settings
from tests.bench.row import Row, least, most
from tests.support.snapshots import day, history, lowest_hour, snapshot

SNAPSHOTS = 200
RENTALS = 3
STEPS = (1000, 2000, 3000)


@dataclass(frozen=True, slots=True)
class Bought:
    """One job on one snapshot, four times, in micro-dollars."""

    ours: float
    taught: float  # ours, had we rented every host before
    best: float
    tag: float


def market() -> list[Row]:
    """Sums over all snapshots: a job that costs more weighs more, as it does on the invoice."""
    bought = [one for seed in range(SNAPSHOTS) if (one := _bought(seed))]
    ours, taught, best, tag = (sum(getattr(one, name) for one in bought) for name in ("ours", "taught", "best", "tag"))
    jobs = f"{len(bought)} jobs, ${ours / len(bought) / 1e6:.3f} each, no history"
    return [
        most("choice against hindsight", ours / best, 1.05, "x", jobs),
        least("choice below lowest $/h", 100 * (1 - ours / tag), 15, "%", f"that one ${tag / len(bought) / 1e6:.3f}"),
        Row("choice with a history", taught / best, "x", detail=f"{RENTALS} rentals of each host before"),
    ]


def _bought(seed: int) -> Bought | None:
    """None where no host within the floors boots at all: nobody could have chosen."""
    need, today = _need(seed), day(seed, snapshot(seed))
    offers = [host.offer for host in today.hosts]
    order = ranked(offers, need)
    taught = ranked(offers, replace(need, known=history(today.hosts, RENTALS)))
    best = today.hindsight(order, need)
    paid = [today.paid(each, need) for each in (order, taught, lowest_hour(order, need))]
    if best is None or None in paid:
        return None
    ours, learned, tag = (cost for cost in paid if cost is not None)
    return Bought(ours, learned, best, tag)


def _need(seed: int) -> Need:
    """A usual job under the settings' own defaults."""
    house = Settings(_env_file=None).house("ts-bench")
    return need_of(Recipe(trigger="tok", steps=STEPS[seed % len(STEPS)]), 30_000_000, 20, house)
