"""What a job will cost and how long it will take on an offer; the same sum ranks offers and makes quotes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import MachineId, OfferId, Sha256
from pipeline.domain.money import MICRO, MicroUsd, Points, Tariff
from pipeline.domain.speeds import BOOT_SECONDS, Known

HOURS_PER_MONTH: Final = 720  # the market's month (facts/vast.md 3)
SLOW: Final = 1.5  # p90 = fetch and train this much slower
HOME_GB: Final = 0.5  # adapters, samples and logs that come home at the end
SHORTEST_DEADLINE: Final = 30 * 60.0  # seconds
JOB_BUDGET: Final = 2  # ceilings: the most the house puts into one job, machines that failed included


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One rentable slice of a machine. Money in micro-dollars; bandwidth in Mbit/s as claimed."""

    id: OfferId
    machine: MachineId
    host: str  # its owner's id at the market
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
    address: str = ""  # public, or ""
    ram_mb: int = 0  # host memory of this slice; 0 unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a person asks of a machine beside the floors. Nothing asked: everything fits."""

    gpus: frozenset[str] = frozenset()
    region: str = ""
    max_rate: MicroUsd | None = None  # per hour, GPU and disk

    @property
    def open(self) -> bool:
        return self == Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a job asks of a machine, the operator's floors, and what we know of the machines there are."""

    steps: int
    step_factor: float  # of the base against FLUX.1
    model_gb: float
    dataset_gb: float
    image_gb: float
    disk_gb: float
    vram_mb: int
    setup_seconds: float  # load, quantize, cache
    sample_seconds: float  # all samples of the end
    home_gb: float = HOME_GB  # comes home while the meter runs and nothing trains
    set_gb: float = 0.0  # of a checkpoint; they come home beside the training: traffic, no time
    gpus: frozenset[str] = frozenset()  # empty: any
    region: str = ""
    ram_mb: int = 0  # of host memory; 0: any
    ram_told_mb: int = 0  # the same, of machines that tell it
    min_gpu_frac: float = 1.0
    min_reliability: float = 0.95
    min_driver: int = 580_000_000  # of the trainer's CUDA 13 image
    max_rate: MicroUsd = MicroUsd(MICRO)
    filters: Filters = Filters()
    known: Known = field(default=Known(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The summands of a job's expected cost, micro-dollars each."""

    boot: MicroUsd  # GPU, from `running` to our login
    fetch: MicroUsd  # GPU, while the base comes
    train: MicroUsd  # GPU
    home: MicroUsd  # GPU, while the weights go home
    disk: MicroUsd  # from the rent on, the image's pull included
    traffic_in: MicroUsd
    traffic_out: MicroUsd
    failures: MicroUsd  # of boots that fail before the good one, by their odds

    @property
    def total(self) -> MicroUsd:
        return MicroUsd(sum(getattr(self, each.name) for each in fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds of each part of a job on an offer, and its expected cost."""

    boot: float  # the image's pull included
    fetch: float
    train: float
    home: float
    costs: Costs

    @property
    def seconds(self) -> float:
        return self.boot + self.fetch + self.train + self.home

    @property
    def cost(self) -> MicroUsd:
        return self.costs.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One sound offer with everything its rank came from."""

    offer: Offer
    estimate: Estimate
    rate: MicroUsd  # per hour while the GPU runs, disk included
    step_seconds: float  # expected of this base on this machine
    mbps: float  # bandwidth we count on
    boots: float  # odds that it comes up, 0..1


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
    """The floors and the person's filters, re-checked on our side: the market does not always apply one."""
    return (
        offer.num_gpus == 1
        and offer.gpu_frac >= need.min_gpu_frac
        and offer.vram_mb >= need.vram_mb
        and offer.ram_mb >= need.ram_mb
        and (not offer.ram_mb or offer.ram_mb >= need.ram_told_mb)
        and offer.verified
        and offer.reliability >= need.min_reliability
        and offer.direct_ports >= 1
        and offer.disk_gb >= need.disk_gb
        and offer.arch in {"amd64", ""}
        and offer.driver >= need.min_driver  # a driver nobody names runs no image of ours for sure
        and offer.down_mbps > 0
        and offer.up_mbps > 0
        and rate(offer, need) <= need.max_rate
        and (not need.gpus or offer.gpu in need.gpus)
        and (not need.region or offer.region == need.region)
        and wished(offer, need)
        and offer.seconds_left > deadline(estimate(offer, need, slow=SLOW).seconds)
    )


def wished(offer: Offer, need: Need) -> bool:
    """Whether the person's own filters let `offer` through."""
    asked = need.filters
    return (
        (not asked.gpus or offer.gpu in asked.gpus)
        and (not asked.region or offer.region == asked.region)
        and (asked.max_rate is None or rate(offer, need) <= asked.max_rate)
    )


def deadline(slow_seconds: float) -> float:
    """Seconds after which a job whose p90 is `slow_seconds` is not waited for any more."""
    return max(2 * slow_seconds, SHORTEST_DEADLINE)


def rate(offer: Offer, need: Need) -> MicroUsd:
    """Micro-dollars an hour while the GPU runs: the GPU and our disk."""
    return MicroUsd(offer.gpu_rate + round(need.disk_gb * offer.storage_rate / HOURS_PER_MONTH))


def step_seconds(offer: Offer, need: Need) -> float:
    return need.known.step_seconds(offer.gpu, offer.machine) * need.step_factor


def estimate(offer: Offer, need: Need, *, slow: float = 1.0) -> Estimate:
    """Expected seconds and cost of the whole job on `offer` (the formula of facts/vast.md 8).

    `slow` stretches fetch and train. The odds of a boot enter as the cost of those that fail before a good one.
    """
    real = need.known.efficiency(offer.machine)
    pull = need.image_gb * 8000 / (real * offer.down_mbps)
    fetch = slow * (need.model_gb + need.dataset_gb) * 8000 / (real * offer.down_mbps)
    train = slow * (need.steps * step_seconds(offer, need) + need.setup_seconds + need.sample_seconds)
    home = need.home_gb * 8000 / (real * offer.up_mbps)
    disk = need.disk_gb * offer.storage_rate / HOURS_PER_MONTH / 3600  # per second, also while the GPU is free
    odds = max(need.known.boots(offer.machine, offer.reliability), 0.01)
    lost = _gpu(offer, BOOT_SECONDS) + disk * (pull + BOOT_SECONDS) + offer.down_per_gb * need.image_gb
    costs = Costs(
        boot=_gpu(offer, BOOT_SECONDS),
        fetch=_gpu(offer, fetch),
        train=_gpu(offer, train),
        home=_gpu(offer, home),
        disk=MicroUsd(round(disk * (pull + BOOT_SECONDS + fetch + train + home))),
        traffic_in=MicroUsd(round(offer.down_per_gb * (need.image_gb + need.model_gb + need.dataset_gb))),
        traffic_out=MicroUsd(round(offer.up_per_gb * (need.home_gb + need.set_gb * (train // EVERY)))),
        failures=MicroUsd(round(lost * (1 - odds) / odds)),
    )
    return Estimate(boot=BOOT_SECONDS + pull, fetch=fetch, train=train, home=home, costs=costs)


def _gpu(offer: Offer, seconds: float) -> MicroUsd:
    return MicroUsd(round(offer.gpu_rate * seconds / 3600))


def expected_cost(offer: Offer, need: Need) -> MicroUsd:
    """What the whole job will cost us there, failed boots included. Offers are ranked by it, quotes made of it."""
    return estimate(offer, need).cost


def ranked(offers: Iterable[Offer], need: Need, shunned: frozenset[str] = frozenset()) -> list[Offer]:
    """Sound offers that are not shunned (by machine, by address or by owner), the cheapest whole job first."""
    fit = [offer for offer in offers if not marks(offer) & shunned and sound(offer, need)]
    return sorted(fit, key=lambda offer: (expected_cost(offer, need), offer.id))


def marks(offer: Offer) -> frozenset[str]:
    """By what an offer can be shunned."""
    return frozenset({offer.machine, offer.address, owner(offer.host)} - {""})


def owner(host: str) -> str:
    """A market's account of an owner as a mark: its number could be a machine's."""
    return f"owner {host}" if host else ""


def explained(offers: Iterable[Offer], need: Need, shunned: frozenset[str] = frozenset()) -> list[Explained]:
    """What `ranked` says, with all summands: the winner first, the runner-up second."""
    return [_explained(offer, need) for offer in ranked(offers, need, shunned)]


def _explained(offer: Offer, need: Need) -> Explained:
    return Explained(
        offer=offer,
        estimate=estimate(offer, need),
        rate=rate(offer, need),
        step_seconds=step_seconds(offer, need),
        mbps=need.known.efficiency(offer.machine) * offer.down_mbps,
        boots=need.known.boots(offer.machine, offer.reliability),
    )


def quote(offers: Iterable[Offer], need: Need, tariff: Tariff, shunned: frozenset[str] = frozenset()) -> Quote:
    """Price the job on the best sound offer. Raises OperatorFault("no-offers") when there is none."""
    best = ranked(offers, need, shunned)
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
