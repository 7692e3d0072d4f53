"""The only door: drafts, quotes, jobs, wishes. Everything refused here costs nothing."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.adapters.foreign import Links
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId, Identity, JobId
from pipeline.domain.job import Address, Job
from pipeline.domain.money import Points, Tariff
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import Stage, Wish
from pipeline.flow.accounts import Accounts
from pipeline.flow.catalogue import Catalogue
from pipeline.flow.drafts import Drafts
from pipeline.flow.intake import Intake, Offered, Terms
from pipeline.flow.records import job_doc
from pipeline.flow.spool import Spool
from tests.support.jobs import a_world
from tests.support.virtual import run
from tests.support.world import HOUSE, World

HERE = Address("terminal", "me")
RECIPE = Recipe(trigger="mytrigger", steps=30)


class Bell:
    """An engine that only notes what it was asked for."""

    def __init__(self) -> None:
        self.started: list[JobId] = []
        self.nudged: list[JobId] = []

    async def start(self, job: JobId) -> None:
        self.started.append(job)

    async def nudge(self, job: JobId) -> None:
        self.nudged.append(job)


def desk(world: World, engine: Bell | None = None, welcome: int = 100_000) -> Intake:
    ledger, dice = world.ledger(), random.Random(3)
    return Intake(
        store=world.store, clock=world.clock, dice=dice, provider=world, workshop=world, ledger=ledger,
        links=Links(world.root / "links"),
        accounts=Accounts(world.store, ledger, world.clock, dice, Points(welcome)), catalogue=Catalogue(world.store),
        drafts=Drafts(world.store, world.clock), spool=Spool(world.root), house=HOUSE, tariff=Tariff(),
        terms=Terms(), engine=engine or Bell(), hint=lambda: None,
    )  # fmt: skip


async def offered(intake: Intake, recipe: Recipe = RECIPE) -> tuple[AccountId, Offered]:
    account = await intake.account(Identity("terminal:me"))
    await intake.add(account, Path("pictures.zip"))
    return account, await intake.quote(account, recipe)


def test_from_a_zip_to_a_started_job_and_the_points_are_held(tmp_path: Path) -> None:
    world, engine = a_world(tmp_path), Bell()

    async def life() -> tuple[Job, int, int]:
        intake = desk(world, engine)
        account, offer = await offered(intake)
        job = await intake.submit(account, HERE, offer.digest)
        balance = await intake.balance(account)
        return job, balance.available, balance.held

    job, available, held = run(life())
    assert (engine.started, held, available) == ([job.id], job.quote.ceiling, 100_000 - job.quote.ceiling)


def test_start_pressed_twice_is_one_job(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[Job, Job, int]:
        intake = desk(world)
        account, offer = await offered(intake)
        async with asyncio.TaskGroup() as group:
            one = group.create_task(intake.submit(account, HERE, offer.digest))
            two = group.create_task(intake.submit(account, HERE, offer.digest))
        later = await intake.submit(account, HERE, offer.digest)
        assert later.id == one.result().id
        return one.result(), two.result(), len(await intake.jobs(account))

    one, two, count = run(life())
    assert (one.id, count) == (two.id, 1)


def test_a_late_photo_forces_a_new_quote(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> None:
        intake = desk(world)
        account, offer = await offered(intake)
        await intake.drop(account, 1)
        await intake.submit(account, HERE, offer.digest)

    with pytest.raises(UserFault, match="quote-changed"):
        run(life())


def test_an_old_quote_is_asked_for_again(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> None:
        intake = desk(world)
        account, offer = await offered(intake)
        await asyncio.sleep(timedelta(minutes=11).total_seconds())
        await intake.submit(account, HERE, offer.digest)

    with pytest.raises(UserFault, match="quote-expired"):
        run(life())


def test_without_points_nothing_starts(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> None:
        intake = desk(world, welcome=10)
        account, offer = await offered(intake)
        await intake.submit(account, HERE, offer.digest)

    with pytest.raises(UserFault, match="not-enough-points"):
        run(life())


def test_a_third_job_at_once_is_one_too_many(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> None:
        intake = desk(world, welcome=1_000_000)
        for steps in (30, 31, 32):
            account, offer = await offered(intake, replace(RECIPE, steps=steps))
            await intake.submit(account, HERE, offer.digest)

    with pytest.raises(UserFault, match="too-many-jobs"):
        run(life())


def test_a_foreign_job_is_as_good_as_none(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> None:
        intake = desk(world)
        account, offer = await offered(intake)
        job = await intake.submit(account, HERE, offer.digest)
        mallory = await intake.account(Identity("terminal:mallory"))
        for ask in (lambda: intake.job(mallory, job.id), lambda: intake.wish(mallory, Wish.CANCEL, job.id)):
            with pytest.raises(UserFault) as foreign:
                await ask()
            with pytest.raises(UserFault) as absent:
                await intake.job(mallory, JobId("nothing"))
            assert (foreign.value.code, foreign.value.facts) == (absent.value.code, absent.value.facts)

    run(life())


def test_a_wish_is_saved_before_the_engine_is_told(tmp_path: Path) -> None:
    world, engine = a_world(tmp_path), Bell()

    async def life() -> Job:
        intake = desk(world, engine)
        account, offer = await offered(intake)
        job = await intake.submit(account, HERE, offer.digest)
        await intake.wish(account, Wish.STOP, None)
        wished, _ = await intake.job(account, job.id)
        return wished

    job = run(life())
    assert (job.wish, engine.nudged) == (Wish.STOP, [job.id])


def test_a_bare_cancel_that_is_heard_again_after_a_crash_hits_no_other_training(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[Job, Job, list[Wish | None]]:
        intake = desk(world)
        account, offer = await offered(intake)
        older = await intake.submit(account, HERE, offer.digest)
        await asyncio.sleep(60)
        await intake.add(account, Path("pictures.zip"))
        newer = await intake.submit(account, HERE, (await intake.quote(account, RECIPE)).digest)
        await intake.wish(account, Wish.CANCEL, None, "telegram:7:70")
        ended = await intake.job(account, newer.id)
        assert await world.store.cas(
            "jobs",
            newer.id,
            ended[0].version,
            job_doc(replace(ended[0], stage=Stage.DONE, version=ended[0].version + 1)),
        )
        again = await desk(world).wish(account, Wish.CANCEL, None, "telegram:7:70")  # another process
        return again, newer, [(await intake.job(account, each.id))[0].wish for each in (older, newer)]

    again, newer, wishes = run(life())
    assert again.id == newer.id
    assert wishes == [None, Wish.CANCEL]


def test_a_bare_cancel_said_anew_means_the_training_that_is_left(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[JobId, JobId]:
        intake = desk(world)
        account, offer = await offered(intake)
        job = await intake.submit(account, HERE, offer.digest)
        one = await intake.wish(account, Wish.STOP, None, "telegram:7:70")
        two = await intake.wish(account, Wish.CANCEL, None, "telegram:7:71")
        assert job.id == two.id
        return one.id, two.id

    assert len(set(run(life()))) == 1


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        (replace(RECIPE, steps=0), "out-of-bounds"), (replace(RECIPE, steps=10**9), "out-of-bounds"),
        (replace(RECIPE, base="flux9"), "unknown-base"), (replace(RECIPE, trigger="a b"), "bad-trigger"),
        (replace(RECIPE, lr=1.0), "out-of-bounds"), (replace(RECIPE, resolution=()), "bad-resolution"),
    ],
)  # fmt: skip
def test_bad_options_are_refused_before_the_market_is_asked(tmp_path: Path, recipe: Recipe, code: str) -> None:
    world = a_world(tmp_path)
    with pytest.raises(UserFault, match=code):
        run(offered(desk(world), recipe))
    assert world.rentals == []
