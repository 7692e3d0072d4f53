"""How long a person waits for the first word of the program."""

import subprocess
import sys
from pathlib import Path

from tests.bench.row import Row, median_seconds

BIN = Path(sys.executable).parent / "trainstation"


def startup() -> list[Row]:
    """`trainstation --help`, beside a Python that does nothing."""

    def bare() -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)

    def ours() -> None:
        subprocess.run([BIN, "--help"], check=True, capture_output=True)

    ours()
    floor, taken = median_seconds(bare), median_seconds(ours)
    return [Row("help start-up", taken, "s", "< 0.4", taken < 0.4, f"{taken / floor:.1f} x an empty Python")]
