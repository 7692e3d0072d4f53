"""FETCH: watch the box download the base model; give a box that cannot do it back early."""

import asyncio
from dataclasses import replace

from pipeline.domain.faults import HostFault
from pipeline.domain.job import Job
from pipeline.domain.progress import Progress
from pipeline.domain.speeds import EFFICIENCY
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import at_host, awake, machine_of
from pipeline.flow.stages.upload import start_fetch
from pipeline.ports import Host
from pipeline.trainers import box
from pipeline.trainers.bases import base

EVERY = 5.0  # seconds between two looks
ROUNDS = 3  # lists signed anew: links expire, files fail
STALLED = 180.0  # seconds without a byte
PATIENCE = 4.0  # times the expected duration


async def play(job: Job, kit: Kit) -> Job:
    row, machine = base(job.recipe.base), machine_of(job)
    total = sum(file.size for file in await kit.hub.files(row))
    async with at_host(job, kit) as host:
        job = await awake(job, kit)
        for _ in range(ROUNDS):
            if await _watched(job, kit, host, total):
                loaded = machine.loaded_gb + row.download_gb
                return replace(job, machine=replace(machine_of(job), loaded_gb=loaded))
            await start_fetch(job, kit, host)
    raise HostFault("fetch-failed")


async def _watched(job: Job, kit: Kit, host: Host, total: int) -> bool:
    """Watch one round to its end: True when every file is whole. Raises HostFault for a box far under its claim."""
    began = moved_at = kit.now()
    most = kit.pace.seconds(_expected(job) * PATIENCE + STALLED)
    best = 0
    while True:
        look = box.read_fetched((await host.run(box.fetched(job.id))).out)
        now = kit.now()
        if look.bytes > best:
            best, moved_at = look.bytes, now
        await _note(kit, best, total, (now - began).total_seconds())
        if look.failed is not None:
            return look.failed == 0
        if not look.alive:
            return False
        if (now - moved_at).total_seconds() > kit.pace.seconds(STALLED) or (now - began).total_seconds() > most:
            raise HostFault("fetch-slow", got=best, total=total)
        await asyncio.sleep(kit.pace.seconds(EVERY))


def _expected(job: Job) -> float:
    return base(job.recipe.base).download_gb * 8000 / (EFFICIENCY * (machine_of(job).down_mbps or 200.0))


async def _note(kit: Kit, done: int, total: int, seconds: float) -> None:
    speed = done / seconds if seconds > 0 and done else None
    left = (total - done) / speed if speed else None
    await kit.journal.note(
        Progress(
            at=kit.now(), phase="fetching", done=min(done, total), total=total, unit="byte",
            bytes_per_second=speed, seconds_left=left,
        )
    )  # fmt: skip
