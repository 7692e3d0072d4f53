"""Micro-dollars, points and the one tariff between them. Integers only: no float ever holds money."""

from dataclasses import dataclass
from typing import NewType

MicroUsd = NewType("MicroUsd", int)
Points = NewType("Points", int)

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a dollar of ours costs a person."""

    points_per_usd: int = 10_000
    fee_percent: int = 20

    def points(self, cost: MicroUsd) -> Points:
        """Price `cost` in points, the fee included; rounded up, so that nothing is free by rounding."""
        return Points(-(-cost * (100 + self.fee_percent) * self.points_per_usd // (100 * MICRO)))

    def usd(self, points: Points) -> MicroUsd:
        """What `points` are worth to a person, without looking at the fee inside."""
        return MicroUsd(points * MICRO // self.points_per_usd)


def micro(usd: float) -> MicroUsd:
    """Turn a market's dollars into micro-dollars, to the nearest."""
    return MicroUsd(round(usd * MICRO))
