"""One runner per store: an OS lock beside the data, which dies with its process, whatever killed it."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()
EVERY = 0.25  # seconds between two tries


@asynccontextmanager
async def only_runner(folder: Path) -> AsyncIterator[None]:
    """Hold the lock while the block runs; wait, and say so once, while another process has it."""
    descriptor = os.open(folder / "runner.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        said = False
        while not _taken(descriptor):
            if not said:
                log.warning("another-runner", folder=str(folder))
                said = True
            await asyncio.sleep(EVERY)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
