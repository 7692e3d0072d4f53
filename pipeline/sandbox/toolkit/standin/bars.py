"""Progress bars, byte for byte as a pipe shows them: carriage returns, ten cells of eighths, cursor-up when nested."""

import sys
import time
from collections.abc import Callable
from typing import Final

BLOCKS: Final = " ▏▎▍▌▋▊▉█"
DIGITS: Final = " 123456789#"  # with --log, and where the output is not UTF-8
CELLS: Final = 10
SMOOTHING: Final = 0.7
THIN_SECONDS: Final = 0.1  # between two redraws of a bar that nobody refreshes by hand


def interval(seconds: float) -> str:
    """Write a duration as `MM:SS` or `H:MM:SS`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def cells(fraction: float, signs: str) -> str:
    """Draw `fraction` (0..1) in ten cells."""
    steps = len(signs) - 1
    full, part = divmod(int(fraction * CELLS * steps), steps)
    return (signs[-1] * full + (signs[part] if full < CELLS else "")).ljust(CELLS)


class Bar:
    """One bar on stderr. Making one flushes stdout: without PYTHONUNBUFFERED nothing else does (facts 0.3)."""

    def __init__(self, total: int, label: str = "", *, done: int = 0, nested: bool = False, lag: int = 0) -> None:
        """Draw the empty bar; `done` of `total` were finished in an earlier run. It shows `lag` fewer than are done."""
        self.total, self.label, self.done, self.nested = total, f"{label}: " if label else "", done, nested
        self._lag = lag
        self.note = ""
        self._first = done
        self._started = self._last = time.monotonic()
        self._paused = 0.0
        self._items, self._seconds = 0.0, 0.0
        self._width = self._unseen = 0
        utf = (getattr(sys.stderr, "encoding", "") or "").lower().startswith("utf")
        self._signs = BLOCKS if utf else DIGITS
        sys.stdout.flush()
        self.draw()

    def draw(self) -> None:
        text = self._text(self._rate())
        self._width = max(self._width, len(text))
        self._write(text)

    def step(self, *, draw: bool = True) -> None:
        """Count one item, and redraw (the real bar does not, right after a pause)."""
        self.done += 1
        self._unseen += 1
        if draw:
            now = time.monotonic()
            self._average(self._unseen, now - self._last)
            self._last, self._unseen = now, 0
            self.draw()

    def step_thin(self) -> None:
        """Count one item; redraw only where the last redraw is old enough."""
        self.step(draw=time.monotonic() - self._last >= THIN_SECONDS)

    def pause(self) -> None:
        """Stop the clock: saving and sampling are in no rate and no ETA."""
        self._paused = time.monotonic()

    def go_on(self) -> None:
        idle = time.monotonic() - self._paused
        self._started += idle
        self._last = time.monotonic()

    def close(self, *, wipe: bool = False) -> None:
        """Leave the last state with the whole run's rate, or wipe the line."""
        if wipe:
            self._write(" " * self._width)
            if not self.nested:
                sys.stderr.write("\r")
        else:
            taken = self._elapsed()
            self._write(self._text((self.done - self._first) / taken if taken else 0.0))
            sys.stderr.write("\n")
        sys.stderr.flush()

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\n\r{text}\x1b[A" if self.nested else f"\r{text}")
        sys.stderr.flush()

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _average(self, items: float, seconds: float) -> None:
        keep = 1 - SMOOTHING
        self._items = SMOOTHING * items + keep * self._items
        self._seconds = SMOOTHING * seconds + keep * self._seconds

    def _rate(self) -> float:
        return self._items / self._seconds if self._seconds else 0.0

    def _text(self, rate: float) -> str:
        elapsed = interval(self._elapsed())
        if not self.total:
            return f"{self.label}{self.done}it [{elapsed}, ?it/s]"
        shown = max(self._first, self.done - self._lag)
        fraction = min(shown / self.total, 1.0)
        left = interval((self.total - shown) / rate) if rate else "?"
        pace = "?it/s" if not rate else f"{rate:5.2f}it/s" if rate >= 1 else f"{1 / rate:5.2f}s/it"
        return (
            f"{self.label}{fraction * 100:3.0f}%|{cells(fraction, self._signs)}| "
            f"{shown}/{self.total} [{elapsed}<{left}, {pace}{self.note}]"
        )


def run_through(total: int, label: str = "", *, work: Callable[[int], None] = lambda _: None) -> None:
    """Show a bar over `total` items, doing `work(n)` for each."""
    bar = Bar(total, label)
    for n in range(total):
        work(n)
        bar.step_thin()
    bar.close()
