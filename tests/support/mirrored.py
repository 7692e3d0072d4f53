"""A run of more than an hour whose checkpoints come home, and what is to be seen of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.events import Resumed
from pipeline.domain.job import Job
from pipeline.domain.money import micro
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.journal import load_job
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.records import job_doc
from tests.support.jobs import ID, a_job, priced, submitted
from tests.support.training import Run
from tests.support.world import World

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


async def _wished(world: World, wanted: Wish) -> None:
    """As intake does: again, where the story wrote at the same moment."""
    while True:
        job = await load_job(world.store, ID)
        assert job is not None
        if await world.store.cas("jobs", ID, job.version, job_doc(replace(job, wish=wanted, version=job.version + 1))):
            return


async def told_until(world: World, job: Job, wanted: Wish, seconds: float) -> Job:
    """Tell; so many seconds after the first machine began to train, the wish is written and it is told again."""

    def trained(_: Job, now: float) -> bool:
        return bool(world.rentals and world.rentals[0].started and now > world.rentals[0].started + seconds)

    return await told_when(world, job, wanted, trained)


async def told_when(world: World, job: Job, wanted: Wish, moment: Callable[[Job, float], bool]) -> Job:
    """Tell; when `moment` has come, of the stored job and the loop's time, the wish is written and it is told again."""
    await submitted(world, job)
    telling = asyncio.timeout(None)

    async def nudge() -> None:
        now = asyncio.get_running_loop().time
        while not ((stored := await load_job(world.store, ID)) and moment(stored, now())):  # noqa: ASYNC110  # a person looks now and then
            await asyncio.sleep(5)
        await _wished(world, wanted)
        telling.reschedule(now())

    try:
        async with telling, asyncio.TaskGroup() as group:
            group.create_task(nudge())
            await world.tell(ID)
    except TimeoutError:
        return await world.tell(ID)
    raise AssertionError("it ended before the wish")
