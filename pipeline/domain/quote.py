"""What a job will cost and how long it will take on an offer; the same sum ranks offers and makes quotes."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import MachineId, OfferId, Sha256
from pipeline.domain.money import MICRO, MicroUsd, Points, Tariff

HOURS_PER_MONTH: Final = 720  # the market's month (facts/vast.md 3)
EFFICIENCY: Final = 0.5  # of a claimed bandwidth; a host's claim is no promise
BOOT_SECONDS: Final = 120.0
SLOW: Final = 1.5  # p90 = fetch and train this much slower
HOME_GB: Final = 0.5  # adapters, samples and logs that come home
UNKNOWN_GPU: Final = 6.0  # s/step we expect of a card nobody measured
SECONDS_PER_STEP: Final[Mapping[str, float]] = {  # FLUX.1, 8 bit, 512-1024 (facts/aitoolkit.md 8: estimates)
    "RTX 3090": 6.0, "RTX 3090 Ti": 5.6, "RTX 4090": 3.25, "RTX 5090": 2.2,
    "A100 PCIE": 2.1, "A100 SXM4": 2.1, "H100 PCIE": 1.4, "H100 SXM": 1.25, "L40S": 3.2, "RTX A6000": 6.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One rentable slice of a machine. Money in micro-dollars; bandwidth in Mbit/s as claimed."""

    id: OfferId
    machine: MachineId
    host: str
    gpu: str
    num_gpus: int
    gpu_frac: float
    vram_mb: int
    gpu_rate: MicroUsd  # per hour, without disk
    storage_rate: MicroUsd  # per GB and month
    down_mbps: float
    up_mbps: float
    down_per_gb: MicroUsd
    up_per_gb: MicroUsd
    reliability: float
    verified: bool
    disk_gb: float
    direct_ports: int
    driver: int  # 580_065_006 for "580.65.06"; 0 unknown
    arch: str
    region: str  # two letters, or ""
    seconds_left: float  # until the rental would end


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a job asks of a machine, and the operator's floors."""

    steps: int
    step_factor: float  # of the base against FLUX.1
    model_gb: float
    dataset_gb: float
    image_gb: float
    disk_gb: float
    vram_mb: int
    setup_seconds: float  # load, quantize, cache
    sample_seconds: float  # all samples of the end
    gpus: frozenset[str] = frozenset()  # empty: any
    region: str = ""
    min_gpu_frac: float = 1.0
    min_reliability: float = 0.95
    min_driver: int = 580_000_000  # of the trainer's CUDA 13 image
    max_rate: MicroUsd = MicroUsd(MICRO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds of each part of a job on an offer, and its expected cost."""

    boot: float
    fetch: float
    train: float
    home: float
    cost: MicroUsd

    @property
    def seconds(self) -> float:
        return self.boot + self.fetch + self.train + self.home


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price that is a ceiling. `points` is the expected price, `ceiling` the most that is ever taken."""

    cost: MicroUsd
    ceiling_cost: MicroUsd
    points: Points
    ceiling: Points
    start_seconds: float  # until training starts
    seconds: float  # until the model is there
    slow_seconds: float  # the same at p90
    gpu: str

    def digest(self, manifest: Sha256, recipe: Sha256) -> str:
        """What Start carries: a late picture, another option or another price forces a new quote."""
        return hashlib.sha256(f"{manifest}{recipe}{self.ceiling}".encode()).hexdigest()[:16]


def sound(offer: Offer, need: Need) -> bool:
    """The floors, re-checked on our side: the market does not always apply a filter."""
    return (
        offer.num_gpus == 1
        and offer.gpu_frac >= need.min_gpu_frac
        and offer.vram_mb >= need.vram_mb
        and offer.verified
        and offer.reliability >= need.min_reliability
        and offer.direct_ports >= 1
        and offer.disk_gb >= need.disk_gb
        and offer.arch in {"amd64", ""}
        and (offer.driver >= need.min_driver or not offer.driver)
        and offer.down_mbps > 0
        and offer.up_mbps > 0
        and rate(offer, need) <= need.max_rate
        and (not need.gpus or offer.gpu in need.gpus)
        and (not need.region or offer.region == need.region)
        and offer.seconds_left > 2 * estimate(offer, need, slow=SLOW).seconds
    )


def rate(offer: Offer, need: Need) -> MicroUsd:
    """Micro-dollars an hour while the GPU runs: the GPU and our disk."""
    return MicroUsd(offer.gpu_rate + round(need.disk_gb * offer.storage_rate / HOURS_PER_MONTH))


def step_seconds(gpu: str, need: Need) -> float:
    return SECONDS_PER_STEP.get(gpu, UNKNOWN_GPU) * need.step_factor


def estimate(offer: Offer, need: Need, *, slow: float = 1.0) -> Estimate:
    """Expected seconds and cost of the whole job on `offer` (the formula of facts/vast.md 8).

    `slow` stretches fetch and train. Reliability enters as the cost of failed boots before a good one.
    """
    pull = need.image_gb * 8000 / (EFFICIENCY * offer.down_mbps)
    fetch = slow * (need.model_gb + need.dataset_gb) * 8000 / (EFFICIENCY * offer.down_mbps)
    train = slow * (need.steps * step_seconds(offer.gpu, need) + need.setup_seconds + need.sample_seconds)
    home = HOME_GB * 8000 / (EFFICIENCY * offer.up_mbps)
    running = (BOOT_SECONDS + fetch + train + home) / 3600
    disk = need.disk_gb * offer.storage_rate / HOURS_PER_MONTH
    traffic = offer.down_per_gb * (need.image_gb + need.model_gb + need.dataset_gb) + offer.up_per_gb * HOME_GB
    failed = (1 - offer.reliability) / max(offer.reliability, 0.01)
    boot_cost = offer.gpu_rate * BOOT_SECONDS / 3600 + disk * pull / 3600 + offer.down_per_gb * need.image_gb
    cost = offer.gpu_rate * running + disk * (running + pull / 3600) + traffic + failed * boot_cost
    return Estimate(boot=BOOT_SECONDS + pull, fetch=fetch, train=train, home=home, cost=MicroUsd(round(cost)))


def ranked(offers: Iterable[Offer], need: Need, shunned: frozenset[MachineId] = frozenset()) -> list[Offer]:
    """Sound offers of machines we do not shun, the cheapest whole job first."""
    fit = [offer for offer in offers if offer.machine not in shunned and sound(offer, need)]
    return sorted(fit, key=lambda offer: (estimate(offer, need).cost, offer.id))


def quote(offers: Iterable[Offer], need: Need, tariff: Tariff) -> Quote:
    """Price the job on the best sound offer. Raises OperatorFault("no-offers") when there is none."""
    best = ranked(offers, need)
    if not best:
        raise OperatorFault("no-offers")
    fair, slow = estimate(best[0], need), estimate(best[0], need, slow=SLOW)
    return Quote(
        cost=fair.cost,
        ceiling_cost=slow.cost,
        points=tariff.points(fair.cost),
        ceiling=tariff.points(slow.cost),
        start_seconds=fair.boot + fair.fetch,
        seconds=fair.seconds,
        slow_seconds=slow.seconds,
        gpu=best[0].gpu,
    )


def narrowed(need: Need, *, gpus: frozenset[str], region: str) -> Need:
    return replace(need, gpus=gpus, region=region)
