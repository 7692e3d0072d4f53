"""How fast the trainer's log is read, and in what memory: real captures, and a stranger's text made to be slow."""

import tracemalloc
from collections.abc import Iterator
from itertools import islice
from typing import Final

from pipeline.trainers.log import Reader
from tests.bench.row import Row, median_seconds
from tests.support.captures import CAPTURES

MEGABYTES: Final = 100
HOSTILE_MEGABYTES: Final = 8  # of each text: the worst is what counts, and they are many
POLL: Final = 256 * 1024  # as read in life
HOSTILE: Final = (
    b"\r 99%|" + b"| " * 180 + b"1/2 [00:00<00:00,  1.0it/s, lr: 1 loss: 1",  # almost a bar
    b"loss is nan\n", b"Error running job:\n", b"# Running job: x\n", b"EOFError\n", b"a\n", b"%|\n", b"x\x1b[A\n",
    b"\r1%|| 1/2 [1<1, 1it/s]", b"loss is nan\nEOFError\n", b"Quantizing\nMaking pipe\n",
    b"Traceback\nloss is nan\nLoading T5\n", b"".join(b"loss is nan %d\n" % at for at in range(20_000)),
    b"".join(b"\r1%%|| %d/99999 [1<1, 1it/s, lr: 1 loss: %d]" % (at, at) for at in range(20_000)),
    b"EOFError ConnectError OutOfMemoryError Traceback " * 80 + b"\n",
)  # fmt: skip


def reader() -> list[Row]:
    """Megabytes a second on the captures and on the worst text we know; how far memory grows while it reads."""
    real = b"".join(file.read_bytes() for file in sorted(CAPTURES.glob("*.raw")))
    taken = median_seconds(lambda: _read(real, MEGABYTES), runs=1)
    worst = max(median_seconds(lambda text=text: _read(text, HOSTILE_MEGABYTES), runs=1) for text in HOSTILE)  # type: ignore[misc]  # bound now, called at once
    return [
        Row("log reader, captures", MEGABYTES / taken, "MB/s", "", None, f"{MEGABYTES} MB in polls of 256 KB"),
        Row("log reader, memory", _growth(real), "MB", "", None, f"peak growth over {MEGABYTES} MB of captures"),
        Row(
            "log reader, hostile", HOSTILE_MEGABYTES / worst, "MB/s", "", None,
            f"the worst of {len(HOSTILE)} texts, {HOSTILE_MEGABYTES} MB each",
        ),
    ]  # fmt: skip


def _growth(part: bytes) -> float:
    """Megabytes at the peak, beyond what was held before; traced, so it is slower and not what is timed."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _read(part, MEGABYTES)
        return (tracemalloc.get_traced_memory()[1] - before) / 1e6
    finally:
        tracemalloc.stop()


def _read(part: bytes, megabytes: int) -> int:
    """How many readings there are in `part`, repeated to so many megabytes."""
    found, one = 0, Reader()
    for chunk in islice(_chunks(part), megabytes * 10**6 // POLL):
        one, readings = one.feed(chunk)
        found += len(readings)
    return found


def _chunks(part: bytes) -> Iterator[bytes]:
    """`part` again and again without end, a poll's bytes at a time."""
    whole = part * (2 * POLL // len(part) + 2)
    at = 0
    while True:
        yield whole[at : at + POLL]
        at = (at + POLL) % len(part)
