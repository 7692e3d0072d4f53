"""Stop and keep at awkward moments, and ends that the trainer does not call failures."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.domain.job import Job
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.stages.train import Calm
from pipeline.flow.stages.watching import Watch
from pipeline.trainers.verdict import Tale
from tests.support.jobs import a_job, a_world, accounts_sum, lived, priced
from tests.support.mirrored import LONG, ended, long_job, told_when
from tests.support.training import Run, bar
from tests.support.virtual import EPOCH, run
from tests.support.world import World

RELOADING = 20.0  # seconds after a start: the base is being loaded


def kept(world: World, job: Job) -> None:
    """What was mirrored is the model, it is paid, and no machine is left."""
    assert ended(job) == (Stage.DONE, End.STOPPED, job.mirror[-1].step)
    assert (job.incomplete, world.commits, world.alive) == (True, 1, [])
    assert job.charged > 0
    assert run(accounts_sum(world), world.last_seen)[1:] == (0, 0)


def test_a_stop_while_the_next_machine_loads_keeps_what_came_home_from_the_first(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, gone_at=100), LONG])

    def loading(_: Job, now: float) -> bool:
        second = world.rentals[1] if len(world.rentals) > 1 else None
        return second is not None and second.started is not None and now > second.started + RELOADING

    kept(world, run(told_when(world, long_job(), Wish.STOP, loading)))


def test_a_stop_while_a_crashed_trainer_loads_again_keeps_what_came_home_before(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[replace(LONG, dies_at=150, crashes=1)])

    def restarted(job: Job, now: float) -> bool:
        again = any(news.event.kind == "restarted" for news in job.news)
        return again and now > (world.rentals[0].started or now) + RELOADING

    kept(world, run(told_when(world, long_job(), Wish.STOP, restarted)))


class LateNan(Run):
    """Its last eight steps are no numbers; it ends with code 0 and all its files."""

    def _steps(self, job: str, first: int, last: int, saves: tuple[int, ...]) -> str:  # type: ignore[override]  # a cache is laid over the first one
        said = []
        for step in range(first, last + 1):
            lost = step > self.steps - 8
            said += ["loss is nan\n"] if lost else []
            said += [bar(job, at, self.steps, "0.000e+00" if lost else "1.400e+00") for at in (step - 1, step)]
        return "".join(said)


def test_a_run_that_ended_in_nan_is_no_model_whatever_its_exit_code_says(tmp_path: Path) -> None:
    recipe = Recipe(trigger="mytrigger", steps=10)
    world = a_world(tmp_path, runs=[LateNan(steps=10), Run(steps=10)])
    job = lived(world, a_job(recipe=recipe, quote=priced(recipe)))
    assert (ended(job), world.commits) == ((Stage.DONE, End.DONE, 10), 1)
    assert [(rental.useful, rental.owed > 0) for rental in job.rentals] == [(False, False), (True, True)]


@dataclass
class Look:
    """What a look shows while a save is awaited."""

    asked: bool = False
    saving: bool = False
    sets: int = 0


@pytest.mark.parametrize(
    ("looks", "sent"),
    [
        ([Look(asked=True), Look(saving=True), Look(sets=1), Look(sets=1)], 4),
        # a periodic save ends after the request: the one that was asked for comes behind it
        ([Look(asked=True), Look(asked=True, sets=1), Look(saving=True, sets=1), Look(sets=2), Look(sets=2)], 5),
        # both in one look: the request was taken back, and its own save has not said a word yet
        ([Look(asked=True), Look(sets=1), Look(saving=True, sets=1), Look(sets=2), Look(sets=2)], 5),
        ([Look(), Look(), Look(saving=True), Look(saving=True)], None),
    ],
)  # fmt: skip
def test_sigint_is_sent_when_the_save_that_was_asked_for_is_whole_and_no_other_has_begun(
    looks: list[Look], sent: int | None
) -> None:
    watch, calm = Watch(heard_at=EPOCH, tale=Tale("j")), Calm(0)
    found = []
    for number, look in enumerate(looks, 1):
        watch.asked, watch.saving, watch.complete_sets = look.asked, look.saving, look.sets
        found += [number] if calm.seen(watch) else []
    assert (found[0] if found else None) == sent
