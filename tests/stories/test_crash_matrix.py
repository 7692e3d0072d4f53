"""kill -9 between any two writes: then a restart, and no machine is left, one model exists, the money sums."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain.stage import End, Stage
from tests.support.dying import DyingStore
from tests.support.jobs import PURSE, a_world, accounts_sum, lived, survived
from tests.support.store import MemoryStore
from tests.support.training import Run
from tests.support.virtual import run
from tests.support.world import World


@dataclass(frozen=True)
class Life:
    """A world to live in, how it ends, and at least as many writes as it takes (checked)."""

    end: End
    writes: int
    world: Mapping[str, Any] = field(default_factory=dict)


LIVES = {
    # every stage is in this life, some of them twice: the first machine dies in training, the second one does it
    "moves": Life(End.DONE, 70, {"runs": [Run(dies_at=15), Run()]}),
    "loses the rental's reply": Life(End.DONE, 48, {"lose_reply_of": 1}),
    "is refunded after three hosts": Life(End.FAILED, 96, {"runs": [Run(dies_at=3)]}),
    # checkpoints come home; the machine is too slow, and the next one goes on from the newest
    "goes on from the mirror": Life(End.DONE, 68, {"runs": [Run(seconds_per_step=60.0, gone_at=25), Run()]}),
    "meets a market that does not let go": Life(End.DONE, 44, {"refuse_destroy": 4}),
}
ALL = [(name, nth) for name, life in LIVES.items() for nth in range(1, life.writes + 1)]
SOME = [(name, nth) for name, nth in ALL if nth % (4 if name == "moves" else 12) == 0]  # ALL: make torture


def a_life(tmp_path: Path, name: str, **death: int) -> tuple[World, DyingStore]:
    store = DyingStore(MemoryStore(), **death)
    return a_world(tmp_path, store=store, **LIVES[name].world), store


def check(tmp_path: Path, name: str, moment: str, nth: int) -> None:
    world, store = a_life(tmp_path, name, **{moment: nth})
    job = survived(world)
    assert (job.stage, job.ending and job.ending.end) == (Stage.DONE, LIVES[name].end)
    published = int(LIVES[name].end is End.DONE)
    assert (world.alive, world.commits, len(world.repos)) == ([], published, published)
    assert max(world.creates.values()) == 1, "a second rental for one attempt"
    store.before = store.after = None
    assert run(accounts_sum(world), world.last_seen) == (PURSE - job.charged, 0, 0)
    assert (job.charged > 0) is bool(published)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("name", "nth"), SOME)
def test_death_at_any_write_costs_nothing_but_time(tmp_path: Path, name: str, nth: int, moment: str) -> None:
    check(tmp_path, name, moment, nth)


@pytest.mark.torture
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("name", "nth"), ALL)
def test_death_at_every_write_of_every_life(tmp_path: Path, name: str, nth: int, moment: str) -> None:
    check(tmp_path, name, moment, nth)


@pytest.mark.parametrize("name", LIVES)
def test_the_matrix_reaches_the_last_write(tmp_path: Path, name: str) -> None:
    world, store = a_life(tmp_path, name)
    lived(world)
    assert LIVES[name].writes - 12 <= store.writes <= LIVES[name].writes, store.writes
