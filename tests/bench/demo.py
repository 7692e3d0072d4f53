"""The whole demo, as `make demo` plays it."""

import resource
import statistics
import subprocess
import time

from tests.bench.row import RUNS, Row
from tests.bench.startup import BIN


def demo() -> list[Row]:
    """The whole demo once it is installed, and how much of it the sandbox was told to take."""
    taken: list[tuple[float, float]] = []
    for _ in range(RUNS):
        before = time.perf_counter()
        child = subprocess.run([BIN, "demo"], check=True, capture_output=True)
        wall = time.perf_counter() - before
        assert child.returncode == 0
        taken.append((wall, _cpu_of_children()))
    wall = statistics.median(pair[0] for pair in taken)
    cpu = taken[-1][1] / len(taken)
    share = max(0.0, 1 - cpu / wall)
    return [
        Row("demo wall time", wall, "s", "< 60", wall < 60, "median of 5"),
        Row("demo share of waiting", 100 * share, "%", "", None, f"{cpu:.1f} s of processor time in all processes"),
    ]


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
