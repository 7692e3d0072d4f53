"""What a training leaves at home stays choosable: of a failed one for its price, of a paid one for nothing."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain.catalogue import Model
from pipeline.domain.checkpoint import KEPT_FOR, Checkpoint
from pipeline.domain.faults import Blame, UserFault
from pipeline.domain.ids import AccountId, MachineId, Sha256
from pipeline.domain.job import Address, Ending, Job
from pipeline.domain.money import Points
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.catalogue import Catalogue
from pipeline.flow.journal import load_job
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.records import job_doc
from pipeline.flow.spool import Spool
from tests.stories.test_intake import desk
from tests.stories.test_retention import retention
from tests.support.dying import DyingStore, ProcessDied
from tests.support.jobs import ANN, ID, PURSE, a_job, a_world, accounts_sum, lived
from tests.support.store import MemoryStore
from tests.support.virtual import run
from tests.support.world import World

HERE = Address("terminal", "me")
WORTH = Points(700)
WRITES = 11  # of a release, with its asking
LATER = 10_000.0  # seconds: whatever was lived before is over by then


def checkpoint(world: World, step: int) -> Checkpoint:
    """One at home, with its file."""
    words = f"weights of step {step}".encode()
    digest = Sha256(hashlib.sha256(words).hexdigest())
    folder = Spool(world.root).sets(ID) / digest
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS).write_bytes(words)
    ups = Sha256(hashlib.sha256(digest.encode()).hexdigest())
    return Checkpoint(step=step, sha256=digest, size=100, ups=ups, at=a_job().created_at, machine=MachineId("m1"))


def failed(world: World) -> Job:
    """A training that cost its person nothing, and left two checkpoints."""
    ending = Ending(End.FAILED, Blame.HOST, "trainer-failed")
    return a_job(stage=Stage.DONE, ending=ending, mirror=(checkpoint(world, 10), checkpoint(world, 20)), worth=WORTH)


async def stored(world: World, job: Job) -> None:
    await world.ledger().deposit(ANN, "gift", PURSE, source="test")
    await world.store.create("jobs", job.id, job_doc(job))


async def taken(world: World, step: int) -> Job:
    """Asked for, and told to its end."""
    return await world.tell((await desk(world).take(ANN, HERE, ID, step)).id)


def after(world: World, job: Job, work: Callable[[], Awaitable[Any]]) -> Any:
    """What `work` gives, with `job` stored before."""

    async def life() -> Any:
        await stored(world, job)
        return await work()

    return run(life(), LATER)


def paid(world: World) -> Job:
    """A training told to its end, with two more checkpoints at home than it needed."""
    job = lived(world)

    async def more() -> Job:
        mirror = (checkpoint(world, 10), checkpoint(world, 20), *job.mirror)
        assert await world.store.cas("jobs", ID, job.version, job_doc(replace(job, mirror=mirror)))
        return job

    return run(more(), LATER)


async def the_model(world: World) -> Model:
    (model,) = await Catalogue(world.store).of(ANN)
    return model


def file_of(world: World, job: Job) -> str:
    assert job.artifact is not None
    return (world.root / job.artifact.file).read_text()


def test_what_a_failed_training_left_is_had_for_what_its_steps_cost(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    job = after(world, failed(world), lambda: taken(world, 20))
    assert (job.stage, job.ending and job.ending.end, job.charged) == (Stage.DONE, End.DONE, WORTH)
    assert (world.rentals, world.commits, file_of(world, job)) == ([], 1, "weights of step 20")
    assert run(accounts_sum(world), LATER) == (PURSE - WORTH, 0, 0)
    model = run(the_model(world), LATER)
    assert (model.step, model.incomplete, model.url, model.slug) == (20, True, job.url, job.slug)


def test_another_step_of_it_costs_nothing_once_it_was_paid(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def both() -> tuple[Job, Job]:
        return await taken(world, 20), await taken(world, 10)

    first, second = after(world, failed(world), both)
    assert (first.charged, second.charged) == (WORTH, 0)
    assert (second.slug, second.repo, file_of(world, second)) == (first.slug, first.repo, "weights of step 10")
    assert run(accounts_sum(world), LATER) == (PURSE - WORTH, 0, 0)
    assert run(the_model(world), LATER).step == 10


def test_a_model_becomes_another_of_its_checkpoints_and_back_again(tmp_path: Path) -> None:
    """Under its name, in its repo; samples are shown with the weights that painted them only."""
    world = a_world(tmp_path)
    before = paid(world)
    was = run(the_model(world), LATER)
    earlier = run(taken(world, 20), LATER)
    there = run(the_model(world), LATER)
    assert (there.slug, there.repo, there.step, there.samples, there.sheet) == (was.slug, was.repo, 20, (), "")
    assert (earlier.charged, len(world.repos), len(world.rentals)) == (0, 1, 1)
    assert not (world.root / f"models/{before.id}.safetensors").exists()
    back = run(taken(world, 30), LATER)
    again = run(the_model(world), LATER)
    assert (again.step, again.sha256, again.samples, again.sheet) == (30, was.sha256, was.samples, was.sheet)
    assert file_of(world, back) == "weights of step 30"
    assert [file.name for file in (world.root / "models").glob("*.safetensors")] == [f"{back.id}.safetensors"]


def test_every_kept_checkpoint_is_offered_with_its_price_the_highest_step_first(tmp_path: Path) -> None:
    world = a_world(tmp_path / "failed")
    kept = after(world, failed(world), lambda: desk(world).kept(ANN, ID))
    assert [(each.checkpoint.step, each.price, each.current) for each in kept] == [
        (20, WORTH, False),
        (10, WORTH, False),
    ]
    world = a_world(tmp_path / "paid")
    paid(world)
    kept = run(desk(world).kept(ANN, ID), LATER)
    assert [(each.checkpoint.step, each.price, each.current) for each in kept] == [
        (30, 0, True), (20, 0, False), (10, 0, False),
    ]  # fmt: skip


def test_pressed_twice_it_is_taken_once(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def presses() -> tuple[Job, Job, Job]:
        first = await desk(world).take(ANN, HERE, ID, 20)
        second = await desk(world).take(ANN, HERE, ID, 20)
        return first, second, await world.tell(first.id)

    first, second, told = after(world, failed(world), presses)
    assert (first.id, told.charged) == (second.id, WORTH)
    assert run(accounts_sum(world), LATER) == (PURSE - WORTH, 0, 0)


def test_two_steps_pressed_at_one_moment_are_one_release_and_one_refusal(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    office, answers = desk(world), list[object]()

    async def press(step: int) -> None:
        try:
            job = await office.take(ANN, HERE, ID, step)
            answers.append(job.chosen.step if job.chosen else None)
        except UserFault as fault:
            answers.append(fault.code)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for step in (10, 20):
                group.create_task(press(step))

    after(world, failed(world), both)
    assert "release-running" in answers
    assert {10, 20} & set(answers)


def refusal(world: World, job: Job, step: int = 20, who: AccountId = ANN) -> str:
    """The code of the fault, and nothing was stored or held."""

    async def asked() -> str:
        before = await accounts_sum(world)
        with pytest.raises(UserFault) as fault:
            await desk(world).take(who, HERE, ID, step)
        assert await accounts_sum(world) == before
        return fault.value.code

    return str(after(world, job, asked))


def test_what_cannot_be_taken_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path / "a")
    assert refusal(world, failed(world), step=15) == "checkpoint-gone"
    world = a_world(tmp_path / "b")
    assert refusal(world, failed(world), who=AccountId("bob")) == "no-such-job"
    world = a_world(tmp_path / "c")
    assert refusal(world, replace(failed(world), worth=Points(PURSE + 1))) == "not-enough-points"
    world = a_world(tmp_path / "d")
    assert refusal(world, replace(failed(world), ending=Ending(End.CANCELLED), worth=Points(0))) == "checkpoint-gone"
    world = a_world(tmp_path / "e")
    assert refusal(world, replace(failed(world), stage=Stage.BILL)) == "checkpoint-gone"


def test_the_model_itself_and_a_second_one_at_once_are_refused(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    paid(world)

    async def codes() -> list[str]:
        found = []
        for step in (30, 20, 10):
            try:
                await desk(world).take(ANN, HERE, ID, step)
            except UserFault as fault:
                found.append(fault.code)
        return found

    assert run(codes(), LATER) == ["checkpoint-chosen", "release-running"]


def test_checkpoints_are_choosable_for_thirty_days(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def a_month() -> tuple[int, int]:
        job = await load_job(world.store, ID)
        assert job is not None
        await asyncio.sleep((job.changed_at + KEPT_FOR - world.clock.now() - timedelta(hours=1)).total_seconds())
        await retention(world).sweep()
        kept = await desk(world).kept(ANN, ID)
        await asyncio.sleep(7200)
        await retention(world).sweep()
        return len(kept), len(await desk(world).kept(ANN, ID))

    assert after(world, failed(world), a_month) == (2, 0)


def test_weights_that_rotted_at_home_become_nobodys_model_and_cost_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    training = failed(world)
    (Spool(world.root).sets(ID) / training.mirror[1].sha256 / WEIGHTS).write_bytes(b"rot")
    job = after(world, training, lambda: taken(world, 20))
    assert (job.ending and job.ending.end, job.ending and job.ending.blame) == (End.FAILED, Blame.OPERATOR)
    assert (job.charged, world.commits, world.repos) == (0, 0, {})
    assert run(accounts_sum(world), LATER) == (PURSE, 0, 0)


def test_a_release_of_a_model_that_fails_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    paid(world)
    was, repos = run(the_model(world), LATER), dict(world.repos)
    for weights in Spool(world.root).sets(ID).glob(f"*/{WEIGHTS}"):
        if weights.read_text().endswith(" 20"):
            weights.write_bytes(b"rot")
    job = run(taken(world, 20), LATER)
    assert job.ending is not None
    assert job.ending.end is End.FAILED
    assert (run(the_model(world), LATER), world.repos) == (was, repos)
    assert (tmp_path / f"models/{ID}.safetensors").exists()


def test_a_cancel_before_it_is_paid_costs_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def cancelled() -> Job:
        office = desk(world)
        job = await office.take(ANN, HERE, ID, 20)
        await office.wish(ANN, Wish.CANCEL, job.id)
        return await world.tell(job.id)

    job = after(world, failed(world), cancelled)
    assert (job.ending and job.ending.end, job.charged, world.repos) == (End.CANCELLED, 0, {})
    assert run(accounts_sum(world), LATER) == (PURSE, 0, 0)


def test_a_release_has_as_many_writes_as_it_is_killed_at(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> int:
        await stored(world, failed(world))
        store = DyingStore(world.store)
        world.store = store
        await taken(world, 20)
        return store.writes

    assert run(life(), LATER) == WRITES


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, WRITES + 1))
def test_death_at_any_write_of_a_release_charges_once_and_makes_one_model(
    tmp_path: Path, nth: int, moment: str
) -> None:
    world = a_world(tmp_path)

    async def asked_again() -> Job:
        """Whoever died has the button pressed again by its person, and its jobs told by the next process."""
        (job,) = [each for each in await desk(world).jobs(ANN) if each.of] or [
            await desk(world).take(ANN, HERE, ID, 20)
        ]
        return await world.tell(job.id)

    async def life() -> Job:
        await stored(world, failed(world))
        world.store = DyingStore(world.store, **{moment: nth})
        try:
            return await taken(world, 20)
        except ProcessDied:
            world.store = world.store.inner
            return await asked_again()

    assert isinstance(world.store, MemoryStore)
    job = run(life(), LATER)
    assert (job.stage, job.charged, world.commits, len(world.repos)) == (Stage.DONE, WORTH, 1, 1)
    assert run(the_model(world), LATER).sha256 == job.chosen.sha256 if job.chosen else False
    assert run(accounts_sum(world), LATER) == (PURSE - WORTH, 0, 0)
