"""From Start to the first training step, in a sandbox that runs no faster than life: what of the wait is ours?"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bot.assembly import Station, station
from bot.ports import Said
from pipeline.adapters.providers.vast.client import GAPS
from pipeline.domain.ids import AccountId, JobId
from pipeline.sandbox.pictures import make_pictures, make_zip
from pipeline.sandbox.world import Sandbox, sandbox
from pipeline.settings import Settings
from pipeline.trainers import aitoolkit
from pipeline.trainers.bases import BASES
from pipeline.trainers.box import folder
from tests.bench.row import Row, most
from tests.sandbox.test_whole_job import HERE, ME, Wall

BOOT: Final = 60.0
HUB_MBIT: Final = 3000.0  # the sandbox's default
LOOK: Final = 0.02  # seconds between two looks at the sandbox from outside


@dataclass(frozen=True, slots=True)
class Spans:
    """Seconds: from Start to the first step, and what of it the sandbox was told to take."""

    whole: float
    told_of: float  # until a person could read of the step
    boot: float  # from the rent to public ports
    fetch: float  # bytes of the base / the hub's bandwidth
    load: float  # of the stand-in trainer, from its first byte to its first step
    stages: Mapping[str, float] = field(default_factory=dict)  # what each stage took, as a person could see it

    @property
    def told(self) -> float:
        return self.boot + self.fetch + self.load

    @property
    def gaps(self) -> float:
        """The market lets us look at a rental so often, and create a first one at once."""
        return GAPS["show"]


def start() -> list[Row]:
    """One job, some six minutes of real time."""
    spans = asyncio.run(_spans())
    parts = f"{spans.whole:.0f} s; told: boot {spans.boot:.0f}, base {spans.fetch:.0f}, load and step {spans.load:.0f}"
    stages = ", ".join(f"{name} {seconds:.0f}" for name, seconds in spans.stages.items())
    ratio = spans.whole / (spans.told + spans.gaps)
    why = "a bar counts when the next one is drawn, a step later, and we look each 5 s"
    return [
        most("Start to first step", ratio, 1.05, "x", f"{parts}; it went to {stages}"),
        Row("first step until told of", spans.told_of - spans.whole, "s", detail=why),
    ]


async def _spans(speed: float = 1.0) -> Spans:
    with TemporaryDirectory() as name:
        room = Path(name)
        async with sandbox(room / "world", speed=speed, booted=(BOOT, BOOT), image_gb=0.0) as world:
            return await _watched(world, room)


async def _watched(world: Sandbox, room: Path) -> Spans:
    values: dict[str, Any] = {key.lower(): value for key, value in world.env.items()}
    settings = Settings(_env_file=None, data_dir=room / "data", welcome_points=50_000, **values)
    wall = Wall()
    async with station(settings, {wall.name: wall}) as whole:
        file = make_zip(make_pictures(room / "pictures"), room / "pictures.zip")
        text = "/train mytrigger steps=10 rank=1 samples=0"
        await whole.desk.hear(Said(identity=ME, address=HERE, text=text, attachments=(file,)))
        began = time.perf_counter()
        await whole.desk.hear(Said(identity=ME, address=HERE, pressed=wall.last.buttons[0].action))
        account = await whole.intake.account(ME)
        (job,) = await whole.intake.jobs(account)
        async with asyncio.TaskGroup() as watching:
            boot = watching.create_task(_boot(world))
            load = watching.create_task(_load(world, job.id))
            stages = await _until_stepping(whole, account, job.id)
            told_of = time.perf_counter() - began
            seconds, stepped = await load
            return Spans(stepped - began, told_of, await boot, _fetch(), seconds, stages)


async def _until_stepping(whole: Station, account: AccountId, job: JobId) -> Mapping[str, float]:
    """Until a person who asks is told of a finished step; seconds that each stage took until then."""
    taken: dict[str, float] = {}
    before = time.perf_counter()
    while True:
        told, progress = await whole.intake.job(account, job)
        now = time.perf_counter()
        taken[told.stage.value] = taken.get(told.stage.value, 0.0) + now - before
        before = now
        if progress and progress.unit == "step" and progress.done:
            return taken
        assert not told.over, told
        await asyncio.sleep(LOOK)


async def _boot(world: Sandbox) -> float:
    """Seconds from the rent to public ports."""
    began: float | None = None
    while True:
        rental = next(iter(world.market.rentals.values()), None)
        if rental is not None:
            began = began or time.perf_counter()
            if rental.mapped:
                return time.perf_counter() - began
        await asyncio.sleep(LOOK)


async def _load(world: Sandbox, job: JobId) -> tuple[float, float]:
    """Seconds from the trainer's first byte to the bar that shows one step done, and when that was."""
    began: float | None = None
    while True:
        for rental in world.market.rentals.values():
            log = rental.box.home / folder(job) / aitoolkit.LOG
            if log.exists():
                began = began or time.perf_counter()
                if b"| 1/10 [" in log.read_bytes():
                    now = time.perf_counter()
                    return now - began, now
        await asyncio.sleep(LOOK)


def _fetch() -> float:
    """Seconds that the base takes over the hub's line."""
    return BASES["flux1-dev"].download_gb * 8000 / HUB_MBIT
