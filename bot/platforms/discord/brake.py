"""What holds for all of our requests together: at most fifty a second, and few of them refused.

At ten thousand refusals in ten minutes Discord locks the whole address out. Answers to interactions are not counted.
"""

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Final

import aiohttp

from notifier.ports import Later

INVALID: Final = frozenset({401, 403, 429})
MOST: Final = 3000  # refusals in WINDOW, after which only answers to people go on
WINDOW: Final = 600.0  # seconds
REST: Final = 30.0  # seconds until somebody asks again
A_SECOND: Final = 40.0  # requests; Discord's own limit is 50


class Brake:
    """Counts what the library's requests are answered. Times are the loop's."""

    def __init__(self) -> None:
        self._refused: deque[float] = deque(maxlen=MOST)
        self._turn = asyncio.Lock()
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until one more request may go: one after the other, so that a stall is not followed by a burst."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            self._next = loop.time() + 1 / A_SECOND

    def trace(self) -> aiohttp.TraceConfig:
        """What tells us of every answer, those that the library repeats by itself among them."""
        config = aiohttp.TraceConfig()
        config.on_request_end.append(self._ended)
        return config

    def note(self, status: int, now: float) -> None:
        if status in INVALID:
            self._refused.append(now)

    def check(self, now: float) -> None:
        """Raise Later while too much was refused of late."""
        if len(self._refused) == MOST and self._refused[0] > now - WINDOW:
            raise Later(REST)

    async def _ended(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        self.note(params.response.status, asyncio.get_running_loop().time())
