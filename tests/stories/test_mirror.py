"""A dead host costs minutes: checkpoints come home while it trains, and another machine goes on from the newest."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.events import Resumed
from pipeline.domain.faults import Blame, HostFault, HostSilent
from pipeline.domain.ids import Sha256
from pipeline.domain.job import Job
from pipeline.domain.money import micro
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.journal import load_job, load_progress
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.records import job_doc
from pipeline.ports import Answer
from pipeline.trainers import saves
from pipeline.trainers.box import Command
from tests.support.box import Box
from tests.support.dying import ProcessDied
from tests.support.jobs import ID, PURSE, a_job, a_world, accounts_sum, lived, priced, submitted, told_again
from tests.support.training import LOADING, Run
from tests.support.virtual import run
from tests.support.world import HOUSE, World

STEPS, PACE = 200, 20.0  # a run of more than an hour
INTERVAL = EVERY / PACE  # steps
SLOPPY = 2  # steps that a save and its way home may take beside it
LONG = Run(steps=STEPS, seconds_per_step=PACE, save_every=25)


def long_job(steps: int = STEPS) -> Job:
    recipe = Recipe(trigger="mytrigger", steps=steps)
    seconds = 600 + PACE * steps
    quote = replace(priced(recipe), seconds=seconds, slow_seconds=1.5 * seconds, ceiling_cost=micro(3))
    return a_job(recipe=recipe, quote=quote)


def resumes(job: Job) -> list[Resumed]:
    return [news.event for news in job.news if isinstance(news.event, Resumed)]


def ended(job: Job) -> tuple[Stage, End | None, int | None]:
    return job.stage, job.ending.end if job.ending else None, job.artifact.step if job.artifact else None


def kept_files(world: World) -> dict[str, set[str]]:
    """What lies at home of each checkpoint, by its step."""
    sets = world.root / "jobs" / ID / "sets"
    return {
        (folder / WEIGHTS).read_text().split()[-1]: {file.name for file in folder.iterdir()}
        for folder in sets.iterdir()
    }


@pytest.mark.parametrize("step", [31, 199])
def test_a_host_that_dies_costs_at_most_one_interval_of_steps(tmp_path: Path, step: int) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=step), LONG])
    job = lived(world, long_job())
    assert (ended(job), len(world.rentals), world.alive) == ((Stage.DONE, End.DONE, STEPS), 2, [])
    second = world.rentals[1].run
    assert second is not None
    assert 0 <= step - second.start <= INTERVAL + SLOPPY
    assert [told.step for told in resumes(job)] == ([second.start] if second.start else [])
    assert all(told.state for told in resumes(job))


def test_exactly_one_set_is_laid_down_and_the_trainer_goes_on_from_it(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=150), LONG])
    lived(world, long_job())
    second = world.rentals[1]
    assert second.run is not None
    assert set(second.out) == {f"{ID}_{second.run.start:09d}.safetensors", saves.OPTIMIZER}
    laid = {name for name in second.files if f"/{saves.STAGED}/" in name}
    assert {Path(name).name for name in laid} == {"weights.safetensors", saves.OPTIMIZER}
    assert not any(f"/out/{ID}/{ID}" in name for name in second.files), "nothing of such a name is ever half there"


def test_at_most_four_weights_and_one_optimizer_are_kept(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG])
    job = lived(world, long_job())
    kept = kept_files(world)
    assert len(job.mirror) == 4
    assert kept.keys() == {str(each.step) for each in job.mirror}
    assert all("weights.safetensors" in files for files in kept.values())
    assert [saves.OPTIMIZER in files for files in kept.values()].count(True) == 1


def test_a_checkpoint_comes_home_every_ten_minutes_and_no_oftener(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, save_every=10)])
    job = lived(world, long_job())
    gaps = [
        (later.at - earlier.at).total_seconds() for earlier, later in zip(job.mirror, job.mirror[1:-1], strict=False)
    ]
    assert gaps
    assert all(EVERY - 1 < gap < EVERY + 60 for gap in gaps)


def test_a_trainer_that_saves_nothing_by_itself_is_asked_to(tmp_path: Path) -> None:
    rare = replace(LONG, save_every=20_000)
    world = a_world(tmp_path, runs=[replace(rare, gone_at=100), rare])
    job = lived(world, long_job())
    assert resumes(job)[0].step >= 100 - INTERVAL - SLOPPY


def test_a_save_that_overtakes_the_one_on_its_way_makes_no_set_of_two_steps(tmp_path: Path) -> None:
    """Each file takes longer than a step, and each step is saved: what is on its way is a copy, and comes home."""
    hasty = replace(LONG, save_every=1, gone_at=100)
    world = a_world(tmp_path, runs=[hasty, replace(hasty, gone_at=None)], get_seconds=24.0)
    job = lived(world, long_job())
    assert (ended(job), len(world.rentals)) == ((Stage.DONE, End.DONE, STEPS), 2)
    (told,) = resumes(job)
    assert (100 - INTERVAL - 48 / PACE - SLOPPY <= told.step < 100, told.state) == (True, True)
    whole = job.mirror[-1] if job.mirror[-1].optimizer else job.mirror[-2]
    state = (world.root / "jobs" / ID / "sets" / whole.sha256 / saves.OPTIMIZER).read_text()
    assert state == f"state of step {whole.step}"


def test_a_run_that_saves_every_ten_seconds_loses_no_more_than_one_interval(tmp_path: Path) -> None:
    """Files of which each takes nearly as long as the trainer needs to the next save, and it keeps four of those."""
    often = Run(steps=1500, seconds_per_step=1.0, save_every=10, gone_at=1400)
    world = a_world(tmp_path, runs=[often, replace(often, gone_at=None)], get_seconds=8.0)
    job = lived(world, long_job(1500))
    (told,) = resumes(job)
    assert (ended(job), 1400 - EVERY - 20 <= told.step < 1400, told.state) == ((Stage.DONE, End.DONE, 1500), True, True)


def test_a_file_that_takes_longer_than_the_trainer_keeps_it_comes_home_whole(tmp_path: Path) -> None:
    often = Run(steps=400, seconds_per_step=5.0, save_every=5)  # the original is gone after four saves
    world = a_world(tmp_path, runs=[replace(often, gone_at=300), often], get_seconds=400.0)
    (told,) = resumes(lived(world, long_job(400)))
    assert (told.step > 0, told.state) == (True, True)


def test_of_a_copy_nothing_stays_on_the_box_once_it_is_at_home(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG])
    job = lived(world, long_job())
    assert (len(job.mirror) > 1, world.rentals[0].copied) == (True, {})


class Tearing(Box):
    """The line breaks at the first try of each file."""

    torn = frozenset[str]()

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        if remote not in type(self).torn:
            type(self).torn |= {remote}
            raise HostSilent("ssh-lost", why="cut")
        return await super().get(remote, local, cap=cap)


def test_a_line_that_breaks_while_a_set_is_on_its_way_costs_no_interval(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG], box=Tearing)
    (told,) = resumes(lived(world, long_job()))
    assert (told.step >= 100 - INTERVAL - SLOPPY, told.state) == (True, True)


def test_polls_go_on_while_files_are_on_their_way_home(tmp_path: Path) -> None:
    """A file that takes half an hour: the watch must neither lose the machine nor miss the end."""
    world = a_world(tmp_path, runs=[LONG], get_seconds=1800.0)
    job = lived(world, long_job())
    assert (ended(job), len(world.rentals)) == ((Stage.DONE, End.DONE, STEPS), 1)


def test_a_host_lost_while_it_paints_after_the_last_save_needs_no_other_machine_once_the_weights_are_home(
    tmp_path: Path,
) -> None:
    """The last step's weights came home with the mirror; the samples are lost with the machine."""
    steps = round(EVERY / PACE) + 1
    last = Run(steps=steps, seconds_per_step=PACE, save_every=20_000, gone_ended=True)
    world = a_world(tmp_path, runs=[last])
    job = lived(world, long_job(steps))
    assert (ended(job), len(world.rentals), world.alive) == ((Stage.DONE, End.DONE, steps), 1, [])
    assert job.artifact is not None
    assert job.artifact.samples == ()


def test_a_host_lost_in_collect_moves_on_from_the_mirror(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_ended=True), LONG])
    job = lived(world, long_job())
    assert (ended(job), len(world.rentals)) == ((Stage.DONE, End.DONE, STEPS), 2)
    assert resumes(job)[0].step >= STEPS - INTERVAL - SLOPPY


def test_the_chart_goes_on_over_a_move_and_over_our_own_death(tmp_path: Path) -> None:
    """What the dead host drew beyond the checkpoint is drawn anew; before it, nothing is lost."""
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG])
    lived(world, long_job())
    told = run(load_progress(world.store, ID), world.last_seen)
    assert told is not None
    steps, start = [step for step, _ in told.curve], world.rentals[1].run.start if world.rentals[1].run else 0
    assert 0 < start < 100
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, STEPS)
    assert any(start - 10 < step <= start for step in steps)


def test_more_moves_than_allowed_end_it_and_what_is_at_home_is_kept(tmp_path: Path) -> None:
    """Each machine dies forty steps on. Nobody gets a model and a full refund: it has its price."""
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=step) for step in (50, 90, 130)])
    job = lived(world, long_job())
    assert (ended(job), len(world.rentals)) == ((Stage.DONE, End.FAILED, None), world.house.moves + 1)
    assert job.mirror[-1].step > 130 - INTERVAL - SLOPPY
    assert (job.charged, world.commits) == (0, 0)
    assert 0 < job.worth <= job.quote.ceiling
    assert run(accounts_sum(world), world.last_seen) == (PURSE, 0, 0)
    assert str(job.mirror[-1].step) in kept_files(world)


def test_the_person_pays_for_the_steps_once(tmp_path: Path) -> None:
    alone = lived(a_world(tmp_path / "a", runs=[LONG]), long_job())
    job = lived(a_world(tmp_path / "b", runs=[replace(LONG, gone_at=100), LONG]), long_job())
    assert job.charged <= 1.05 * alone.charged


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


@pytest.mark.parametrize("wanted", [Wish.STOP, None])
def test_a_box_naming_files_of_a_step_nobody_ordered_gives_no_model_of_that_step(
    tmp_path: Path, wanted: Wish | None
) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, boasts=999_999, dies_at=150), LONG])
    if wanted is Wish.STOP:
        job = run(_told_until(world, long_job(), wanted, LOADING + 100 * PACE))
        assert (ended(job), world.commits) == ((Stage.DONE, End.STOPPED, None), 0)
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


@pytest.mark.parametrize("box", [Speechless, Endless])
def test_a_machine_without_last_words_is_salvaged_of_its_checkpoint_all_the_same(
    tmp_path: Path, box: type[Box]
) -> None:
    crash = replace(LONG, dies_at=29, trouble="CUDA error: an illegal access")
    world = a_world(tmp_path, runs=[crash, LONG], box=box)
    job = lived(world, long_job())
    assert (ended(job)[:2], len(world.rentals)) == ((Stage.DONE, End.DONE), 2)
    assert [told.step for told in resumes(job)][-1] >= 25


def test_more_than_the_spool_may_hold_is_refused_before_anything_is_rented(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG], house=replace(HOUSE, spool_bytes=10**9))
    job = lived(world, long_job())
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, world.rentals) == (Blame.OPERATOR, "spool-full", [])
    assert job.ending.facts["most_gb"] == 1.0


# --- stop and keep


async def _wished(world: World, wanted: Wish) -> None:
    """As intake does: again, where the story wrote at the same moment."""
    while True:
        job = await load_job(world.store, ID)
        assert job is not None
        if await world.store.cas("jobs", ID, job.version, job_doc(replace(job, wish=wanted, version=job.version + 1))):
            return


async def _told_until(world: World, job: Job, wanted: Wish, seconds: float) -> Job:
    """Tell; so many seconds after the first machine began to train, the wish is written and it is told again."""
    await submitted(world, job)
    telling = asyncio.timeout(None)

    async def nudge() -> None:
        loop = asyncio.get_running_loop()
        while not (world.rentals and world.rentals[0].started and loop.time() > world.rentals[0].started + seconds):  # noqa: ASYNC110  # a person looks now and then
            await asyncio.sleep(10)
        await _wished(world, wanted)
        telling.reschedule(loop.time())

    try:
        async with telling, asyncio.TaskGroup() as group:
            group.create_task(nudge())
            await world.tell(ID)
    except TimeoutError:
        return await world.tell(ID)
    raise AssertionError("it ended before the wish")


def test_stop_and_keep_where_the_box_is_gone_makes_the_last_mirrored_set_the_model(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG])
    job = run(_told_until(world, long_job(), Wish.STOP, LOADING + 100 * PACE + 30))
    stage, end, step = ended(job)
    assert (stage, end, len(world.rentals), world.alive) == (Stage.DONE, End.STOPPED, 1, [])
    assert step is not None
    assert 100 - INTERVAL - SLOPPY <= step < 100
    assert (job.incomplete, world.commits, resumes(job)) == (True, 1, [])
    assert 0 < job.charged < job.quote.points, "a model is never a gift"
    assert not any(news.event.kind == "moving" for news in job.news)


def test_stop_and_keep_where_the_box_is_gone_before_anything_came_home_costs_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=10), LONG])
    job = run(_told_until(world, long_job(), Wish.STOP, LOADING + 10 * PACE + 30))
    assert (ended(job), len(world.rentals), job.charged) == ((Stage.DONE, End.STOPPED, None), 1, 0)


def test_stop_and_keep_where_the_trainer_will_not_stop_takes_what_it_saved(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, deaf=True)])
    job = run(_told_until(world, long_job(), Wish.STOP, LOADING + 100 * PACE))
    stage, end, step = ended(job)
    assert (stage, end, len(world.rentals), world.alive) == (Stage.DONE, End.STOPPED, 1, [])
    assert step is not None
    assert step >= 100
    assert job.incomplete


def test_stop_while_another_machine_is_on_its_way_keeps_what_is_at_home(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG], boot_seconds=300.0)
    job = run(_told_until(world, long_job(), Wish.STOP, LOADING + 100 * PACE + 480))
    stage, end, step = ended(job)
    assert (stage, end, world.alive) == (Stage.DONE, End.STOPPED, [])
    assert step is not None
    assert step < 100
    assert len(world.rentals) == 2
    assert world.rentals[1].started is None


def test_cancel_takes_the_log_and_no_weights(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[LONG])
    job = run(_told_until(world, long_job(), Wish.CANCEL, LOADING + 40 * PACE))
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
