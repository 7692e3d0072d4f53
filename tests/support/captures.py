"""What real runs of the trainer printed, and our reader's readings of it."""

from pathlib import Path
from typing import Final

from pipeline.trainers.log import Reader, Reading

CAPTURES: Final = Path(__file__).parents[1] / "data" / "aitoolkit"


def read(log: bytes, size: int = 1 << 20) -> list[Reading]:
    """All readings of `log`, fed `size` bytes at a time."""
    reader, found = Reader(), list[Reading]()
    for start in range(0, len(log), size):
        reader, readings = reader.feed(log[start : start + size])
        found += readings
    return found + reader.finish()
