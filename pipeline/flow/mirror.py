"""The mirror: while a machine trains, its newest checkpoint comes home now and then. A dead host costs minutes.

A set is whole or it is not there: it arrives in a folder of its own, is proved and written anew, gets its name in one
step, and counts from the moment the job's document names it. Whoever kills us between any two lines leaves the old
record with its files, or the new one with its files; what no record names is litter.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from pipeline.domain.checkpoint import EVERY, Checkpoint, added, of_others, repeats
from pipeline.domain.faults import Fault, HostFault, HostSilent
from pipeline.domain.ids import Sha256
from pipeline.domain.job import Job
from pipeline.flow.carrying import COMING, LOOK, WEIGHTS, final_weights, newest_set, own, remove
from pipeline.flow.kit import Kit
from pipeline.ports import Host
from pipeline.trainers import saves

__all__ = ["WEIGHTS", "Homeward", "final_weights", "judged", "mirroring", "newest_set", "record"]

log = structlog.get_logger()
AGAIN: Final = 60.0  # seconds until the next try, where the line broke
LIES: Final = frozenset({"weights-zero", "weights-step", "trainer-repeats"})  # steps that were told and not trained
USELESS: Final = LIES | {"weights-nan"}  # more time makes nothing of it


@dataclass(slots=True)
class Homeward:
    """What came home and is not written down yet. One hand tells the job, and it is not the mirror's: `record`."""

    fresh: Checkpoint | None = None
    useless: HostFault | None = None


Began = Callable[[], datetime | None]  # when the machine in hand was first seen to train


@asynccontextmanager
async def mirroring(kit: Kit, host: Host, began: Began) -> AsyncIterator[Homeward]:
    """Mirror while the block runs, beside its polls. Whatever fails here fails the run only where it proves it useless.

    When the machine fails, what came home before is written down all the same.
    """
    home = Homeward()
    try:
        async with _beside(_mirror(kit, host, began, home)):
            yield home
    except HostFault:
        await record(kit.journal.latest, kit, home)
        raise


async def record(job: Job, kit: Kit, home: Homeward) -> Job:
    """Write down what came home.

    Raises HostFault("trainer-repeats") for weights of an earlier step under a new one, and what proved it useless.
    """
    fresh, home.fresh = home.fresh, None
    machine = job.machine
    if fresh is not None and machine is not None:
        if repeats(job.mirror, fresh):
            home.useless = HostFault("trainer-repeats", step=fresh.step)
            return await record(job, kit, home)
        sent = machine.sent_gb + fresh.size * (2 if fresh.optimizer else 1) / 1e9
        job = await kit.journal.save(
            replace(job, mirror=added(job.mirror, fresh), machine=replace(machine, sent_gb=sent))
        )
        log.info("mirrored", job=job.id, step=fresh.step)
        _tidy(kit.spool.sets(job.id), job)
    if home.useless is not None:
        await judged(job, kit, home.useless)
        raise home.useless
    return job


async def judged(job: Job, kit: Kit, fault: HostFault) -> None:
    """Where `fault` is a lie about training, nothing of this machine counts any more, past or to come."""
    machine = job.machine
    if machine is not None and fault.code in LIES:
        doubted = replace(machine, believed=False)
        await kit.journal.save(replace(job, mirror=of_others(job.mirror, machine.machine), machine=doubted))


async def _mirror(kit: Kit, host: Host, began: Began, home: Homeward) -> None:
    """From one start to the next it is EVERY: what a file takes to come home is not lost once more on top of it."""
    due: datetime | None = None
    while True:
        due = due or _first(kit, began())
        wait = kit.pace.seconds(LOOK) if due is None else (due - kit.now()).total_seconds()
        await asyncio.sleep(max(0.0, wait))
        if due is None:
            continue
        due = kit.now() + kit.pace.delta(seconds=EVERY)
        try:
            home.fresh = await newest_set(kit, host, began()) or home.fresh
        except Fault as fault:
            log.warning("mirror-failed", job=kit.journal.latest.id, code=fault.code)
            if isinstance(fault, HostFault) and fault.code in USELESS:
                home.useless = fault
                return
            if isinstance(fault, HostSilent):
                due = min(due, kit.now() + kit.pace.delta(seconds=AGAIN))


def _first(kit: Kit, began: datetime | None) -> datetime | None:
    """When the first one of this life should come home; None while there is nothing to save."""
    if began is None:
        return None
    mine = own(kit.journal.latest)
    return (mine[-1].at if mine else began) + kit.pace.delta(seconds=EVERY)


def _tidy(sets: Path, job: Job) -> None:
    """Remove what the job's record does not name: first the record, then the files.

    A known set has its weights and, where the record says so, its optimizer. What UPLOAD made of that to lay it on
    another box is made anew for each box.
    """
    known = {each.sha256: each for each in job.mirror}
    for folder in sets.iterdir():
        if folder.name == COMING:
            continue
        if folder.name not in known:
            remove(folder)
            continue
        kept = {WEIGHTS, saves.OPTIMIZER} if known[Sha256(folder.name)].optimizer else {WEIGHTS}
        for file in folder.iterdir():
            if file.name not in kept:
                remove(file)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` beside the block and end it with it. What either raises comes out as it is, in no group."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
