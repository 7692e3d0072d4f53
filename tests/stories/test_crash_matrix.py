"""kill -9 between any two writes: then a restart, and no machine is left, one model exists, the money sums."""

from pathlib import Path

import pytest

from pipeline.domain.stage import End, Stage
from tests.support.dying import DyingStore
from tests.support.jobs import PURSE, a_world, accounts_sum, lived, survived
from tests.support.store import MemoryStore
from tests.support.training import Run
from tests.support.virtual import run
from tests.support.world import World

MOMENTS = ("before", "after")
MOST = 50  # writes of the longer life below; checked


def _world(tmp_path: Path, moment: str, nth: int) -> tuple[World, DyingStore]:
    """The first machine dies in training, the second one does it: every stage is in this life, some of them twice."""
    store = DyingStore(MemoryStore(), **{moment: nth})
    return a_world(tmp_path, store=store, runs=[Run(dies_at=15), Run()]), store


@pytest.mark.parametrize("nth", range(1, MOST + 1))
@pytest.mark.parametrize("moment", MOMENTS)
def test_death_at_any_write_costs_nothing_but_time(tmp_path: Path, moment: str, nth: int) -> None:
    world, store = _world(tmp_path, moment, nth)
    job = survived(world)
    assert (job.stage, job.ending and job.ending.end) == (Stage.DONE, End.DONE)
    assert (world.alive, world.commits, len(world.repos)) == ([], 1, 1)
    assert max(world.creates.values()) == 1, "a second rental for one attempt"
    store.before = store.after = None
    assert run(accounts_sum(world), world.last_seen) == (PURSE - job.charged, 0, 0)


def test_the_matrix_reaches_the_last_write(tmp_path: Path) -> None:
    world, store = _world(tmp_path, "after", 10**9)
    lived(world)
    assert store.writes <= MOST, f"{store.writes} writes: raise MOST"
