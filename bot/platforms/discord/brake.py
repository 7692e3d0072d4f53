"""The brake: refused requests are counted, for at ten thousand in ten minutes Discord locks the whole address out."""

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


class Brake:
    """Counts what the library's requests are answered. Times are the loop's."""

    def __init__(self) -> None:
        self._refused: deque[float] = deque(maxlen=MOST)

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
