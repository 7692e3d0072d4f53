"""The durable memory of one job: every save is a compare-and-set on the version we wrote last."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.domain.faults import Superseded
from pipeline.domain.ids import JobId
from pipeline.domain.job import Job
from pipeline.domain.progress import Progress
from pipeline.flow.records import job_doc, job_from, progress_doc, progress_from
from pipeline.ports import Clock, Store


class Journal:
    """`latest` is what the store held when we last wrote; whoever else writes makes our next save fail."""

    def __init__(self, store: Store, clock: Clock, latest: Job, hint: Callable[[], None]) -> None:
        self._store, self._clock, self._hint = store, clock, hint
        self.latest = latest
        self._noted: tuple[Progress, int] | None = None  # what we wrote beside it last, and its version

    async def save(self, job: Job) -> Job:
        """Write `job` and its news, or raise Superseded: another runner has moved it on, do nothing more."""
        new = replace(job, version=self.latest.version + 1, changed_at=self._clock.now())
        if not await self._store.cas("jobs", job.id, self.latest.version, job_doc(new)):
            raise Superseded(job.id)
        self.latest = new
        self._hint()
        return new

    async def note(self, progress: Progress) -> None:
        """Write the latest sign of life beside the job: the newest wins, and losing one is no harm.

        What was learned of the loss stays until a training says otherwise: the chart outlives its stage.
        """
        self._noted = await write_progress(self._store, self.latest.id, progress, self._noted)
        self._hint()


async def load_job(store: Store, job: JobId) -> Job | None:
    doc = await store.get("jobs", job)
    return job_from(doc) if doc else None


async def load_progress(store: Store, job: JobId) -> Progress | None:
    doc = await store.get("progress", job)
    return progress_from(doc) if doc else None


async def write_progress(
    store: Store, job: JobId, progress: Progress, known: tuple[Progress, int] | None = None
) -> tuple[Progress, int] | None:
    """Write it over what is there; what is there now, with its version: `known` for the next one, which need not ask.

    None: somebody else wrote meanwhile, and this one is lost.
    """
    if known is None:
        doc = await store.get("progress", job)
        if doc is None:
            return (progress, 0) if await store.create("progress", job, progress_doc(progress)) else None
        known = progress_from(doc), doc["version"]
    before, version = known
    if not progress.curve:
        progress = replace(progress, curve=before.curve, loss=before.loss, lr=before.lr)
    written = await store.cas("progress", job, version, progress_doc(progress))
    return (progress, version + 1) if written else None
