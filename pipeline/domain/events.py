"""What happened, as numbered facts. The pipeline writes them into the job, the notifier folds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipeline.domain.faults import Blame, Fact
from pipeline.domain.ids import Slug
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.stage import End, Stage, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReached:
    """The job stands before `stage` now."""

    stage: Stage
    attempt: int
    kind: Literal["stage"] = "stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRented:
    gpu: str
    micro_usd_per_hour: MicroUsd
    kind: Literal["rented"] = "rented"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed:
    """A silence explained: something did not answer or refused, and we try again at `again_at`."""

    code: str
    again_at: datetime
    facts: Mapping[str, Fact] = field(default_factory=dict)
    kind: Literal["delayed"] = "delayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """The machine failed; the job goes on on another one."""

    code: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    kind: Literal["moving"] = "moving"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Another machine trains: from `step` on, where a checkpoint of step `laid` was given to it."""

    step: int
    laid: int
    state: bool  # the optimizer goes on as well
    attempt: int
    kind: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """The trainer crashed and is started once more on the same machine. `lower`: it takes less memory than before."""

    code: str
    lower: bool = False
    facts: Mapping[str, Fact] = field(default_factory=dict)
    kind: Literal["restarted"] = "restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """Time is up: the training stops and keeps at `until`, unless its person lets it go on."""

    code: str
    until: datetime
    kind: Literal["alerted"] = "alerted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """Its person lets it go on, until `until`."""

    until: datetime
    kind: Literal["extended"] = "extended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """Time or money is up: the training stops now and keeps what there is. `code` says which."""

    code: str
    kind: Literal["halted"] = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    wish: Wish
    kind: Literal["wished"] = "wished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The job leaves before its end, or found its end: what became of it, and why."""

    end: End
    blame: Blame | None = None
    code: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    kind: Literal["left"] = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    step: int
    size: int
    kind: Literal["collected"] = "collected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    charged: Points
    returned: Points
    kind: Literal["billed"] = "billed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    url: str
    kind: Literal["published"] = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    slug: Slug
    kind: Literal["registered"] = "registered"


Event = (
    StageReached
    | MachineRented
    | Delayed
    | Moving
    | Resumed
    | Restarted
    | Alerted
    | Extended
    | Halted
    | Wished
    | Left
    | Collected
    | Billed
    | Published
    | Registered
)


@dataclass(frozen=True, slots=True)
class News:
    """One numbered event of a job. Numbers have no gaps; a reader that saw `n` wants what is above it."""

    n: int
    at: datetime
    event: Event
