"""One figure of the table, and how its median is taken."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """`aim` is words a person reads; `holds` is None where there is nothing to hold."""

    name: str
    value: float
    unit: str
    aim: str = ""
    holds: bool | None = None
    detail: str = ""


def median_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """The median wall time of `work`."""
    taken: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
