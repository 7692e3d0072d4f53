"""The mirror: while a machine trains, its newest checkpoint comes home now and then. A dead host costs minutes.

A set is whole or it is not there: it arrives in a folder of its own, is proved and written anew, gets its name in one
step, and counts from the moment the job's document names it. Whoever kills us between any two lines leaves the old
record with its files, or the new one with its files; what no record names is litter.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from pipeline.domain.checkpoint import EVERY, Checkpoint, Mirror, added, newest, of_others, repeats
from pipeline.domain.events import StageReached
from pipeline.domain.faults import Fault, HostFault
from pipeline.domain.ids import MachineId, Sha256
from pipeline.domain.job import Job
from pipeline.domain.stage import Stage
from pipeline.flow.kit import Kit
from pipeline.ports import Demand, Host
from pipeline.trainers import aitoolkit, saves
from pipeline.trainers.bases import base

log = structlog.get_logger()
FRESH: Final = 60.0  # seconds of age up to which a checkpoint is taken as it lies; for an older one a new one is asked
LOOK: Final = 5.0  # seconds between two looks, while a save is awaited or nothing trains yet
SAVED: Final = 180.0  # seconds a save that was asked for may take
TRIES: Final = 3  # while new saves overtake the one on its way
ROOM: Final = 1.1  # of the size a LoRA of this base and rank must have
SLACK: Final = 2**20  # bytes beside it: the header
STATE: Final = 3  # an optimizer's size, in LoRA files, at most
LIES: Final = frozenset({"weights-zero", "weights-step", "trainer-repeats"})  # steps that were told and not trained
USELESS: Final = LIES | {"weights-nan"}  # more time makes nothing of it
COMING: Final = ".coming"  # the folder of the one on its way: a try that was cut off goes on where it ended
RAW: Final = "weights.raw"
WEIGHTS: Final = "weights.safetensors"


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
    tried: datetime | None = None
    while True:
        due = _due(kit, began(), tried)
        wait = kit.pace.seconds(LOOK) if due is None else (due - kit.now()).total_seconds()
        await asyncio.sleep(max(0.0, wait))
        if due is None:
            continue
        tried = kit.now()
        try:
            home.fresh = await newest_set(kit, host, began()) or home.fresh
        except Fault as fault:
            log.warning("mirror-failed", job=kit.journal.latest.id, code=fault.code)
            if isinstance(fault, HostFault) and fault.code in USELESS:
                home.useless = fault
                return


def _due(kit: Kit, began: datetime | None, tried: datetime | None) -> datetime | None:
    """When the next one should come home; None while there is nothing to save."""
    if began is None:
        return None
    own = _own(kit.journal.latest)
    last = own[-1].at if own else began
    return max(last, tried or last) + kit.pace.delta(seconds=EVERY)


def _own(job: Job) -> Mirror:
    """What came of the machine in hand."""
    return tuple(each for each in job.mirror if job.machine and each.machine == job.machine.machine)


async def newest_set(kit: Kit, host: Host, since: datetime | None, *, ask: bool = True) -> Checkpoint | None:
    """Bring the newest whole set home; with `ask`, one that is fresh. None: there is none that is not at home yet.

    A set whose save was overtaken by another one is no set: weights and optimizer could be of two steps.
    """
    job = kit.journal.latest
    for _ in range(TRIES):
        found = await (_fresh(job, kit, host) if ask else _whole(job, host))
        if found is None:
            return None
        step, last = saves.step_of(job.id, found.name, job.recipe.steps), newest(job.mirror)
        if step is None or (last is not None and last.step >= step):
            return None
        fresh = await _brought(job, kit, host, found, step, since)
        if fresh is not None:
            return fresh
    return None


async def _whole(job: Job, host: Host) -> saves.Whole | None:
    return saves.read_whole(job.id, (await host.run(saves.whole(job.id))).out)


async def _fresh(job: Job, kit: Kit, host: Host) -> saves.Whole | None:
    """The newest whole set; an old one is made anew first, where the trainer does as it is asked."""
    found = await _whole(job, host)
    if found is not None and found.age <= kit.pace.seconds(FRESH):
        return found
    await host.run(aitoolkit.save_now(job.id))
    end = kit.now() + kit.pace.delta(seconds=SAVED)
    while kit.now() < end:
        await asyncio.sleep(kit.pace.seconds(LOOK))
        again = await _whole(job, host)
        if again is not None and (found is None or again.count > found.count):
            return again
    return found


async def _brought(
    job: Job, kit: Kit, host: Host, found: saves.Whole, step: int, since: datetime | None
) -> Checkpoint | None:
    """Weights, then optimizer, then a look whether they still belong together: None when they do not."""
    coming, there = kit.spool.sets(job.id) / COMING, saves.output(job.id)
    await host.get(f"{there}/{found.name}", coming / RAW, cap=most_bytes(job))
    most = STATE * base(job.recipe.base).lora_bytes(job.recipe.rank)
    digest = await host.get(f"{there}/{saves.OPTIMIZER}", coming / saves.OPTIMIZER, cap=most)
    again = await _whole(job, host)
    if again is None or (again.count, again.changed) != (found.count, found.changed):
        return None
    return await _proved(job, kit, coming, step, since, digest)


async def final_weights(job: Job, kit: Kit, host: Host, name: str, step: int) -> Checkpoint:
    """Bring weights alone, of a run that is over: nothing goes on from them. Raises what the proof raises."""
    coming = kit.spool.sets(job.id) / COMING
    await host.get(f"{saves.output(job.id)}/{name}", coming / RAW, cap=most_bytes(job))
    (coming / saves.OPTIMIZER).unlink(missing_ok=True)
    return await _proved(job, kit, coming, step, None, None)


def most_bytes(job: Job) -> int:
    return round(ROOM * base(job.recipe.base).lora_bytes(job.recipe.rank)) + SLACK


async def _proved(
    job: Job, kit: Kit, coming: Path, step: int, since: datetime | None, optimizer: Sha256 | None
) -> Checkpoint:
    """What lies in `coming` as a set of its own name, its weights proved and written anew."""
    raw = coming / RAW
    proof = await kit.workshop.prove(raw, demand(job, step), coming / WEIGHTS)
    raw.unlink()
    if proof.step != step:
        again = any(each.ups == proof.ups for each in job.mirror)
        raise HostFault("trainer-repeats" if again else "weights-step", told=proof.step, named=step)
    _named(coming, kit.spool.sets(job.id) / proof.sha256)
    own, machine = _own(job), job.machine.machine if job.machine else MachineId("")
    return Checkpoint(
        step=step, sha256=proof.sha256, size=proof.size, ups=proof.ups, optimizer=optimizer, at=kit.now(),
        since=own[0].since if own else since or _told_to_train(job), machine=machine,
    )  # fmt: skip


def _told_to_train(job: Job) -> datetime | None:
    """When the machine in hand was: where nobody saw its first step."""
    for news in reversed(job.news):
        if isinstance(news.event, StageReached) and news.event.stage is Stage.TRAIN:
            return news.at
    return None


def demand(job: Job, step: int) -> Demand:
    """What the weights must be, and all that their metadata will say: the trainer reads its step there, and goes on."""
    row = base(job.recipe.base)
    info = {"step": step, "epoch": 0}
    return Demand(
        modules=row.modules, prefix=row.prefix, rank=job.recipe.rank, dtype="BF16",
        halves=row.halves, alpha=job.recipe.rank if row.alpha else None,
        metadata={
            "format": "pt", "ss_base_model_version": row.version, "ss_output_name": str(job.recipe.slug),
            "modelspec.title": str(job.recipe.slug), "modelspec.trigger_phrase": job.recipe.trigger,
            "training_info": json.dumps(info), "software": json.dumps({"name": "trainstation"}),
        },
    )  # fmt: skip


def _named(coming: Path, there: Path) -> None:
    """Give a whole set its name in one step. Of weights that are there already only the optimizer is new."""
    for file in coming.iterdir():
        if file.name not in {WEIGHTS, saves.OPTIMIZER}:  # of a try that was cut off
            file.unlink()
    if not there.exists():
        coming.rename(there)
        return
    for file in coming.iterdir():
        file.replace(there / file.name)
    coming.rmdir()


def _tidy(sets: Path, job: Job) -> None:
    """Remove what the job's record does not name: first the record, then the files."""
    known = {each.sha256: each for each in job.mirror}
    for folder in sets.iterdir():
        if folder.name not in known and folder.name != COMING:
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.name in known and known[Sha256(folder.name)].optimizer is None:
            (folder / saves.OPTIMIZER).unlink(missing_ok=True)


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
