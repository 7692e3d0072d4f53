"""How fast the trainer's log is read: real captures, and a stranger's text made to be slow."""

from pipeline.trainers.log import Reader
from tests.bench.row import Row, median_seconds
from tests.support.captures import CAPTURES

MEGABYTES = 10
POLL = 256 * 1024  # as read in life


def reader() -> list[Row]:
    """Megabytes a second on the captures, and on the worst text we know: bars that almost are one."""
    captures = b"".join(file.read_bytes() for file in sorted(CAPTURES.glob("*.raw")))
    real, hostile = _sized(captures), _sized(b"\r 99%|" + b"| " * 180 + b"1/2 [00:00<00:00,  1.0it/s, lr: 1 loss: 1")
    rows = []
    for name, log in (("log reader, captures", real), ("log reader, hostile", hostile)):
        taken = median_seconds(lambda log=log: _read(log))  # type: ignore[misc]  # bound now, called at once
        rows.append(Row(name, MEGABYTES / taken, "MB/s", "", None, f"{MEGABYTES} MB in polls of 256 KB"))
    return rows


def _read(log: bytes) -> int:
    found, one = 0, Reader()
    for start in range(0, len(log), POLL):
        one, readings = one.feed(log[start : start + POLL])
        found += len(readings)
    return found


def _sized(part: bytes) -> bytes:
    return (part * (MEGABYTES * 10**6 // len(part) + 1))[: MEGABYTES * 10**6]
