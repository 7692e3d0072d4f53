"""The operator's constants that the work needs."""

from dataclasses import dataclass, field

from pipeline.domain.money import MicroUsd


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The operator's constants a stage may need."""

    label_prefix: str
    image: str
    image_gb: float
    toolkit: str  # absolute folder of the trainer on the box
    boot_tries: int = 10
    moves: int = 2
    ssh_timeout_min: float | None = None
    credit_factor: float = 1.5
    max_gpus: int = 10
    gpus: frozenset[str] = frozenset()
    region: str = ""
    min_gpu_frac: float = 1.0
    min_reliability: float = 0.95
    max_rate: MicroUsd = MicroUsd(1_000_000)  # of one machine, per hour
    max_per_hour: MicroUsd = MicroUsd(5_000_000)  # of all machines together
    max_per_day: MicroUsd = MicroUsd(50_000_000)
    spool_bytes: int = 20 * 10**9  # what packs and checkpoints may take at home; models are not counted
    host_token: str = field(default="", repr=False)  # set: the trainer downloads by itself, with this token
    hub: str = ""  # where from; "": the trainer's own default
