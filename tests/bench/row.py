"""One figure of the table, and the arithmetic of its value: medians, pairs, percentiles."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """`aim` is words a person reads. `value` is None where it could not be taken, `holds` where nothing is to hold."""

    name: str
    value: float | None
    unit: str
    aim: str = ""
    holds: bool | None = None
    detail: str = ""


def most(name: str, value: float, limit: float, unit: str, detail: str = "") -> Row:
    """A figure that may be at most `limit`."""
    return Row(name, value, unit, f"<= {limit:g}", value <= limit, detail)


def least(name: str, value: float, limit: float, unit: str, detail: str = "") -> Row:
    """A figure that must be at least `limit`."""
    return Row(name, value, unit, f">= {limit:g}", value >= limit, detail)


def skipped(name: str, why: str) -> Row:
    """A figure this machine cannot take."""
    return Row(name, None, "", detail=f"skipped: {why}")


def median_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """The median wall time of `work`."""
    return statistics.median(seconds(work) for _ in range(runs))


def seconds(work: Callable[[], object]) -> float:
    """The wall time of `work`."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two things timed one right after the other: what disturbs the machine disturbs both."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios, ours over theirs."""
        return statistics.median(self._ratios())

    @property
    def spread(self) -> str:
        ratios = self._ratios()
        return f"{len(ratios)} pairs, {min(ratios):.2f}-{max(ratios):.2f}"

    def _ratios(self) -> list[float]:
        return [mine / other for mine, other in zip(self.ours, self.theirs, strict=True)]


def paired(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> Pairs:
    """Take both `runs` times, each answering its own seconds; who goes first alternates."""
    mine: list[float] = []
    others: list[float] = []
    for number in range(runs):
        for kept, take in ((mine, ours), (others, theirs))[:: 1 if number % 2 else -1]:
            kept.append(take())
    return Pairs(mine, others)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
