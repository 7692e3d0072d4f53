"""Whatever the market does and whenever we die: no machine is left, none is asked for twice, the money sums."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.job import Job
from pipeline.domain.stage import Stage
from pipeline.flow.journal import load_job
from tests.stories.test_market_faults import reaped
from tests.support.dying import DyingStore, ProcessDied
from tests.support.jobs import ID, PURSE, a_job, accounts_sum, submitted
from tests.support.lying import LyingWorld, Plot
from tests.support.store import MemoryStore
from tests.support.training import Run
from tests.support.virtual import run

WRITES = 70  # of a job that moves once; a later death is none
FEW, MANY = 30, 4000


@dataclass(frozen=True)
class Fate:
    """What a job will meet: a death at the n-th write of each of its processes, and the world's lies."""

    deaths: list[tuple[int, bool]]  # n, and whether after the write
    plots: dict[int, Plot]
    lies: dict[str, Any]


@st.composite
def fates(draw: st.DrawFn) -> Fate:
    deaths = draw(st.lists(st.tuples(st.integers(1, WRITES), st.booleans()), max_size=3))
    plots = draw(st.dictionaries(st.integers(1, 4), st.sampled_from(Plot), max_size=3))
    few = st.integers(0, 3)
    counts = (
        "made_504", "refused_504", "stopped_creates", "destroy_applied", "destroy_undone", "snatched", "refuse_destroy",
        "blind_for", "blind_looks", "blips", "dead_boots", "lose_reply_of",
    )  # fmt: skip
    lies: dict[str, Any] = {name: draw(few) for name in draw(st.sets(st.sampled_from(counts), max_size=4))}
    lies["lingers"] = draw(st.sampled_from([0.0, 0.0, 30.0, 200.0]))
    lies["after"] = draw(st.sampled_from([20.0, 150.0, 250.0]))
    lies["runs"] = [draw(st.sampled_from([Run(), Run(dies_at=15), Run(silent_at=5)])), Run()]
    return Fate(deaths, plots, lies)


def check(fate: Fate) -> None:
    with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        store = DyingStore(MemoryStore())
        world = LyingWorld(root=Path(folder), store=store, plots=fate.plots, **fate.lies)
        for nth, late in fate.deaths:
            store.writes, store.before, store.after = 0, None if late else nth, nth if late else None
            with suppress(ProcessDied):
                run(told(world), world.last_seen)
                run(reaped(world), world.last_seen)
        store.before = store.after = None
        job = run(told(world), world.last_seen)
        run(reaped(world), world.last_seen + 1)
        assert job.stage is Stage.DONE
        assert world.alive == []
        assert max(world.meant.values(), default=0) <= 1, world.meant
        assert run(accounts_sum(world), world.last_seen) == (PURSE - job.charged, 0, 0)
        assert 0 <= job.charged <= job.quote.ceiling
        assert world.commits <= 1


async def told(world: LyingWorld) -> Job:
    """What a new process does: what intake leaves behind is put there if it is not, then it tells."""
    if await load_job(world.store, ID) is None:
        await submitted(world, a_job())
    return await world.tell(ID)


CALM: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


@settings(max_examples=FEW, derandomize=True, **CALM)
@given(fate=fates())
def test_no_interleaving_of_deaths_and_lies_leaves_a_machine_or_asks_twice(fate: Fate) -> None:
    check(fate)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@settings(max_examples=MANY, **CALM)
@given(fate=fates())
def test_no_interleaving_of_deaths_and_lies_leaves_a_machine_or_asks_twice_in_thousands(fate: Fate) -> None:
    check(fate)
