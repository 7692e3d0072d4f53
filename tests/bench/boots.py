"""How often a job finds a machine that boots, where many do not: the real story, in virtual time."""

import random
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.domain.ids import MachineId
from pipeline.domain.stage import End
from pipeline.ports import Status
from tests.bench.row import Row, least
from tests.support.jobs import lived
from tests.support.world import HOUSE, World, offer

JOBS = 300
OFFERS = 40
BROKEN = 0.5  # of the bad hosts: the market says so; the others are silent until our patience ends


def boots() -> list[Row]:
    """Jobs done, of those told: a bad host stays bad, so a job must remember whom it tried."""
    return [_row(0.35, 99.5), _row(0.60, 98.0)]


def _row(share: float, aim: float) -> Row:
    jobs = [_told(share, seed) for seed in range(JOBS)]
    done = [tries for tries in jobs if tries]
    detail = f"{len(done)} of {len(jobs)}, {sum(done) / len(done):.1f} machines each, at most {HOUSE.boot_tries}"
    return least(f"boots with {share:.0%} bad hosts", 100 * len(done) / len(jobs), aim, "%", detail)


def _told(share: float, seed: int) -> int:
    """Machines one job took to its model; 0 where it found none that boots."""
    offers = [offer(number, 0.3 + number / 100) for number in range(OFFERS)]
    with TemporaryDirectory() as folder:
        world = World(Path(folder), offers_now=offers, bad_hosts=bad_hosts(share, seed))
        job = lived(world)
    assert not world.alive
    return len(world.rentals) if job.ending and job.ending.end is End.DONE else 0


def bad_hosts(share: float, seed: int) -> Mapping[MachineId, Status]:
    """Which machines never boot, and what they show of it."""
    dice = random.Random(seed)
    bad = [offer(number).machine for number in range(OFFERS) if dice.random() < share]
    return {machine: Status.BROKEN if dice.random() < BROKEN else Status.BOOTING for machine in bad}
