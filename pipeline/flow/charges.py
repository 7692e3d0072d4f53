"""Does the market take what we think? Its charges per rental against our own record; differences are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from pipeline.domain.ids import InstanceId
from pipeline.domain.money import MICRO, MicroUsd
from pipeline.flow.records import job_from, ms
from pipeline.ports import Provider, Store

log = structlog.get_logger()
SLACK: Final = 0.1  # of the amount: their meter and ours start at different moments
LEAST: Final = MICRO // 50  # micro-dollars: what is not worth a line
JOBS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One rental whose price we got wrong, in micro-dollars."""

    instance: InstanceId
    job: str
    ours: MicroUsd
    theirs: MicroUsd


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Sums over rentals that both sides know, and the differences that are worth a line."""

    rentals: int
    ours: MicroUsd
    theirs: MicroUsd
    differences: tuple[Difference, ...]


async def compare(store: Store, provider: Provider, since: datetime) -> Compared:
    """Compare what ended since. A rental without a charge says nothing: charges come late, absent is not zero."""
    charged = await provider.charges(since)
    pairs = [
        Difference(instance=instance, job=job, ours=cost, theirs=charged[instance])
        for instance, (job, cost) in (await _record(store, since)).items()
        if instance in charged
    ]
    wrong = tuple(pair for pair in pairs if _worth(pair))
    for pair in wrong:
        log.warning("charges-differ", instance=pair.instance, job=pair.job, ours=pair.ours, theirs=pair.theirs)
    found = Compared(
        rentals=len(pairs),
        ours=MicroUsd(sum(pair.ours for pair in pairs)),
        theirs=MicroUsd(sum(pair.theirs for pair in pairs)),
        differences=wrong,
    )
    log.info("charges-compared", rentals=found.rentals, ours=found.ours, theirs=found.theirs, differ=len(wrong))
    return found


async def _record(store: Store, since: datetime) -> Mapping[InstanceId, tuple[str, MicroUsd]]:
    """What our jobs say that each rental they gave back cost."""
    docs = await store.find("jobs", above={"changed_ms": ms(since)}, order="-changed_ms", limit=JOBS)
    return {rental.instance: (job.id, rental.cost) for job in map(job_from, docs) for rental in job.rentals}


def _worth(pair: Difference) -> bool:
    return abs(pair.ours - pair.theirs) > max(LEAST, SLACK * max(pair.ours, pair.theirs))
