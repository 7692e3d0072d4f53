"""PREPARE of a release: a kept checkpoint, whole, becomes a model's file; its points are held, its name is had."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

from pipeline.domain.checkpoint import Checkpoint
from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.ids import JobId, Sha256
from pipeline.domain.job import Artifact, Job
from pipeline.flow.journal import load_job
from pipeline.flow.kit import Kit
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.stages.common import hold_key


async def play(job: Job, kit: Kit) -> Job:
    """Raises UserFault("checkpoint-gone") when its days are over."""
    await kit.ledger.hold(job.account, hold_key(job), job.quote.ceiling, job=job.id)
    training, chosen = _named(job)
    weights, model = kit.spool.sets(training) / chosen.sha256 / WEIGHTS, kit.spool.model(job.id)
    if job.slug is None:
        job = await kit.journal.save(replace(job, slug=await kit.catalogue.reserve(job.recipe.slug, job.id)))
    if not job.repo:
        job = await kit.journal.save(replace(job, repo=await kit.publisher.claim(str(job.slug))))
    await kit.note("proving")
    try:
        await asyncio.to_thread(kit.spool.place, weights, model)
    except FileNotFoundError:  # its days were over a moment ago
        raise UserFault("checkpoint-gone", step=chosen.step) from None
    if await asyncio.to_thread(_digest, model) != chosen.sha256:
        raise OperatorFault("checkpoint-damaged", step=chosen.step)
    return replace(job, artifact=await _artifact(training, chosen, kit, kit.spool.relative(model)))


def _named(job: Job) -> tuple[JobId, Checkpoint]:
    assert job.of is not None
    assert job.chosen is not None
    return job.of, job.chosen


async def _artifact(training: JobId, chosen: Checkpoint, kit: Kit, file: str) -> Artifact:
    """The checkpoint as a model. Samples are of the last step: only its own weights are shown with them."""
    made = await load_job(kit.store, training)
    if made is not None and made.artifact is not None and made.artifact.sha256 == chosen.sha256:
        return replace(made.artifact, file=file)
    return Artifact(file=file, sha256=chosen.sha256, size=chosen.size, step=chosen.step)


def _digest(file: Path) -> Sha256:
    with file.open("rb") as opened:
        return Sha256(hashlib.file_digest(opened, "sha256").hexdigest())
