"""Machines that lie, crash or are stopped, and our own death: what is at home by then, and what it is worth."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.faults import Blame, HostFault
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.mirror import WEIGHTS
from pipeline.ports import Answer
from pipeline.trainers import saves
from pipeline.trainers.box import Command
from tests.support.box import Box
from tests.support.dying import ProcessDied
from tests.support.jobs import ID, a_world, lived, told_again
from tests.support.mirrored import INTERVAL, LONG, PACE, SLOPPY, STEPS, ended, kept_files, long_job, resumes, told_until
from tests.support.training import LOADING, Run
from tests.support.virtual import run
from tests.support.world import HOUSE, World


def test_a_box_repeating_a_checkpoint_is_left_within_two_saves(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, repeats=True), LONG])
    job = lived(world, long_job())
    left = [news.event for news in job.news if news.event.kind == "moving"]
    assert [event.code for event in left] == ["trainer-repeats"]
    first = world.rentals[0]
    assert first.started is not None
    assert first.destroyed is not None
    assert (first.destroyed - first.since).total_seconds() < first.started + LOADING + 2 * EVERY + 60
    assert resumes(job) == [], "nothing of it is believed, its first checkpoint neither"
    assert ended(job) == (Stage.DONE, End.DONE, STEPS)


def test_a_box_whose_weights_do_not_move_is_left_at_its_first_checkpoint(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, zero=True), LONG])
    job = lived(world, long_job())
    assert [news.event.code for news in job.news if news.event.kind == "moving"] == ["weights-zero"]
    assert resumes(job) == []


@pytest.mark.parametrize("wanted", [Wish.STOP, pytest.param(None, marks=pytest.mark.torture)])
def test_a_box_naming_files_of_a_step_nobody_ordered_gives_no_model_of_that_step(
    tmp_path: Path, wanted: Wish | None
) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, boasts=999_999, dies_at=150), LONG])
    if wanted is Wish.STOP:
        job = run(told_until(world, long_job(), wanted, LOADING + 100 * PACE))
        assert (ended(job), job.charged, world.commits) == ((Stage.DONE, End.STOPPED, None), 0, 0)
    else:
        job = lived(world, long_job())
        assert ended(job) == (Stage.DONE, End.DONE, STEPS)
    assert all(each.step <= STEPS for each in job.mirror)


def test_an_optimizer_pt_naming_posix_system_is_dropped_weights_alone_resume(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG], hostile_state=True)
    job = lived(world, long_job())
    (told,) = resumes(job)
    assert (told.step == told.laid > 0, told.state) == (True, False)
    assert list(world.rentals[1].out) == [f"{ID}_{told.step:09d}.safetensors"]
    assert ended(job) == (Stage.DONE, End.DONE, STEPS)


def test_what_was_made_to_lay_a_set_on_another_box_does_not_stay(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG])
    job = lived(world, long_job())
    assert all(told.state for told in resumes(job))
    assert set().union(*kept_files(world).values()) == {WEIGHTS, saves.OPTIMIZER}


def test_a_trainer_that_began_anew_though_a_checkpoint_lay_there_is_told_of(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), replace(LONG, forgets=True)])
    job = lived(world, long_job())
    (told,) = resumes(job)
    assert (told.step, told.laid > 60) == (0, True)
    assert ended(job) == (Stage.DONE, End.DONE, STEPS)


def test_a_crash_of_the_trainer_loses_nothing_that_it_saved(tmp_path: Path) -> None:
    """The machine still answers: its newest checkpoint is salvaged, not only the mirrored one."""
    world = a_world(tmp_path, runs=[replace(LONG, dies_at=124, trouble="CUDA error: an illegal access"), LONG])
    lived(world, long_job())
    attempts = [rented.run.start for rented in world.rentals if rented.run]
    assert attempts[-1] >= 100
    logs = sorted(path.name for path in (world.root / "jobs" / ID).glob("run-*.log"))
    assert logs == ["run-1.log", "run-2.log"]
    assert b"illegal access" in (world.root / "jobs" / ID / "run-1.log").read_bytes()


class Speechless(Box):
    """Its log cannot be read any more."""

    async def run(self, command: Command) -> Answer:
        if command.name == "last-words":
            raise HostFault("box-command-failed", command=command.name)
        return await super().run(command)


class Endless(Box):
    """The end of its log never ends."""

    async def run(self, command: Command) -> Answer:
        if command.name == "last-words":
            await asyncio.sleep(3600)
        return await super().run(command)


@pytest.mark.parametrize("box", [pytest.param(Speechless, marks=pytest.mark.torture), Endless])
def test_a_machine_without_last_words_is_salvaged_of_its_checkpoint_all_the_same(
    tmp_path: Path, box: type[Box]
) -> None:
    crash = replace(LONG, dies_at=29, trouble="CUDA error: an illegal access")
    world = a_world(tmp_path, runs=[crash, LONG], box=box)
    job = lived(world, long_job())
    assert (ended(job)[:2], len(world.rentals)) == ((Stage.DONE, End.DONE), 2)
    assert [told.step for told in resumes(job)][-1] >= 25


class Puzzling(Box):
    """Its first machine says something at its end that nobody thought of."""

    async def run(self, command: Command) -> Answer:
        if command.name == "last-words" and self.rented.instance == "i1":
            raise ZeroDivisionError
        return await super().run(command)


def test_a_bug_of_ours_while_salvaging_keeps_no_machine(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, dies_at=29, crashes=3), LONG], box=Puzzling)
    job = lived(world, long_job())
    assert (ended(job)[:2], len(world.rentals), world.alive) == ((Stage.DONE, End.DONE), 2, [])


def test_more_than_the_spool_may_hold_is_refused_before_anything_is_rented(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG], house=replace(HOUSE, spool_bytes=10**9))
    job = lived(world, long_job())
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, world.rentals) == (Blame.OPERATOR, "spool-full", [])
    assert job.ending.facts["most_gb"] == 1.0


# --- stop and keep


def test_stop_and_keep_where_the_box_is_gone_makes_the_last_mirrored_set_the_model(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG])
    job = run(told_until(world, long_job(), Wish.STOP, LOADING + 100 * PACE + 30))
    stage, end, step = ended(job)
    assert (stage, end, len(world.rentals), world.alive) == (Stage.DONE, End.STOPPED, 1, [])
    assert step is not None
    assert 100 - INTERVAL - SLOPPY <= step < 100
    assert (job.incomplete, world.commits, resumes(job)) == (True, 1, [])
    assert 0 < job.charged < job.quote.points, "a model is never a gift"
    assert not any(news.event.kind == "moving" for news in job.news)


def test_stop_and_keep_where_the_box_is_gone_before_anything_came_home_costs_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=10), LONG])
    job = run(told_until(world, long_job(), Wish.STOP, LOADING + 10 * PACE + 30))
    assert (ended(job), len(world.rentals), job.charged) == ((Stage.DONE, End.STOPPED, None), 1, 0)


def test_stop_and_keep_where_the_trainer_will_not_stop_takes_what_it_saved(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, deaf=True)])
    job = run(told_until(world, long_job(), Wish.STOP, LOADING + 100 * PACE))
    stage, end, step = ended(job)
    assert (stage, end, len(world.rentals), world.alive) == (Stage.DONE, End.STOPPED, 1, [])
    assert step is not None
    assert step >= 100
    assert job.incomplete


def test_stop_while_another_machine_is_on_its_way_keeps_what_is_at_home(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG], boot_seconds=300.0)
    job = run(told_until(world, long_job(), Wish.STOP, LOADING + 100 * PACE + 480))
    stage, end, step = ended(job)
    assert (stage, end, world.alive) == (Stage.DONE, End.STOPPED, [])
    assert step is not None
    assert step < 100
    assert len(world.rentals) == 2
    assert world.rentals[1].started is None


def test_cancel_takes_the_log_and_no_weights(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG])
    job = run(told_until(world, long_job(), Wish.CANCEL, LOADING + 40 * PACE))
    assert (ended(job), world.alive) == ((Stage.DONE, End.CANCELLED, None), [])
    assert (world.root / "jobs" / ID / "run-1.log").stat().st_size > 0
    assert all(each.step < 40 for each in job.mirror)


# --- death of our own process


DEATH = Run(steps=60, seconds_per_step=PACE, save_every=25, gone_at=45)
CALLS = 28  # of that life (checked)


def a_death(tmp_path: Path, call: int = 0) -> World:
    return a_world(tmp_path, runs=[DEATH, replace(DEATH, gone_at=None)], dies_at_call=call)


def check_death(tmp_path: Path, call: int) -> None:
    world = a_death(tmp_path, call)
    try:
        job = lived(world, long_job(60))
    except ProcessDied:
        job = told_again(world)
    assert (ended(job), len(world.rentals), world.alive) == ((Stage.DONE, End.DONE, 60), 2, [])
    assert {str(each.step) for each in job.mirror} == kept_files(world).keys()
    assert all("weights.safetensors" in files for files in kept_files(world).values())
    assert all(told.step == told.laid for told in resumes(job))


@pytest.mark.parametrize("call", range(1, CALLS + 1, 12))
def test_death_before_a_call_to_a_box_that_trains_leaves_the_old_set_or_the_new_one(tmp_path: Path, call: int) -> None:
    check_death(tmp_path, call)


@pytest.mark.torture
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_death_before_any_call_to_a_box_that_trains_leaves_the_old_set_or_the_new_one(
    tmp_path: Path, call: int
) -> None:
    check_death(tmp_path, call)


def test_those_deaths_reach_the_last_call(tmp_path: Path) -> None:
    world = a_death(tmp_path)
    lived(world, long_job(60))
    assert CALLS - 2 <= world.calls <= CALLS, world.calls
