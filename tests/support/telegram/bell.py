"""Rings whenever anything happened, so that a test waits for what it wants to see and never just for time."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 20.0  # seconds; a wait that fails says what it saw


class Bell:
    """One per server."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(
        self,
        look: Callable[[], T | None],
        seconds: float | None = PATIENCE,
        told: Callable[[], str] = lambda: "it did not happen",
    ) -> T:
        """What `look` finds, once that is true. Raises AssertionError with `told()` when it is late; None: never."""
        loop = asyncio.get_running_loop()
        deadline = None if seconds is None else loop.time() + seconds
        while not (found := look()):
            rung = self._rung
            try:
                async with asyncio.timeout_at(deadline):
                    await rung.wait()
            except TimeoutError:
                raise AssertionError(told()) from None
        return found
