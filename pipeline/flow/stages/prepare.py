"""PREPARE: everything that can fail for free, while no meter runs."""

import asyncio
import json
from dataclasses import replace

from pipeline.domain.checkpoint import KEPT
from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Job
from pipeline.domain.stage import Stage
from pipeline.flow.kit import Kit
from pipeline.flow.records import job_from
from pipeline.flow.stages.common import hold_key
from pipeline.trainers import aitoolkit
from pipeline.trainers.bases import base
from pipeline.trainers.schema import problems

SPARE_BYTES = 2 * 1024**3  # of the home disk, beside what the job itself brings home
WAYFARERS = 5  # files as large as weights beside those kept: optimizers kept, on their way and laid down, weights twice


async def play(job: Job, kit: Kit) -> Job:
    """Points held, pictures packed, gate, market and hub checked, the repo claimed."""
    await kit.ledger.hold(job.account, hold_key(job), job.quote.ceiling, job=job.id)
    job.manifest.check()
    job.recipe.check()
    row = base(job.recipe.base)
    _readable(job)
    await _room(job, kit)
    if job.pack is None:
        await kit.note("packing")
        pictures, tarball = kit.spool.pictures(job.account), kit.spool.job(job.id) / "pack.tar"
        pack = await kit.workshop.pack(job.taught, pictures, tarball)
        job = await kit.journal.save(replace(job, pack=pack))
    await kit.note("checking")
    await kit.hub.files(row)
    if kit.house.host_token:
        await kit.hub.judge(kit.house.host_token, row)
    await kit.provider.admit_key(kit.hosts.public_key)
    if await kit.provider.credit() < kit.house.credit_factor * job.quote.ceiling_cost:
        raise OperatorFault("market-credit")
    if job.slug is None:
        job = await kit.journal.save(replace(job, slug=await kit.catalogue.reserve(job.recipe.slug, job.id)))
    if not job.repo:
        job = replace(job, repo=await kit.publisher.claim(str(job.slug)))
    return job


def _readable(job: Job) -> None:
    """The trainer's config, as it will be on a machine of any size, is one the trainer reads to the letter.

    A key it does not know is ignored without a word, and costs a whole training. Raises OperatorFault("config-unread").
    """
    row = base(job.recipe.base)
    for lower in range(len(row.ladder)):
        text = aitoolkit.config(
            job.id, job.recipe, row, "/root", vram_mb=row.vram_mb, captions=job.taught.captions, lower=lower
        )
        if wrong := problems(json.loads(text)):
            raise OperatorFault("config-unread", what="; ".join(wrong[:3])[:200])


async def _room(job: Job, kit: Kit) -> None:
    """Packs and checkpoints of all live jobs fit, as large as they may become. Raises OperatorFault("spool-full")."""
    live = [stage.value for stage in Stage if stage is not Stage.DONE]
    jobs = [job_from(doc) for doc in await kit.store.find("jobs", among={"stage": live}, limit=1000)]
    wanted = sum(map(room_bytes, jobs))
    kept = await asyncio.to_thread(kit.spool.used_bytes, {each.id for each in jobs})
    if kept + wanted > kit.house.spool_bytes or kit.spool.free_bytes() < SPARE_BYTES + room_bytes(job):
        raise OperatorFault(
            "spool-full", kept_gb=_gb(kept), wanted_gb=_gb(wanted), most_gb=_gb(kit.house.spool_bytes),
            free_gb=_gb(kit.spool.free_bytes()),
        )  # fmt: skip


def room_bytes(job: Job) -> int:
    """What a job brings home, or keeps there: its pictures, its checkpoints, one on its way, one laid down."""
    lora = base(job.recipe.base).lora_bytes(job.recipe.rank)
    if job.of is not None:  # a release copies what is there
        return lora
    return job.manifest.size + (KEPT + WAYFARERS) * lora


def _gb(size: int) -> float:
    return round(size / 1e9, 1)
