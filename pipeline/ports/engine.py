"""The runner of jobs, as the rest of the work knows it."""

from typing import Protocol

from pipeline.domain.ids import JobId


class Engine(Protocol):
    """Who tells which job. Both calls are idempotent and may be lost: a sweep asks again."""

    async def start(self, job: JobId) -> None: ...

    async def nudge(self, job: JobId) -> None:
        """The stored job holds a new wish: play it again, now."""
