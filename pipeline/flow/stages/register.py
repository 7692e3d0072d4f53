"""REGISTER: into the catalogue, under a slug of its own."""

from dataclasses import replace

from pipeline.domain.catalogue import Model
from pipeline.domain.events import Registered
from pipeline.domain.job import Job
from pipeline.domain.recipe import Publish
from pipeline.flow.kit import Kit
from pipeline.flow.stages.publish import artifact_of


async def play(job: Job, kit: Kit) -> Job:
    """Adding the same job twice is adding it once. The weights that gave way go last: till then they are the model."""
    artifact, recipe = artifact_of(job), job.recipe
    model = await kit.catalogue.add(
        Model(
            slug=job.slug or recipe.slug, account=job.account, job=job.id, trigger=recipe.trigger, base=recipe.base,
            name=recipe.name, url=job.url, repo=job.repo, public=recipe.publish is Publish.HF,
            sha256=artifact.sha256, size=artifact.size, step=artifact.step, steps=recipe.steps,
            incomplete=job.incomplete, made_at=kit.now(), samples=artifact.samples, sheet=artifact.sheet,
            pictures=len(job.manifest.pictures), rank=recipe.rank, lr=recipe.lr,
        ),
        job.replaces,
    )  # fmt: skip
    if job.replaces is not None:
        kit.spool.model(job.replaces).unlink(missing_ok=True)
    return replace(job, slug=model.slug).telling(kit.now(), Registered(slug=model.slug))
