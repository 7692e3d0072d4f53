"""A relay at work over a store in memory, and jobs that move under its eyes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from notifier.ports import Courier
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.domain.events import StageReached
from pipeline.domain.job import Ending, Job
from pipeline.domain.stage import End, Stage
from pipeline.flow.records import job_doc
from pipeline.ports import Pace
from tests.support.store import MemoryStore
from tests.support.virtual import VirtualClock


def relay_of(store: MemoryStore, couriers: Mapping[str, Courier], spool: Path = Path("spool")) -> Relay:
    words = Words("en", strict=True)
    return Relay(store, Shown(store), couriers, lambda _: words, Pace(), VirtualClock(), spool, simulated=False)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    """The relay at work; cancelled at the end, as a process does it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.run())
        yield relay
        task.cancel()


async def save(store: MemoryStore, job: Job) -> Job:
    """What the journal does: create, or write over the version before."""
    now = replace(job, changed_at=VirtualClock().now())
    if await store.get("jobs", job.id) is None:
        assert await store.create("jobs", job.id, job_doc(replace(now, version=0)))
        return replace(now, version=0)
    assert await store.cas("jobs", job.id, job.version, job_doc(replace(now, version=job.version + 1)))
    return replace(now, version=job.version + 1)


def reached(job: Job, stage: Stage) -> Job:
    now = VirtualClock().now()
    return replace(job, stage=stage).telling(now, StageReached(stage=stage, attempt=1))


def cancelled(job: Job) -> Job:
    return replace(job.leaving(VirtualClock().now(), Ending(End.CANCELLED)), stage=Stage.DONE)
