"""PUBLISH: to where people find it. No meter runs: patience is free."""

from dataclasses import replace

from pipeline.domain.events import Published
from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Artifact, Job
from pipeline.domain.recipe import Publish
from pipeline.flow.kit import Kit
from pipeline.ports import Release


async def play(job: Job, kit: Kit) -> Job:
    """One commit of an allow-list; done when the hash is read back there."""
    artifact = artifact_of(job)
    await kit.note("publishing")
    stem = job.repo.rsplit("/", 1)[-1]
    weights = f"{stem}.safetensors"
    samples = {f"samples/{n}.jpg": kit.spool.path(file) for n, file in enumerate(artifact.samples)}
    card = kit.scribe.model_card(job, weights=weights, samples=list(samples))
    readme = kit.spool.write(kit.spool.job(job.id) / "README.md", card)
    receipt = await kit.publisher.publish(
        Release(
            job=job.id, repo=job.repo, public=job.recipe.publish is Publish.HF,
            files={"README.md": readme, weights: kit.spool.path(artifact.file), **samples},
            message=f"{stem}, step {artifact.step}",
        )
    )  # fmt: skip
    if receipt.sha256.get(weights) != artifact.sha256:
        raise OperatorFault("publish-unproved")
    return replace(job, url=receipt.url).telling(kit.now(), Published(url=receipt.url))


def artifact_of(job: Job) -> Artifact:
    if job.artifact is None:
        raise OperatorFault("artifact-missing")
    return job.artifact
