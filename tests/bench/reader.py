"""How fast the trainer's log is read, and in what memory: real captures, and a stranger's text made to be slow."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from pipeline.trainers.log import Reader
from tests.bench.client import resident
from tests.bench.row import Row, seconds
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
    began = time.perf_counter()
    grown = _read(real, MEGABYTES)
    taken = time.perf_counter() - began
    worst = max(seconds(partial(_read, text, HOSTILE_MEGABYTES)) for text in HOSTILE)
    return [
        Row("log reader, captures", MEGABYTES / taken, "MB/s", "", None, f"{MEGABYTES} MB in polls of 256 KB"),
        Row("log reader, memory", grown / 1024, "MB", "", None, f"peak growth over {MEGABYTES} MB of captures"),
        Row(
            "log reader, hostile", HOSTILE_MEGABYTES / worst, "MB/s", "", None,
            f"the worst of {len(HOSTILE)} texts, {HOSTILE_MEGABYTES} MB each",
        ),
    ]  # fmt: skip


def _read(part: bytes, megabytes: int) -> int:
    """Read `part`, repeated to so many megabytes; the KB that this process grew by at most."""
    before, peak, one = resident("VmRSS"), 0, Reader()
    for chunk in islice(_chunks(part), megabytes * 10**6 // POLL):
        one, _ = one.feed(chunk)
        peak = max(peak, resident("VmRSS"))
    return peak - before


def _chunks(part: bytes) -> Iterator[bytes]:
    """`part` again and again without end, a poll's bytes at a time."""
    whole = part * (2 * POLL // len(part) + 2)
    at = 0
    while True:
        yield whole[at : at + POLL]
        at = (at + POLL) % len(part)
