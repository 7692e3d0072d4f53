"""A machine that dies in the middle of a training, over real sockets: another one goes on from the mirrored set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.assembly import Station, station
from bot.ports import Said
from pipeline.domain.events import Moving, Resumed
from pipeline.domain.ids import AccountId
from pipeline.domain.job import Job
from pipeline.domain.stage import End
from pipeline.sandbox.world import Sandbox, sandbox
from pipeline.settings import Settings
from tests.sandbox.test_whole_job import HERE, ME, Wall, over, started

SPEED = 200.0  # a checkpoint comes home every three seconds
ORDER = "/train mytrigger steps=2000 rank=1 samples=0"
OFTEN = f"{ORDER} save_every=10"  # the least there is


@asynccontextmanager
async def house(tmp_path: Path, wall: Wall, **faults: int) -> AsyncIterator[tuple[Sandbox, Station]]:
    named = {name.replace("_", "-"): times for name, times in faults.items()}
    async with sandbox(tmp_path / "world", speed=SPEED, faults=named) as world:
        values: dict[str, Any] = {key.lower(): value for key, value in world.env.items()}
        settings = Settings(_env_file=None, data_dir=tmp_path / "data", welcome_points=50_000, **values)
        async with station(settings, {wall.name: wall}) as whole:
            yield world, whole


async def stopped(whole: Station, account: AccountId, job: Job) -> Job:
    await whole.desk.hear(Said(identity=ME, address=HERE, text="/stop"))
    return await over(whole, account, job)


def resumes(job: Job) -> list[Resumed]:
    return [news.event for news in job.news if isinstance(news.event, Resumed)]


def left_for(job: Job) -> list[str]:
    return [news.event.code for news in job.news if isinstance(news.event, Moving)]


@pytest.mark.torture  # in virtual time: tests/stories/test_mirror.py
@pytest.mark.parametrize("order", [ORDER, OFTEN])
def test_a_machine_that_vanishes_is_gone_on_from_elsewhere_with_its_optimizer(tmp_path: Path, order: str) -> None:
    wall = Wall()

    async def life() -> Job:
        async with house(tmp_path, wall) as (world, whole):
            account, job = await started(whole, wall, tmp_path, order)
            while not job.mirror:
                await asyncio.sleep(0.05)
                job, _ = await whole.intake.job(account, job.id)
            (rental,) = world.market.rentals.values()
            await rental.box.stop()
            while not resumes(job):
                await asyncio.sleep(0.05)
                job, _ = await whole.intake.job(account, job.id)
            job = await stopped(whole, account, job)
            assert world.market.live() == 0
            assert (await whole.books.ledger.audit()).total == 0
            return job

    job = asyncio.run(life())
    (told,) = resumes(job)
    assert (told.step == told.laid > 0, told.state, job.attempt, left_for(job)) == (True, True, 2, ["ssh-unreachable"])
    assert job.artifact is not None
    assert (job.ending and job.ending.end, job.artifact.step >= told.step) == (End.STOPPED, True)
    assert job.artifact.sha256 in {each.sha256 for each in job.mirror}


@pytest.mark.torture
@pytest.mark.parametrize("fault", ["repeated_checkpoints", "still_weights"])
def test_a_box_repeating_a_checkpoint_is_left_within_two_saves(tmp_path: Path, fault: str) -> None:
    wall = Wall()

    async def life() -> Job:
        async with house(tmp_path, wall, **{fault: 1}) as (_, whole):
            account, job = await started(whole, wall, tmp_path, ORDER)
            while job.attempt == 1:
                await asyncio.sleep(0.05)
                job, _ = await whole.intake.job(account, job.id)
            await whole.desk.hear(Said(identity=ME, address=HERE, text="/cancel"))
            return await over(whole, account, job)

    job = asyncio.run(life())
    (code,) = left_for(job)  # by the numbers, or by the step that the first one still tells under a later name
    assert code in {"trainer-repeats", "weights-step"}
    assert (job.mirror, resumes(job)) == ((), [])
