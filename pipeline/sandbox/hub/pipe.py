"""The box's line: one bandwidth that all its downloads share."""

import asyncio


class Pipe:
    """Lets bytes through at `rate` bytes a second, in the order they were asked for."""

    def __init__(self, rate: float) -> None:
        """An idle line."""
        self.piece = int(min(max(rate / 50, 4096), 1 << 18))  # about 20 ms each, so that downloads share fairly
        self._rate = rate
        self._free_at = 0.0

    async def pass_through(self, size: int) -> None:
        """Wait until `size` bytes are through."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + size / self._rate
        await asyncio.sleep(self._free_at - now)
