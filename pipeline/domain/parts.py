"""Points by the lot they come from: summed, and cut in two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.domain.money import Points


@dataclass(frozen=True, slots=True)
class Part:
    """Points of one lot, with the lot's rate: what was earned can be summed from entries alone."""

    lot: str
    points: Points
    rate: int | None = None


def total(parts: Iterable[Part]) -> Points:
    return Points(sum(part.points for part in parts))


def cut(parts: Sequence[Part], points: int) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """The first `points` of `parts`, and the rest. No part is empty."""
    first: list[Part] = []
    rest: list[Part] = []
    for part in parts:
        taken = min(points, part.points)
        points -= taken
        first.append(replace(part, points=Points(taken)))
        rest.append(replace(part, points=Points(part.points - taken)))
    return tuple(part for part in first if part.points), tuple(part for part in rest if part.points)
