"""A machine dies in the middle of a training: how long until another one trains, and how many steps that costs."""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.events import Resumed, StageReached
from pipeline.domain.job import Job
from pipeline.domain.stage import Stage, Wish
from pipeline.flow.recover import GRACE
from tests.bench.row import Row, most
from tests.sandbox.test_mirror_house import ORDER, SPEED, house, resumes
from tests.sandbox.test_whole_job import Wall, over, started

OURS = 5.0  # seconds beside the waits that nobody can avoid
STEP = 3.0  # seconds of life a step takes in the sandbox


def recovery() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        died, lost, job = asyncio.run(_life(Path(folder)))
    resumed = next(news.at for news in job.news if isinstance(news.event, Resumed))
    ours = resumed - died - GRACE / SPEED - _waits(job, resumed)
    interval = EVERY / STEP
    return [
        most(
            "recovery from a dead host", ours.total_seconds(), OURS, "s",
            "to its first step elsewhere, without the grace, the boot, the download, the trainer's own start",
        ),
        most("steps lost with a dead host", lost, interval, "steps", "an interval of the mirror at 3 s a step"),
    ]  # fmt: skip


async def _life(folder: Path) -> tuple[datetime, int, Job]:
    """When the machine died, how many steps were lost, and the job."""
    wall = Wall()
    async with house(folder, wall) as (world, whole):
        account, job = await started(whole, wall, folder, ORDER)
        while not job.mirror:
            await asyncio.sleep(0.05)
            job, _ = await whole.intake.job(account, job.id)
        await asyncio.sleep(EVERY / SPEED / 2)  # as bad a moment as most
        job, progress = await whole.intake.job(account, job.id)
        died = datetime.now(UTC)  # noqa: TID251  # the sandbox's clock is the wall's
        await next(iter(world.market.rentals.values())).box.stop()
        while not resumes(job):
            await asyncio.sleep(0.02)
            job, _ = await whole.intake.job(account, job.id)
        await whole.intake.wish(account, Wish.CANCEL, job.id)
        await over(whole, account, job)
        return died, (progress.done if progress else 0) - resumes(job)[0].step, job


def _waits(job: Job, resumed: datetime) -> timedelta:
    """Of the second machine: its boot, its download, its trainer's start."""
    at = {
        news.event.stage: news.at
        for news in job.news
        if isinstance(news.event, StageReached) and news.event.attempt > 1
    }
    return (at[Stage.UPLOAD] - at[Stage.WAIT]) + (at[Stage.TRAIN] - at[Stage.FETCH]) + (resumed - at[Stage.TRAIN])
