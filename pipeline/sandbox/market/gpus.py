"""The GPUs of the sandbox's market, and the park of machines that carries them, drawn with seeded dice."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One model. `dear`: $/h of the cheapest and the dearest; `step`: seconds of one training step."""

    name: str
    driver_name: str
    ram_mb: int
    cap: int
    dear: tuple[float, float]
    tflops: float
    dlperf: float
    watts: int
    step: float


def _gpu(name: str, driver_name: str, ram_mb: int, cap: int, dear: tuple[float, float], *rest: float) -> Gpu:
    tflops, dlperf, watts, step = rest
    return Gpu(
        name=name, driver_name=driver_name, ram_mb=ram_mb, cap=cap, dear=dear,
        tflops=tflops, dlperf=dlperf, watts=int(watts), step=step,
    )  # fmt: skip


GPUS: Final = {
    gpu.name: gpu
    for gpu in (
        _gpu("RTX 3090", "NVIDIA GeForce RTX 3090", 24576, 860, (0.15, 0.28), 35.6, 63, 350, 6.0),
        _gpu("RTX 4090", "NVIDIA GeForce RTX 4090", 24564, 890, (0.28, 0.62), 82.6, 104, 450, 3.25),
        _gpu("RTX 5090", "NVIDIA GeForce RTX 5090", 32607, 1200, (0.42, 0.80), 104.8, 167, 575, 2.2),
        _gpu("RTX 3060", "NVIDIA GeForce RTX 3060", 12288, 860, (0.05, 0.09), 12.7, 21, 170, 14.0),
        _gpu("RTX A6000", "NVIDIA RTX A6000", 49140, 860, (0.38, 0.60), 38.7, 68, 300, 6.0),
        _gpu("L4", "NVIDIA L4", 23034, 890, (0.24, 0.36), 30.3, 42, 72, 9.0),
        _gpu("L40S", "NVIDIA L40S", 46068, 890, (0.50, 0.85), 91.6, 98, 350, 3.2),
        _gpu("A100 PCIE", "NVIDIA A100 80GB PCIe", 81920, 800, (0.62, 0.95), 19.5, 112, 300, 2.1),
        _gpu("A100 SXM4", "NVIDIA A100-SXM4-80GB", 81920, 800, (0.70, 1.15), 19.5, 121, 400, 2.1),
        _gpu("H100 PCIE", "NVIDIA H100 PCIe", 81559, 900, (1.60, 2.10), 51.2, 196, 350, 1.4),
        _gpu("Tesla V100", "Tesla V100-SXM2-16GB", 16384, 700, (0.12, 0.22), 15.7, 38, 300, 12.0),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How good a machine is, as ranges to draw from. Network in Mbit/s, traffic in $/GB."""

    verified: float  # the chance of it
    reliability: tuple[float, float]
    down: tuple[float, float]
    up: tuple[float, float]
    traffic: tuple[float, float]
    dear: tuple[float, float]  # which part of the GPU's price range
    disk: tuple[float, float]
    days: tuple[float, float]
    ports: tuple[int, int]
    drivers: tuple[tuple[str, float], ...]  # with the newest CUDA each runs


NEW: Final = (("580.65.06", 13.0), ("580.95.05", 13.0), ("590.44.01", 13.1))
MIXED: Final = (*NEW, ("570.133.07", 12.8), ("580.82.07", 13.0))
OLD: Final = (("535.86.05", 12.2), ("550.54.15", 12.4), ("470.82.01", 11.4))

GOOD: Final = Grade(
    verified=1, reliability=(0.985, 0.9995), down=(3000, 8000), up=(800, 3000), traffic=(0, 0.003), dear=(0, 0.4),
    disk=(300, 2000), days=(20, 120), ports=(50, 250), drivers=NEW,
)  # fmt: skip
FAIR: Final = Grade(
    verified=1, reliability=(0.95, 0.99), down=(300, 1500), up=(100, 700), traffic=(0.002, 0.01), dear=(0.3, 0.8),
    disk=(120, 600), days=(2, 30), ports=(8, 100), drivers=MIXED,
)  # fmt: skip
POOR: Final = Grade(
    verified=0.3, reliability=(0.60, 0.93), down=(30, 250), up=(10, 60), traffic=(0.01, 0.02), dear=(0, 1),
    disk=(20, 150), days=(0.05, 2), ports=(0, 3), drivers=OLD,
)  # fmt: skip

PARK: Final = (  # GPU, how many in the machine, grade, how many such machines
    ("RTX 3090", 1, GOOD, 5), ("RTX 4090", 1, GOOD, 5), ("RTX 5090", 4, GOOD, 1), ("RTX 4090", 2, GOOD, 1),
    ("H100 PCIE", 1, GOOD, 1), ("RTX 3090", 1, FAIR, 3), ("RTX 4090", 1, FAIR, 3), ("RTX 5090", 1, FAIR, 1),
    ("RTX 3090", 4, FAIR, 1), ("RTX 4090", 8, FAIR, 1), ("A100 SXM4", 8, FAIR, 1), ("A100 PCIE", 1, FAIR, 1),
    ("L40S", 2, FAIR, 1), ("RTX A6000", 2, FAIR, 1), ("L4", 1, FAIR, 1), ("RTX 3060", 1, FAIR, 1),
    ("RTX 3090", 1, POOR, 2), ("RTX 4090", 1, POOR, 2), ("Tesla V100", 1, POOR, 1),
    ("RTX A6000", 1, GOOD, 3),  # for bases of 48 GB
)  # fmt: skip

PLACES: Final = (
    "Sweden, SE", "Norway, NO", "California, US", "Texas, US", ", US", "Quebec, CA", "Germany, DE", "Czechia, CZ",
    "Japan, JP", "Taiwan, TW", "Iceland, IS", None,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One physical box and what its owner asks for it. Rates in $/h for one GPU, storage in $/GB/month."""

    id: int
    host: int
    gpu: Gpu
    gpus: int
    rate: float
    bid: float
    storage: float
    down: float
    up: float
    down_cost: float
    up_cost: float
    honest: float  # how much of the claimed bandwidth there really is
    reliability: float
    verified: bool
    driver: str
    cuda: float
    disk: float
    ports: int
    place: str | None
    cores: int | None
    ram_mb: int
    seconds: float  # for which it is on the market
    datacenter: bool
    external: int | None


@dataclass(frozen=True, slots=True)
class Ask:
    """The offer of `size` GPUs of a machine, from the one numbered `first`."""

    id: int
    machine: Machine
    first: int
    size: int

    def overlaps(self, other: "Ask") -> bool:
        apart = self.first + self.size <= other.first or other.first + other.size <= self.first
        return self.machine.id == other.machine.id and not apart


def park(dice: random.Random) -> Iterator[Machine]:
    """The machines, of about 20 owners. The good ones come first, each of another owner."""
    hosts = dice.sample(range(2000, 400_000), 20)
    count = 0
    for name, gpus, grade, machines in PARK:
        for _ in range(machines):
            host = hosts[count % len(hosts)]
            count += 1
            yield _machine(dice, 10_000 + 37 * count, host, GPUS[name], gpus, grade)


def crowd(dice: random.Random, count: int) -> Iterator[Machine]:
    """`count` good machines with one GPU, each of another owner."""
    for number in range(count):
        yield _machine(dice, 50_000 + number, 500_000 + number, GPUS["RTX 3090"], 1, GOOD)


def _machine(dice: random.Random, number: int, host: int, gpu: Gpu, gpus: int, grade: Grade) -> Machine:
    low, high = gpu.dear
    rate = low + (high - low) * dice.uniform(*grade.dear)
    driver, cuda = dice.choice(grade.drivers)
    cores = dice.choice((16, 24, 32, 64, None)) if gpus == 1 else dice.choice((64, 96, 128))
    return Machine(
        id=number,
        host=host,
        gpu=gpu,
        gpus=gpus,
        rate=round(rate, 4),
        bid=round(rate * dice.uniform(0.4, 0.7), 4),
        storage=round(dice.uniform(0.08, 0.22), 4),
        down=round(dice.uniform(*grade.down), 1),
        up=round(dice.uniform(*grade.up), 1),
        down_cost=round(dice.uniform(*grade.traffic), 4),
        up_cost=round(dice.uniform(*grade.traffic), 4),
        honest=dice.uniform(0.45, 0.8),
        reliability=round(dice.uniform(*grade.reliability), 6),
        verified=dice.random() < grade.verified,
        driver=driver,
        cuda=cuda,
        disk=round(dice.uniform(*grade.disk), 1),
        ports=dice.randint(*grade.ports),
        place=dice.choice(PLACES),
        cores=cores,
        ram_mb=dice.choice((32, 64, 128)) * 1024 * (1 if gpus == 1 else 4),
        seconds=round(dice.uniform(*grade.days) * 86400, 1),
        datacenter=gpus >= 8,  # noqa: PLR2004  # who owns eight big ones has a hall for them
        external=dice.choice((None, 0)),
    )
