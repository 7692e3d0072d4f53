"""PREPARE: everything that can fail for free, while no meter runs."""

import json
from dataclasses import replace

from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Job
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import hold_key
from pipeline.trainers import aitoolkit
from pipeline.trainers.bases import base
from pipeline.trainers.schema import problems

SPARE_BYTES = 2 * 1024**3  # of the home disk, beside what the job itself brings home


async def play(job: Job, kit: Kit) -> Job:
    """Points held, pictures packed, gate, market and hub checked, the repo claimed."""
    await kit.ledger.hold(job.account, hold_key(job), job.quote.ceiling, job=job.id)
    job.manifest.check()
    job.recipe.check()
    row = base(job.recipe.base)
    _readable(job)
    if kit.spool.free_bytes() < SPARE_BYTES + 4 * row.lora_bytes(job.recipe.rank):
        raise OperatorFault("spool-full")
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
