"""Virtual time: an asyncio loop that jumps to its next timer instead of waiting for it, and a clock tied to it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self._jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts `start` seconds after EPOCH, so that a restarted world goes on where it died."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        super().__init__(_JumpingSelector(self._advance))

    def _advance(self, seconds: float) -> None:
        self._now += max(0.0, seconds)

    def time(self) -> float:
        return self._now


class VirtualClock:
    """Wall time tied to the running loop: `now()` and `sleep()` never disagree."""

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


def run(coro: Coroutine[Any, Any, T], start: float = 0.0) -> T:
    """Run `coro` to its end on a virtual loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(coro)
