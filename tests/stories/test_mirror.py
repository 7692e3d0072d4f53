"""A dead host costs minutes: checkpoints come home while it trains, and another machine goes on from the newest."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.faults import HostSilent
from pipeline.domain.ids import Sha256
from pipeline.domain.stage import End, Stage
from pipeline.flow.carrying import COMING, WEIGHTS
from pipeline.flow.journal import load_progress
from pipeline.flow.spool import Spool
from pipeline.trainers import saves
from tests.support.box import Box
from tests.support.jobs import ID, PURSE, a_world, accounts_sum, lived
from tests.support.mirrored import INTERVAL, LONG, PACE, SLOPPY, STEPS, ended, kept_files, long_job, resumes
from tests.support.training import Run
from tests.support.virtual import run


@pytest.mark.parametrize("step", [pytest.param(31, marks=pytest.mark.torture), 199])
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


def test_what_is_half_here_of_another_set_is_never_gone_on_with(tmp_path: Path) -> None:
    """Files of an earlier try, and the folder of a proof that was killed, lie where the next set arrives."""
    world = a_world(tmp_path, runs=[LONG])
    coming = Spool(tmp_path).sets(ID) / COMING
    (coming / ".workshop-x").mkdir(parents=True)
    for name in (WEIGHTS, saves.OPTIMIZER, f"1-{ID}_000000005.safetensors.raw.part", ".workshop-x/made"):
        (coming / name).write_text("of another set")
    job = lived(world, long_job())
    assert ended(job) == (Stage.DONE, End.DONE, STEPS)
    assert set().union(*kept_files(world).values()) <= {WEIGHTS, saves.OPTIMIZER}
    kept = [file.read_text() for file in Spool(tmp_path).sets(ID).glob("*/*")]
    assert kept
    assert "of another set" not in kept
