"""COLLECT: the best weights home, if they are not yet, and the samples; what is at home becomes the model.

Every checkpoint at home is proved and has our metadata only (mirror.py). A machine that is gone by now is not missed
when the weights are here: of the last step, or, for who stops, of an earlier one.
"""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog

from pipeline.domain.checkpoint import Checkpoint, newest
from pipeline.domain.events import Collected
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Artifact, Ending, Job
from pipeline.domain.stage import End, Wish
from pipeline.flow.journal import load_progress
from pipeline.flow.kit import Kit
from pipeline.flow.mirror import WEIGHTS, Homeward, final_weights, judged, record
from pipeline.flow.salvage import last_words
from pipeline.flow.stages.common import at_host, awake
from pipeline.ports import Host
from pipeline.trainers import saves

log = structlog.get_logger()
SAMPLE_CAP = 8 * 1024**2
KNOCKING = 60.0  # seconds a silent machine is waited for, when only samples are missing


async def play(job: Job, kit: Kit) -> Job:
    await kit.note("collecting")
    pictures: list[Path] = []
    async with AsyncExitStack() as stack:
        host = await _door(job, kit, stack)
        if host is not None:
            job = await _weights(job, kit, host)
            pictures = await _samples(job, kit, host)
            job = await awake(job, kit)
    last = newest(job.mirror)
    if last is None:
        return job.leaving(kit.now(), Ending(End.STOPPED))
    await kit.note("proving")
    models, file = kit.spool.models(), kit.spool.model(job.id)
    await asyncio.to_thread(kit.spool.place, kit.spool.sets(job.id) / last.sha256 / WEIGHTS, file)
    pictures = await kit.workshop.samples(pictures, models / f"{job.id}-samples")
    sheet = await kit.workshop.sheet(pictures, models / f"{job.id}.jpg") if pictures else None
    progress = await load_progress(kit.store, job.id)
    artifact = Artifact(
        file=kit.spool.relative(file), sha256=last.sha256, size=last.size, step=last.step,
        samples=tuple(kit.spool.relative(picture) for picture in pictures),
        sheet=kit.spool.relative(sheet) if sheet else "",
        final_loss=progress.curve[-1][1] if progress and progress.curve else None,
    )  # fmt: skip
    return replace(job, artifact=artifact).telling(kit.now(), Collected(step=last.step, size=last.size))


async def _door(job: Job, kit: Kit, stack: AsyncExitStack) -> Host | None:
    """The machine, logged in; None where there is none that trained, or nothing depends on it any more."""
    if job.machine is None or not job.machine.training:
        return None
    try:
        return await stack.enter_async_context(at_host(job, kit))
    except HostFault as fault:
        _given_up(job, kit, fault)
        return None


def _given_up(job: Job, kit: Kit, fault: HostFault) -> None:
    """Go on without the machine, if the last step's weights are at home. Raises `fault` where it is still needed."""
    since = job.silent_since or kit.now()
    knocking = isinstance(fault, HostSilent) and _seconds(since, kit.now()) < kit.pace.seconds(KNOCKING)
    if knocking or not job.finished:
        raise fault
    log.info("collected-without-machine", job=job.id, code=fault.code)


def _seconds(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds()


async def _weights(job: Job, kit: Kit, host: Host) -> Job:
    """The last step's weights, at home; of a stopped run, those of the highest step that is newer than at home."""
    if job.finished:
        return job
    out = (await host.run(saves.made(job.id))).out
    try:
        fresh = await _best(job, kit, host, saves.read_made(job.id, out, job.recipe.steps))
    except HostFault as fault:
        await judged(job, kit, fault)
        raise
    return job if fresh is None else await record(job, kit, Homeward(fresh=fresh))


async def _best(job: Job, kit: Kit, host: Host, made: dict[int, str]) -> Checkpoint | None:
    """Bring the best of `made` home; None: nothing is better than what is there."""
    if job.recipe.steps not in made and job.wish is not Wish.STOP:
        raise HostFault("weights-missing")
    last, best = newest(job.mirror), max(made, default=0)
    if not best or (last is not None and last.step >= best):
        return None
    return await final_weights(job, kit, host, made[best], best)


async def _samples(job: Job, kit: Kit, host: Host) -> list[Path]:
    """The log's end, and the samples that came; a missing picture is no reason to lose a model."""
    raw: list[Path] = []
    there, here = f"{saves.output(job.id)}/samples", kit.spool.job(job.id)
    try:
        await last_words(job, kit, host)
        for name, size in _of_the_last_round(await host.list(there)) if job.recipe.samples else ():
            if name.endswith((".jpg", ".png", ".webp")) and size <= SAMPLE_CAP and len(raw) < 8:  # noqa: PLR2004  # twice what was ordered
                local = here / f"sample-{len(raw)}.raw"
                await host.get(f"{there}/{name}", local, cap=SAMPLE_CAP)
                raw.append(local)
    except HostFault as fault:
        _given_up(job, kit, fault)
    return raw


def _of_the_last_round(found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Samples of the highest step: `<ms>__<step>_<n>.jpg` (facts/aitoolkit.md 4)."""
    rounds = [int(step[1]) if (step := re.match(r"\d{1,20}__(\d{9})_", name)) else 0 for name, _ in found]
    return sorted(each for each, step in zip(found, rounds, strict=True) if step == max(rounds))
