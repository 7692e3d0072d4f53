"""The one file that may start a task: what outlives its caller is held here, logged, and ended with the house."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger()


class Nursery:
    """Tasks with a strong reference each. One that fails is logged and harms no other."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)  # noqa: TID251  # the one place
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("task-failed", task=task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel what runs and wait until it has let go."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    one = Nursery()
    try:
        yield one
    finally:
        await one.close()
