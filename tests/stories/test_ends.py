"""How a training ends when its time or its money is up, and what a crash of the trainer costs: in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.domain.events import Alerted, Extended, Halted, Restarted
from pipeline.domain.faults import Blame, UserFault
from pipeline.domain.ids import InstanceId, JobId, MachineId
from pipeline.domain.job import Alert, Job, Machine, Rental
from pipeline.domain.money import MicroUsd, micro
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow import deadlines
from pipeline.flow.deadlines import Brakes
from pipeline.flow.journal import load_job
from pipeline.flow.records import job_doc
from pipeline.ports import Pace
from tests.support.jobs import ID, PURSE, a_job, a_world, accounts_sum, lived, priced, submitted
from tests.support.training import Run
from tests.support.virtual import EPOCH, run
from tests.support.world import HOUSE, World

LONG = Run(steps=400, seconds_per_step=6.0, save_every=250)
PACE = Pace()


def an_order(steps: int = 400, **over: object) -> Job:
    """Priced as if a slow machine took a quarter of an hour: its time is up after 30 minutes."""
    recipe = Recipe(trigger="mytrigger", steps=steps)
    return a_job(recipe=recipe, quote=replace(priced(recipe), slow_seconds=900.0), **over)


def told_of(job: Job, kind: type) -> list[datetime]:
    return [news.at for news in job.news if isinstance(news.event, kind)]


def test_when_its_time_is_up_a_training_says_so_and_ten_minutes_later_stops_and_keeps(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG])
    job = lived(world, an_order())
    assert job.ending is not None
    assert (job.ending.end, job.ending.code, world.alive, world.commits) == (End.STOPPED, "deadline", [], 1)
    assert job.artifact is not None
    assert 250 < job.artifact.step < 400
    (alerted,), (halted,) = told_of(job, Alerted), told_of(job, Halted)
    assert timedelta(minutes=30) <= alerted - EPOCH <= timedelta(minutes=31)
    assert timedelta(minutes=10) <= halted - alerted <= timedelta(minutes=10, seconds=10)
    assert 0 < job.charged <= job.quote.ceiling


def test_keep_going_gives_it_time_once(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG])
    job = run(_meddled(world, an_order(), Alerted, keep_going))
    assert (job.ending and job.ending.end, job.incomplete) == (End.DONE, False)
    assert (len(told_of(job, Extended)), told_of(job, Halted), world.alive) == (1, [], [])


def test_what_was_extended_once_is_stopped_when_that_time_is_up_too(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, steps=1000)])
    job = run(_meddled(world, an_order(1000), Alerted, keep_going))
    assert (job.ending and job.ending.code, len(told_of(job, Alerted)), world.alive) == ("deadline", 2, [])
    assert job.extended_at is not None
    assert not deadlines.extendable(replace(job, machine=MACHINE), EPOCH + timedelta(hours=1), PACE)


def test_a_restart_between_alert_and_stop_neither_repeats_the_alert_nor_gives_more_time(tmp_path: Path) -> None:
    async def nothing(world: World) -> None:
        """A process that dies and comes back."""

    world = a_world(tmp_path, runs=[LONG])
    job = run(_meddled(world, an_order(), Alerted, nothing))
    (alerted,), (halted,) = told_of(job, Alerted), told_of(job, Halted)
    assert halted - alerted <= timedelta(minutes=10, seconds=10)


def test_it_is_over_a_quarter_of_an_hour_before_its_rental_ends() -> None:
    job = an_order(stage=Stage.TRAIN, machine=replace(MACHINE, ends=EPOCH + timedelta(minutes=35)))
    assert deadlines.judged(job, EPOCH + timedelta(minutes=19), PACE) is None
    alerted = deadlines.judged(job, EPOCH + timedelta(minutes=20), PACE)
    assert alerted is not None
    assert alerted.alert == Alert("rental-ends", EPOCH + timedelta(minutes=20), EPOCH + timedelta(minutes=30))
    assert deadlines.judged(alerted, EPOCH + timedelta(minutes=29), PACE) is None
    stopped = deadlines.judged(alerted, EPOCH + timedelta(minutes=30), PACE)
    assert stopped is not None
    assert (stopped.wish, stopped.halted) == (Wish.STOP, "rental-ends")


def test_keep_going_never_leads_past_the_rentals_end() -> None:
    ends = replace(MACHINE, ends=EPOCH + timedelta(minutes=50))
    job = replace(an_order(machine=ends, stage=Stage.TRAIN), alert=Alert("deadline", EPOCH, EPOCH))
    longer = deadlines.extended(job, EPOCH + timedelta(minutes=20), PACE)
    assert deadlines.due(longer, PACE) == (EPOCH + timedelta(minutes=35), "rental-ends")
    with pytest.raises(UserFault, match="not-extendable"):
        deadlines.extended(job, EPOCH + timedelta(minutes=30), PACE)
    with pytest.raises(UserFault, match="nothing-to-extend"):
        deadlines.extended(replace(job, alert=None), EPOCH, PACE)


def test_twice_its_ceiling_is_the_most_one_job_costs_the_house(tmp_path: Path) -> None:
    order = an_order()
    lost = Rental(
        instance=InstanceId("x"), machine=MachineId("x"), cost=MicroUsd(2 * order.quote.ceiling_cost - 5000),
        useful=False,
    )  # fmt: skip
    job = lived(a_world(tmp_path / "a", runs=[LONG]), replace(order, rentals=(lost,)))
    assert (job.ending and (job.ending.end, job.ending.code)) == (End.STOPPED, "budget-job")
    assert told_of(job, Alerted) == []
    world = a_world(tmp_path / "b")
    job = lived(world, replace(order, rentals=(replace(lost, cost=MicroUsd(3 * order.quote.ceiling_cost)),)))
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, world.rentals) == (Blame.OPERATOR, "budget-job", [])
    assert run(accounts_sum(world)) == (PURSE, 0, 0)


def test_the_days_money_spent_no_machine_is_rented_and_every_point_goes_back(tmp_path: Path) -> None:
    world = a_world(tmp_path, house=replace(HOUSE, max_per_day=micro(1.0)))

    async def life() -> Job:
        await world.store.create("jobs", "other", job_doc(_costly(1.0)))
        await submitted(world, an_order())
        return await world.tell(ID)

    job = run(life())
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, world.rentals) == (Blame.OPERATOR, "budget-day", [])
    assert run(accounts_sum(world)) == (PURSE, 0, 0)


def test_what_was_spent_a_day_ago_counts_no_more() -> None:
    now = EPOCH + timedelta(hours=30)
    assert deadlines.day_spent([_costly(1.0)], now, PACE) == 0
    assert deadlines.day_spent([_costly(1.0)], EPOCH + timedelta(hours=23), PACE) == micro(1.0)
    running = an_order(machine=replace(MACHINE, running_since=EPOCH, rate=micro(0.5)))
    assert deadlines.day_spent([running], EPOCH + timedelta(hours=2), PACE) == micro(1.0)
    assert deadlines.day_spent([running], EPOCH + timedelta(hours=48), PACE) == micro(12.0)


def test_once_the_days_money_is_spent_every_training_stops_and_keeps(tmp_path: Path) -> None:
    house = replace(HOUSE, max_per_day=micro(1.0))
    world = a_world(tmp_path, runs=[LONG], house=house)

    async def spend(world: World) -> None:
        await world.store.create("jobs", "other", job_doc(_costly(1.0)))
        assert await Brakes(store=world.store, clock=world.clock, house=house, pace=PACE).halt() == [ID]
        assert await Brakes(store=world.store, clock=world.clock, house=house, pace=PACE).halt() == []

    job = run(_meddled(world, an_order(), None, spend))
    assert (job.ending and (job.ending.end, job.ending.code)) == (End.STOPPED, "budget-day")
    assert (job.artifact and 0 < job.artifact.step < 400, world.alive) == (True, [])


def test_over_the_dollars_an_hour_a_job_waits_with_a_reason_until_another_is_done(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(steps=400, save_every=250)], house=replace(HOUSE, max_per_hour=micro(0.5)))
    other = a_job(id=JobId("other"), stage=Stage.TRAIN, machine=replace(MACHINE, rate=micro(0.4)))

    async def life() -> Job:
        await world.store.create("jobs", other.id, job_doc(other))
        await submitted(world, an_order())
        async with asyncio.TaskGroup() as group:
            told = group.create_task(world.tell(ID))
            await asyncio.sleep(1000)  # longer than an outage of ours is waited out
            assert world.rentals == []
            await world.store.delete("jobs", other.id)
        return told.result()

    job = run(life())
    assert (job.ending and job.ending.end, len(world.rentals)) == (End.DONE, 1)
    assert "budget-hour" in {news.event.code for news in job.news if news.event.kind == "delayed"}


def test_a_trainer_that_crashed_once_is_started_again_on_the_same_machine(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(dies_at=15, crashes=1)])
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), job.moves) == (End.DONE, 1, 0)
    (event,) = [news.event for news in job.news if isinstance(news.event, Restarted)]
    assert (event.code, event.lower, job.lower) == ("trainer-failed", False, 0)


def test_out_of_memory_is_tried_once_more_with_settings_that_need_less(tmp_path: Path) -> None:
    trouble = "OOM during training step 3 times in a row, aborting training"
    world = a_world(tmp_path, runs=[Run(dies_at=15, crashes=1, trouble=trouble)])
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), job.lower) == (End.DONE, 1, 1)
    assert [news.event.lower for news in job.news if isinstance(news.event, Restarted)] == [True]


def test_a_second_crash_on_one_machine_leads_to_the_next(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(dies_at=15), Run()])
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), job.moves) == (End.DONE, 2, 1)
    assert len(told_of(job, Restarted)) == 1


@pytest.mark.parametrize(
    "trouble", ["No space left on device", "no images found in /x", "no kernel image is available"]
)
def test_what_would_end_the_same_way_is_not_tried_again_there(tmp_path: Path, trouble: str) -> None:
    world = a_world(tmp_path, runs=[Run(dies_at=15, trouble=trouble), Run()])
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), told_of(job, Restarted)) == (End.DONE, 2, [])


def test_a_fault_of_the_house_ends_the_job_at_once_with_a_full_refund(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(dies_at=1, trouble="config file is invalid. Unknown process type")])
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, len(world.rentals), job.charged) == (
        Blame.OPERATOR, "trainer-config", 1, 0,
    )  # fmt: skip


MACHINE = Machine(
    instance=InstanceId("i9"), machine=MachineId("m9"), gpu="RTX 4090", vram_mb=24_564, rate=micro(0.4), since=EPOCH
)


def _costly(usd: float) -> Job:
    """A job that ended when the world began, after a machine of so many dollars."""
    spent = Rental(instance=InstanceId("y"), machine=MachineId("y"), cost=micro(usd), useful=True, ended=EPOCH)
    return a_job(id=JobId("other"), stage=Stage.DONE, rentals=(spent,))


async def keep_going(world: World) -> None:
    """The button, as intake carries it out."""
    job = await load_job(world.store, ID)
    assert job is not None
    going = deadlines.extended(job, world.clock.now(), PACE)
    assert await world.store.cas("jobs", ID, job.version, job_doc(replace(going, version=job.version + 1)))


async def _meddled(world: World, job: Job, when: type | None, meddle: Callable[[World], Awaitable[None]]) -> Job:
    """Tell; at the first news of kind `when`, or ten minutes into training, meddle, and tell again from the store."""
    await submitted(world, job)
    telling = asyncio.timeout(None)
    loop = asyncio.get_running_loop()

    async def meddling() -> None:
        while True:
            await asyncio.sleep(10)  # virtual seconds
            stored = await load_job(world.store, ID)
            assert stored is not None
            began = world.rentals[0].started if world.rentals else None
            if told_of(stored, when) if when else began is not None and loop.time() > began + 600:
                break
        await meddle(world)
        telling.reschedule(loop.time())

    try:
        async with telling, asyncio.TaskGroup() as group:
            meddler = group.create_task(meddling())
            job = await world.tell(ID)
            meddler.cancel()
            raise AssertionError(f"it ended before: {job.ending}")
    except TimeoutError:
        return await world.tell(ID)
