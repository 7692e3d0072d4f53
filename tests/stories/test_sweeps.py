"""The bells: what nobody owns is given back, what nobody tells is told, and blind is never empty."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import InstanceId, JobId, Label, MachineId
from pipeline.domain.stage import Stage
from pipeline.flow.records import job_doc
from pipeline.flow.sweeps import Sweeps
from pipeline.ports import Pace
from tests.stories.test_intake import Bell
from tests.support.jobs import ANN, ID, a_job, a_world
from tests.support.virtual import run
from tests.support.world import HOUSE, Rented, World


def sweeps(world: World, engine: Bell | None = None) -> Sweeps:
    return Sweeps(
        clock=world.clock, pace=Pace(), store=world.store, provider=world, ledger=world.ledger(),
        engine=engine or Bell(), house=HOUSE,
    )  # fmt: skip


async def rented(world: World, label: str) -> Rented:
    number = len(world.rentals) + 1
    one = Rented(InstanceId(f"i{number}"), MachineId(f"m{number}"), Label(label), world.clock.now())
    world.rentals.append(one)
    return one


def test_a_box_nobody_owns_goes_after_ten_minutes_and_a_foreign_id_is_never_destroyed(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[list[str], list[str]]:
        await rented(world, "ts-test-nobody-1")
        await rented(world, "ts-other-nobody-1")
        await rented(world, "somebody's own box")
        early = [sight.instance for sight in await sweeps(world).reap()]
        await asyncio.sleep(601)
        return list(early), [str(sight.instance) for sight in await sweeps(world).reap()]

    assert run(life()) == ([], ["i1"])
    assert [one.label for one in world.alive] == ["ts-other-nobody-1", "somebody's own box"]


def test_a_box_of_a_job_that_is_over_or_moved_on_goes_at_once_and_the_one_in_use_stays(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> list[str]:
        over = replace(a_job(), id=JobId("over"), stage=Stage.DONE)
        moved = replace(a_job(), stage=Stage.TRAIN, attempt=2)
        for job in (over, moved):
            await world.store.create("jobs", job.id, job_doc(job))
        for label in ("ts-test-over-1", f"ts-test-{ID}-1", f"ts-test-{ID}-2"):
            await rented(world, label)
        return [str(sight.instance) for sight in await sweeps(world).reap()]

    assert run(life()) == ["i1", "i2"]


def test_a_condemned_box_is_worked_off_for_ever(tmp_path: Path) -> None:
    world = a_world(tmp_path, refuse_destroy=2)

    async def life() -> int:
        job = replace(a_job(), stage=Stage.DONE, condemned=(InstanceId("i1"),))
        await world.store.create("jobs", job.id, job_doc(job))
        await rented(world, f"ts-test-{ID}-1")
        refused = 0
        for _ in range(3):
            try:
                await sweeps(world).reap()
            except OperatorFault:
                refused += 1
        return refused

    assert (run(life()), world.alive) == (2, [])


def test_a_blind_reaper_destroys_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, blind_for=1)

    async def life() -> None:
        await rented(world, "ts-test-nobody-1")
        await asyncio.sleep(3600)
        await sweeps(world).reap()

    with pytest.raises(OperatorFault, match="market-down"):
        run(life())
    assert len(world.alive) == 1


def test_a_dry_run_names_and_destroys_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> int:
        await rented(world, "ts-test-nobody-1")
        await asyncio.sleep(3600)
        return len(await sweeps(world).reap(dry=True))

    assert (run(life()), len(world.alive)) == (1, 1)


def test_every_job_that_is_not_over_has_somebody_who_tells_it(tmp_path: Path) -> None:
    world, engine = a_world(tmp_path), Bell()

    async def life() -> None:
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.TRAIN)))
        await world.store.create("jobs", "over", job_doc(a_job(id=JobId("over"), stage=Stage.DONE)))
        await sweeps(world, engine).wake_jobs()

    run(life())
    assert engine.started == [ID]


def test_points_of_a_job_that_is_over_do_not_stay_held(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[int, int]:
        ledger = world.ledger()
        await ledger.deposit(ANN, "gift", 1000, source="test")
        await ledger.hold(ANN, f"{ID}:hold", 400, job=ID)
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.DONE)))
        await sweeps(world).free_holds()
        await sweeps(world).free_holds()
        balance = await ledger.balance(ANN)
        return balance.available, balance.held

    assert run(life()) == (1000, 0)
