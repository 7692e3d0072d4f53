"""A checkpoint that came home: one set of weights and optimizer, by its hashes. Values, and which of them are kept."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pipeline.domain.ids import JobId, MachineId, Sha256
from pipeline.domain.money import Points

EVERY: Final = 600.0  # seconds between two that come home: what a dead host costs at most
KEPT: Final = 4  # weights a job keeps at home; the optimizer of the newest only
KEPT_FOR: Final = timedelta(days=30)  # after the job's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Proved weights, rewritten with our metadata only; and, as the box sent it, the optimizer's state of that step.

    Files lie in a folder of the spool, named by the weights' sha256.
    """

    step: int
    sha256: Sha256  # of the weights
    size: int
    ups: Sha256  # of the up halves alone: two of one run never have the same
    optimizer: Sha256 | None = None  # None: it has none (any more)
    at: datetime  # when it was at home
    since: datetime | None = None  # when its machine began to train, as far as we saw
    machine: MachineId


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One checkpoint at home that may be chosen until `until`."""

    training: JobId
    checkpoint: Checkpoint
    price: Points  # 0: its training was paid
    current: bool  # it is the model already
    until: datetime


Mirror = tuple[Checkpoint, ...]  # of one job, in the order they came home


def newest(mirror: Mirror) -> Checkpoint | None:
    """The one to go on from: of the highest step, the last that came; one with its optimizer before one without."""
    return max(reversed(mirror), key=lambda each: (each.step, each.optimizer is not None), default=None)


def added(mirror: Mirror, fresh: Checkpoint) -> Mirror:
    """`mirror` with one more, or the same again: at most KEPT weights, and only the newest has its optimizer."""
    others = tuple(each for each in mirror if each.sha256 != fresh.sha256)
    bare = tuple(replace(each, optimizer=None) for each in others) if fresh.optimizer else others
    return (*bare, fresh)[-KEPT:]


def repeats(mirror: Mirror, fresh: Checkpoint) -> bool:
    """Whether `fresh` has the weights of another step: nothing was trained in between.

    One step apart is no lie: a periodic checkpoint holds one update more than its name says (facts/aitoolkit.md 9b.6).
    """
    return any(each.ups == fresh.ups and abs(each.step - fresh.step) > 1 for each in mirror)


def of_others(mirror: Mirror, machine: MachineId) -> Mirror:
    """What is left when nothing of `machine` is believed any more."""
    return tuple(each for each in mirror if each.machine != machine)
