"""COLLECT: weights and samples home under caps, proved, with our metadata only."""

import json
from dataclasses import replace
from pathlib import Path

from pipeline.domain.events import Collected
from pipeline.domain.faults import HostFault
from pipeline.domain.job import Artifact, Ending, Job
from pipeline.domain.stage import End, Wish
from pipeline.flow.journal import load_progress
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import at_host, awake
from pipeline.ports import Demand, Host
from pipeline.trainers import aitoolkit, box
from pipeline.trainers.bases import base

SAMPLE_CAP = 8 * 1024**2
ROOM = 1.1  # of the size a LoRA of this base and rank must have
SLACK = 2**20  # bytes beside it: the header


async def play(job: Job, kit: Kit) -> Job:
    here, models, there = kit.spool.job(job.id), kit.spool.models(), f"{box.folder(job.id)}/out/{job.id}"
    await kit.note("collecting")
    async with at_host(job, kit) as host:
        job = await awake(job, kit)
        found = _newest(job, await host.list(there))
        if found is None:
            return job.leaving(kit.now(), Ending(End.STOPPED))
        name, step = found
        raw = here / "weights.raw"
        await host.get(
            f"{there}/{name}", raw, cap=round(ROOM * base(job.recipe.base).lora_bytes(job.recipe.rank)) + SLACK
        )
        pictures = await _samples(host, f"{there}/samples", here) if job.recipe.samples else []
    await kit.note("proving")
    pictures = await kit.workshop.samples(pictures, models / f"{job.id}-samples")
    proof = await kit.workshop.prove(raw, demand(job, step), models / f"{job.id}.safetensors")
    sheet = await kit.workshop.sheet(pictures, models / f"{job.id}.jpg") if pictures else None
    progress = await load_progress(kit.store, job.id)
    artifact = Artifact(
        file=f"models/{job.id}.safetensors", sha256=proof.sha256, size=proof.size, step=step,
        samples=tuple(kit.spool.relative(picture) for picture in pictures),
        sheet=kit.spool.relative(sheet) if sheet else "",
        final_loss=progress.curve[-1][1] if progress and progress.curve else None,
    )  # fmt: skip
    return replace(job, artifact=artifact).telling(kit.now(), Collected(step=step, size=proof.size))


def _newest(job: Job, files: list[tuple[str, int]]) -> tuple[str, int] | None:
    """The final weights and their step; of a stopped run, those of the highest step, or None."""
    found = aitoolkit.checkpoints(job.id, files)
    if None in found:
        return found[None], job.recipe.steps
    if job.wish is not Wish.STOP:
        raise HostFault("weights-missing")
    steps = [step for step in found if step is not None]
    return (found[max(steps)], max(steps)) if steps else None


async def _samples(host: Host, there: str, here: Path) -> list[Path]:
    """The samples that came; a missing picture is no reason to lose a model."""
    raw: list[Path] = []
    for name, size in sorted(await host.list(there)):
        if name.endswith((".jpg", ".png", ".webp")) and size <= SAMPLE_CAP and len(raw) < 8:  # noqa: PLR2004  # twice what was ordered
            local = here / f"sample-{len(raw)}.raw"
            await host.get(f"{there}/{name}", local, cap=SAMPLE_CAP)
            raw.append(local)
    return raw


def demand(job: Job, step: int) -> Demand:
    """What the weights must be, and all that their metadata will say."""
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
