"""How fast cards train and links load: one table to start from, corrected by what our own rentals measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.ids import MachineId

EFFICIENCY: Final = 0.5  # of a claimed bandwidth; a host's claim is no promise
BOOT_SECONDS: Final = 120.0  # container start and login, after the image is there
UNKNOWN_GPU: Final = 6.0  # s/step we expect of a card nobody measured
SECONDS_PER_STEP: Final[Mapping[str, float]] = {  # FLUX.1, 8 bit, 512-1024 (facts/aitoolkit.md 8: estimates)
    "RTX 3090": 6.0, "RTX 3090 Ti": 5.6, "RTX 4090": 3.25, "RTX 5090": 2.2,
    "A100 PCIE": 2.1, "A100 SXM4": 2.1, "H100 PCIE": 1.4, "H100 SXM": 1.25, "L40S": 3.2, "RTX A6000": 6.0,
}  # fmt: skip
VRAM_MB: Final[Mapping[str, int]] = {  # the most a card of that name has
    "RTX 3090": 24_576, "RTX 3090 Ti": 24_576, "RTX 4090": 24_576, "RTX 5090": 32_768,
    "A100 PCIE": 81_920, "A100 SXM4": 81_920, "H100 PCIE": 81_920, "H100 SXM": 81_920,
    "L40S": 49_152, "RTX A6000": 49_152,
}  # fmt: skip
TRUST: Final = 4.0  # a table's value, or a claim, weighs as much as so many measurements of ours
MEMORY: Final = 20  # measurements that count: older ones fade, machines change


@dataclass(frozen=True, slots=True)
class Mean:
    """A running mean of the last MEMORY or so measurements."""

    n: int = 0
    value: float = 0.0

    def seen(self, value: float) -> "Mean":
        n = min(self.n + 1, MEMORY)
        return Mean(n, self.value + (value - self.value) / n)

    def against(self, believed: float) -> float:
        """What to believe now, when `believed` is what we believed before any of these."""
        return (TRUST * believed + self.n * self.value) / (TRUST + self.n)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one machine, or one GPU on all machines, showed us."""

    step: Mean = Mean()  # seconds a step, as FLUX.1 would take
    link: Mean = Mean()  # measured bandwidth / claimed bandwidth
    boot: Mean = Mean()  # 1 for a boot that led to a login, 0 for one that did not


@dataclass(frozen=True, slots=True)
class Known:
    """Our history. Empty at first: then the table and the hosts' claims are all there is."""

    gpus: Mapping[str, Seen] = field(default_factory=dict)
    machines: Mapping[MachineId, Seen] = field(default_factory=dict)

    def step_seconds(self, gpu: str, machine: MachineId) -> float:
        """Seconds a step of FLUX.1: the table, corrected by this GPU everywhere, corrected by this machine."""
        class_wide = self._gpu(gpu).step.against(SECONDS_PER_STEP.get(gpu, UNKNOWN_GPU))
        return self._machine(machine).step.against(class_wide)

    def efficiency(self, machine: MachineId) -> float:
        """How much of its claimed bandwidth a machine delivers."""
        return max(0.01, self._machine(machine).link.against(EFFICIENCY))

    def boots(self, machine: MachineId, reliability: float) -> float:
        """Odds that a rental of it comes up, 0..1; `reliability` is what the market says."""
        return self._machine(machine).boot.against(reliability)

    def _gpu(self, gpu: str) -> Seen:
        return self.gpus.get(gpu, Seen())

    def _machine(self, machine: MachineId) -> Seen:
        return self.machines.get(machine, Seen())
