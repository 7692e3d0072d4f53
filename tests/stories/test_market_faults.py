"""The market's faults (facts/vast.md 10) as a job lives through them, in virtual time: no machine stays, money sums."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.domain.faults import Blame, OperatorFault
from pipeline.domain.job import Job
from pipeline.domain.stage import End, Stage
from tests.stories.test_sweeps import sweeps
from tests.support.jobs import ID, PURSE, a_job, accounts_sum, submitted
from tests.support.lying import LyingWorld, Plot
from tests.support.training import Run
from tests.support.virtual import run


def a_world(tmp_path: Path, *plots: Plot, **over: object) -> LyingWorld:
    """Whose n-th rental has the n-th plot."""
    long = Run(steps=30, seconds_per_step=20)  # ten minutes: the turn comes in the middle
    made = {"plots": dict(enumerate(plots, 1)), "runs": [long], **over}
    return LyingWorld(root=tmp_path, **made)  # type: ignore[arg-type]  # a test names fields freely


def lived(world: LyingWorld) -> Job:
    """Told to the end; then the reaper rings for an hour. What must be true of every story is."""

    async def life() -> Job:
        await submitted(world, a_job())
        return await world.tell(ID)

    job = run(life())
    run(reaped(world), world.last_seen)
    assert job.stage is Stage.DONE
    assert world.alive == []
    assert max(world.meant.values(), default=0) <= 1, world.meant
    assert run(accounts_sum(world), world.last_seen) == (PURSE - job.charged, 0, 0)
    assert job.charged <= job.quote.ceiling
    return job


async def reaped(world: LyingWorld) -> None:
    """The reaper's bell, until nothing lives, for two hours at most."""
    for _ in range(60):
        if not world.alive:
            return
        with suppress(OperatorFault):  # it rings again
            await sweeps(world).reap()
        await asyncio.sleep(120)


def ended(job: Job) -> End:
    assert job.ending is not None
    return job.ending.end


# Mid-training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plot",
    [Plot.EXITED, Plot.OFFLINE, Plot.OUTBID, Plot.EXPIRED, Plot.REKEYED],
    ids=lambda plot: plot.name,
)
def test_a_machine_lost_in_the_middle_is_given_back_and_the_next_one_trains(tmp_path: Path, plot: Plot) -> None:
    world = a_world(tmp_path, plot)
    job = lived(world)
    assert (ended(job), len(world.rentals), job.moves, world.commits) == (End.DONE, 2, 1, 1)
    assert [rental.useful for rental in job.rentals] == [False, True]


def test_a_market_that_lost_sight_of_a_machine_we_still_see_costs_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.UNKNOWN)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_a_machine_that_left_every_list_while_it_trains_is_used_to_the_end(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.UNLISTED, after=100)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_a_machine_that_was_stopped_and_resumes_by_itself_is_used_again(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.RESUMED)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_a_host_that_is_back_at_another_address_trains_on(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.MOVES)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_a_key_that_is_wiped_hours_later_is_attached_again(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.WIPED)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_when_the_credit_is_gone_in_the_middle_the_person_pays_nothing_and_we_are_told(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.BROKE)
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.end, job.ending.blame, job.ending.code) == (End.FAILED, Blame.OPERATOR, "market-credit")
    assert (job.charged, world.commits, len(world.rentals)) == (0, 0, 1)


def test_three_hosts_that_vanish_in_the_middle_cost_the_person_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.OFFLINE, Plot.EXITED, Plot.OUTBID)
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.end, job.ending.blame, job.charged, len(world.rentals)) == (End.FAILED, Blame.HOST, 0, 3)


# Booting ------------------------------------------------------------------------------------------------------------

BAD_BOOTS = (
    Plot.STUCK, Plot.PULL_ERROR, Plot.NO_PORTS, Plot.BLACK_HOLE, Plot.OTHER_GPU, Plot.SHORT_DISK, Plot.KEYLESS,
)  # fmt: skip


@pytest.mark.parametrize("plot", BAD_BOOTS, ids=lambda plot: plot.name)
def test_a_machine_that_is_not_what_was_rented_is_given_back_before_anything_goes_there(
    tmp_path: Path, plot: Plot
) -> None:
    world = a_world(tmp_path, plot)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 2)
    assert world.rentals[0].files == set()


def test_a_new_rental_that_shows_up_late_is_waited_for(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.HIDDEN, after=45)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_a_slow_boot_is_not_a_dead_one(tmp_path: Path) -> None:
    world = a_world(tmp_path, boot_seconds=540.0)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 1)


def test_six_bad_boots_in_a_row_lead_to_the_seventh(tmp_path: Path) -> None:
    world = a_world(tmp_path, *BAD_BOOTS[:6])
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 7)


# Renting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", ["made_504", "refused_504"])
def test_a_rent_without_an_answer_is_never_repeated_under_its_label(tmp_path: Path, lie: str) -> None:
    world = a_world(tmp_path, **{lie: 3})
    job = lived(world)
    assert ended(job) is End.DONE
    assert sorted(world.meant) == [f"ts-test-{ID}-{attempt}" for attempt in range(1, 5)]


def test_a_refusal_that_left_a_stopped_rental_leads_to_the_next_offer(tmp_path: Path) -> None:
    world = a_world(tmp_path, stopped_creates=2)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 3)


def test_a_lost_rental_that_is_not_listed_for_a_minute_is_reaped_when_it_is(tmp_path: Path) -> None:
    world = a_world(tmp_path, Plot.HIDDEN, after=70, made_504=1)
    job = lived(world)
    assert (ended(job), len(world.rentals)) == (End.DONE, 2)


def test_while_the_list_cannot_be_read_after_a_lost_reply_nothing_is_rented(tmp_path: Path) -> None:
    world = a_world(tmp_path, made_504=1, blind_for=6)
    assert (ended(lived(world)), len(world.rentals)) == (End.DONE, 2)
    lost, second = world.rentals
    assert lost.destroyed is not None
    assert second.since >= lost.destroyed


# Giving back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [{"destroy_applied": 3}, {"refuse_destroy": 3}, {"lingers": 50.0}, {"blind_looks": 4}, {"destroy_undone": 1}],
    ids=lambda lie: next(iter(lie)),
)
def test_a_machine_is_given_back_until_it_is_gone(tmp_path: Path, lie: dict[str, float]) -> None:
    world = a_world(tmp_path, **lie)
    job = lived(world)
    assert (ended(job), len(world.rentals)) == (End.DONE, 1)


def test_a_destroyed_machine_that_reappears_after_the_job_is_over_is_reaped(tmp_path: Path) -> None:
    world = a_world(tmp_path, destroy_undone=1)

    async def life() -> Job:
        await submitted(world, a_job())
        return await world.tell(ID)

    run(life())
    assert len(world.alive) == 1, "the lie did not strike"
    run(reaped(world), world.last_seen)
    assert world.alive == []


def test_a_row_that_lingers_beyond_all_patience_is_condemned_and_then_gone(tmp_path: Path) -> None:
    world = a_world(tmp_path, lingers=400.0)
    assert lived(world).condemned == ("i1",)
