"""Virtual time: an asyncio loop that jumps to its next timer instead of waiting for it, and a clock tied to it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, jump: Callable[[float], None], threads: Callable[[], int]) -> None:
        super().__init__()
        self._jump, self._threads = jump, threads

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0 and self._threads():
            return super().select(None)  # a thread's work takes no virtual time: its end wakes us
        if not ready:
            self._jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts `start` seconds after EPOCH, so that a restarted world goes on where it died."""

    def __init__(self, start: float = 0.0) -> None:
        self._now, self._threads = start, 0
        super().__init__(_JumpingSelector(self._advance, lambda: self._threads))

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # as the loop behind it, which is no class of asyncio's own
        work = super().run_in_executor(executor, func, *args)
        self._threads += 1
        work.add_done_callback(self._rejoined)
        return work

    def _rejoined(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1

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
