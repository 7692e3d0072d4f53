"""One checkpoint on its way home: copied on the box, brought in a folder of its own, proved and written anew.

The trainer goes on saving meanwhile, perhaps every few seconds: what is on its way is a copy, which no later save
overtakes and no pruning takes away. A name says of which save the copy is, so nothing half here is ever gone on with
from another one.
"""

import asyncio
import json
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from pipeline.domain.checkpoint import Checkpoint, Mirror, newest
from pipeline.domain.events import StageReached
from pipeline.domain.faults import Fault, HostFault, HostSilent
from pipeline.domain.ids import MachineId, Sha256
from pipeline.domain.job import Job
from pipeline.domain.stage import Stage
from pipeline.flow.kit import Kit
from pipeline.ports import Demand, Host
from pipeline.trainers import aitoolkit, saves
from pipeline.trainers.bases import base

log = structlog.get_logger()
FRESH: Final = 60.0  # seconds of age up to which a checkpoint is taken as it lies; for an older one a new one is asked
LOOK: Final = 5.0  # seconds between two looks, while a save is awaited; and before what failed is tried again
SAVED: Final = 180.0  # seconds a save that was asked for may take
TRIES: Final = 3  # at a copy while saves overtake it, and at a file while the line breaks
ROOM: Final = 1.1  # of the size a LoRA of this base and rank must have
SLACK: Final = 2**20  # bytes beside it: the header
STATE: Final = 3  # an optimizer's size, in LoRA files, at most
COMING: Final = ".coming"  # the folder of the one on its way: a try that was cut off goes on where it ended
WEIGHTS: Final = "weights.safetensors"


async def newest_set(kit: Kit, host: Host, since: datetime | None, *, ask: bool = True) -> Checkpoint | None:
    """Bring the newest whole set home; with `ask`, one that is fresh. None: there is none that is not at home yet."""
    job = kit.journal.latest
    found = await (_fresh(job, kit, host) if ask else _whole(job, host))
    if found is not None and _news(job, found) is None:
        return None
    found = await _copied(job, kit, host, tries=TRIES if ask else 1)
    step = None if found is None else _news(job, found)
    if found is None or step is None:
        return None
    return await _brought(job, kit, host, found, step, since)


def _news(job: Job, found: saves.Whole) -> int | None:
    """Its step, if that was ordered and none as high is at home."""
    step, last = saves.step_of(job.id, found.name, job.recipe.steps), newest(job.mirror)
    return None if step is None or (last is not None and last.step >= step) else step


async def _copied(job: Job, kit: Kit, host: Host, *, tries: int) -> saves.Whole | None:
    """The newest whole set, once it lies on the box as a copy."""
    for left in reversed(range(tries)):
        found = saves.read_copy(job.id, (await host.run(saves.copy(job.id))).out)
        if found is not None:
            return found
        if left:
            await asyncio.sleep(kit.pace.seconds(LOOK))
    log.warning("mirror-overtaken", job=job.id)
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


async def _brought(job: Job, kit: Kit, host: Host, found: saves.Whole, step: int, since: datetime | None) -> Checkpoint:
    """The copy `found`, at home and proved. On the box it is removed as soon as it is here."""
    coming, there = kit.spool.sets(job.id) / COMING, saves.copied(job.id, found)
    _only(coming, found.mark)
    raw, state = coming / f"{found.mark}.raw", coming / f"{found.mark}.pt"
    await _carried(kit, host, f"{there}/{saves.COPIED}", raw, most_bytes(job))
    most = STATE * base(job.recipe.base).lora_bytes(job.recipe.rank)
    digest = await _carried(kit, host, f"{there}/{saves.OPTIMIZER}", state, most)
    with suppress(Fault):  # it is at home; the next copy removes this one, and so does the machine's end
        await host.run(saves.drop(job.id))
    state.replace(coming / saves.OPTIMIZER)
    return await _proved(job, kit, raw, step, since, digest)


async def _carried(kit: Kit, host: Host, remote: str, local: Path, cap: int) -> Sha256:
    """Bring one file home. Where the line breaks it goes on from there: the copy waits."""
    for _ in range(TRIES - 1):
        with suppress(HostSilent):
            return await host.get(remote, local, cap=cap)
        await asyncio.sleep(kit.pace.seconds(LOOK))
    return await host.get(remote, local, cap=cap)


def _only(coming: Path, mark: str) -> None:
    """Leave nothing of another set in the folder of what is on its way."""
    for file in coming.glob("*"):
        if not file.name.startswith(f"{mark}."):
            remove(file)


def remove(litter: Path) -> None:
    """Whatever it is: a proof that was killed leaves a folder of its own."""
    if litter.is_dir():
        shutil.rmtree(litter, ignore_errors=True)
    else:
        litter.unlink(missing_ok=True)


async def final_weights(job: Job, kit: Kit, host: Host, name: str, step: int) -> Checkpoint:
    """Bring weights alone, of a run that is over: nothing goes on from them. Raises what the proof raises."""
    coming = kit.spool.sets(job.id) / COMING
    _only(coming, name)
    raw = coming / f"{name}.raw"
    await host.get(f"{saves.output(job.id)}/{name}", raw, cap=most_bytes(job))
    return await _proved(job, kit, raw, step, None, None)


def most_bytes(job: Job) -> int:
    return round(ROOM * base(job.recipe.base).lora_bytes(job.recipe.rank)) + SLACK


async def _proved(
    job: Job, kit: Kit, raw: Path, step: int, since: datetime | None, optimizer: Sha256 | None
) -> Checkpoint:
    """What lies beside `raw` as a set of its own name, its weights proved and written anew."""
    coming = raw.parent
    proof = await kit.workshop.prove(raw, demand(job, step), coming / WEIGHTS)
    if proof.step != step:
        again = any(each.ups == proof.ups for each in job.mirror)
        raise HostFault("trainer-repeats" if again else "weights-step", told=proof.step, named=step)
    _named(coming, kit.spool.sets(job.id) / proof.sha256)
    mine, machine = own(job), job.machine.machine if job.machine else MachineId("")
    return Checkpoint(
        step=step, sha256=proof.sha256, size=proof.size, ups=proof.ups, optimizer=optimizer, at=kit.now(),
        since=mine[0].since if mine else since or _told_to_train(job), machine=machine,
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


def own(job: Job) -> Mirror:
    """What came of the machine in hand."""
    return tuple(each for each in job.mirror if job.machine and each.machine == job.machine.machine)


def _named(coming: Path, there: Path) -> None:
    """Give a whole set its name in one step. Of weights that are there already only the optimizer is new."""
    for file in coming.iterdir():
        if file.name not in {WEIGHTS, saves.OPTIMIZER}:  # as the box sent it
            remove(file)
    if not there.exists():
        coming.rename(there)
        return
    for file in coming.iterdir():
        file.replace(there / file.name)
    coming.rmdir()
