"""Runs stories in this process: so many at once, each until its end, whatever it throws."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from pipeline.domain.faults import Superseded
from pipeline.domain.ids import JobId
from pipeline.flow.nursery import Nursery
from pipeline.ports import Pace

log = structlog.get_logger()
AGAIN = 5.0  # seconds until a story that threw is told again: one bug must not end every job


class LocalEngine:
    """`tell` loads a job by id and tells it to its end. Jobs are let go at their stage when the nursery closes."""

    def __init__(self, tell: Callable[[JobId], Awaitable[None]], nursery: Nursery, slots: int, pace: Pace) -> None:
        self._tell, self._nursery, self._pace = tell, nursery, pace
        self._slots = asyncio.Semaphore(slots)
        self._running: dict[JobId, asyncio.Task[None]] = {}
        self._telling: set[JobId] = set()  # those that have a slot
        self._nudged: set[JobId] = set()

    async def start(self, job: JobId) -> None:
        if job not in self._running:
            task = self._nursery.start(self._run(job), f"job-{job}")
            self._running[job] = task
            task.add_done_callback(lambda _: self._running.pop(job, None))

    async def nudge(self, job: JobId) -> None:
        """Play it again from the store, now. A job that waits for its slot reads its wish when it gets it."""
        if job in self._telling:
            self._nudged.add(job)
            self._running[job].cancel()
        else:
            await self.start(job)

    async def _run(self, job: JobId) -> None:
        async with self._slots:
            self._telling.add(job)
            try:
                while not await self._told(job):
                    pass
            finally:
                self._telling.discard(job)
                self._nudged.discard(job)

    async def _told(self, job: JobId) -> bool:
        """Tell once. True: there is nothing more to tell."""
        try:
            await self._tell(job)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if job not in self._nudged or task is None or task.uncancel():
                raise  # the house closes, perhaps in the middle of a nudge
            self._nudged.discard(job)
            return False
        except Superseded:
            await asyncio.sleep(self._pace.seconds(1.0))  # a wish was saved, or another runner was here: look again
            return False
        except Exception:  # one bug must not end all jobs
            log.exception("story-bug", job=job)
            await asyncio.sleep(self._pace.seconds(AGAIN))
            return False
        return True
