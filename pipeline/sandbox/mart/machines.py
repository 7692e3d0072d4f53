"""The strangers' machines: a seeded book of some thirty, cheap and dear, near and far, honest and odd."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

HOURS_PER_MONTH: Final = 720  # the market's month (facts/vast.md 3)
PLACES: Final = ("Sweden, SE", "California, US", ", US", "Texas, US", "Germany, DE", "Japan, JP", "Ontario, CA", None)
CARDS: Final = (  # name, driver's name, MB of VRAM, compute capability, $/h low, $/h high, s/step, how many machines
    ("RTX 4090", "NVIDIA GeForce RTX 4090", 24_564, 890, 0.28, 0.45, 3.25, 9),
    ("RTX 3090", "NVIDIA GeForce RTX 3090", 24_576, 860, 0.15, 0.25, 6.0, 8),
    ("RTX 5090", "NVIDIA GeForce RTX 5090", 32_607, 1200, 0.45, 0.80, 2.2, 4),
    ("A100 SXM4", "NVIDIA A100-SXM4-80GB", 81_920, 800, 0.80, 1.30, 2.1, 3),
    ("RTX 4080S", "NVIDIA GeForce RTX 4080 SUPER", 16_376, 890, 0.15, 0.22, 5.0, 3),
    ("L40S", "NVIDIA L40S", 46_068, 890, 0.60, 0.85, 3.2, 2),
    ("H100 SXM", "NVIDIA H100 80GB HBM3", 81_559, 900, 1.80, 2.60, 1.25, 2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One physical box. Money in dollars, bandwidth in Mbit/s, memory in MB, as on the wire."""

    machine_id: int
    host_id: int
    gpu_name: str
    driver_name: str
    gpu_ram: int
    compute_cap: int
    num_gpus: int  # in the machine
    slices: tuple[int, ...]  # GPUs of each ask
    dph_gpu: float
    storage_cost: float
    inet_down: float
    inet_up: float
    inet_cost: float
    reliability: float
    verification: str
    driver_version: str
    cuda: float
    geolocation: str | None
    disk_space: float
    duration: float
    cpu_cores: int | None
    step_seconds: float
    quick: bool

    @property
    def driver_vers(self) -> int:
        major, minor, patch = (int(part) for part in self.driver_version.split("."))
        return major * 10**6 + minor * 10**3 + patch


def machines(dice: random.Random) -> Iterator[Machine]:
    """Every fourth of each card is quick, cheap to reach and reliable: somebody careful finds it."""
    number = 0
    for name, driver_name, ram, cap, low, high, step, count in CARDS:
        for nth in range(count):
            number += 1
            quick = nth % 4 == 0
            whole = dice.choice((1, 1, 2, 4, 8)) if not quick else 1
            yield Machine(
                machine_id=10_000 + number * 37, host_id=500 + (number * 7) % 20, gpu_name=name,
                driver_name=driver_name, gpu_ram=ram, compute_cap=cap, num_gpus=whole,
                slices=(1,) * whole if quick or dice.random() < 0.6 else (1, max(1, whole // 2), whole),
                dph_gpu=round(dice.uniform(low, high), 4), storage_cost=round(dice.uniform(0.10, 0.25), 4),
                inet_down=round(dice.uniform(4000, 8000) if quick else dice.uniform(90, 2500), 1),
                inet_up=round(dice.uniform(900, 4000) if quick else dice.uniform(40, 900), 1),
                inet_cost=0.0 if quick else dice.choice((0.0, 0.002, 0.005, 0.02)),
                reliability=round(dice.uniform(0.985, 0.9995) if quick else dice.uniform(0.6, 0.999), 7),
                verification="verified" if quick or dice.random() < 0.8 else dice.choice(("unverified", "deverified")),
                driver_version="580.95.05" if quick else dice.choice(("580.65.06", "570.133.07", "535.86.05")),
                cuda=13.0 if quick else dice.choice((12.2, 12.8, 13.0)), geolocation=dice.choice(PLACES),
                disk_space=round(dice.uniform(400, 2000) if quick else dice.uniform(40, 900), 1),
                duration=round(dice.uniform(3, 60) * 86_400, 1), cpu_cores=dice.choice((16, 32, 64, None)),
                step_seconds=step, quick=quick,
            )  # fmt: skip


def offer_row(machine: Machine, ask: int, gpus: int, allocated: float, now: float) -> dict[str, Any]:
    """An offer as the market shows it (facts/vast.md 3). `dph_total` holds the disk asked for, bandwidth never.

    A whole GPU of a machine of several is `gpu_frac` below 1 only where it is shared: the fraction is of the machine.
    """
    base = round(machine.dph_gpu * gpus, 6)
    disk = allocated * machine.storage_cost / HOURS_PER_MONTH
    shared = machine.verification == "deverified"
    return {
        "id": ask, "ask_contract_id": ask, "bundle_id": machine.machine_id * 3, "bundled_results": None,
        "machine_id": machine.machine_id, "host_id": machine.host_id, "hostname": None,
        "gpu_name": machine.gpu_name, "num_gpus": gpus, "gpu_frac": 0.125 if shared else gpus / machine.num_gpus,
        "gpu_ram": machine.gpu_ram, "gpu_total_ram": machine.gpu_ram * gpus, "compute_cap": machine.compute_cap,
        "cuda_max_good": machine.cuda, "driver_version": machine.driver_version, "driver_vers": machine.driver_vers,
        "dph_base": base, "dph_total": round(base + disk, 9), "storage_cost": machine.storage_cost,
        "storage_total_cost": round(disk, 9), "min_bid": round(base * 0.6, 4), "is_bid": False,
        "search": {"gpuCostPerHour": base, "diskHour": disk, "totalHour": base + disk},
        "inet_down": machine.inet_down, "inet_up": machine.inet_up, "inet_down_cost": machine.inet_cost,
        "inet_up_cost": machine.inet_cost, "reliability": machine.reliability, "reliability2": machine.reliability,
        "dlperf": 90.0 * gpus, "dlperf_per_dphtotal": round(90.0 * gpus / (base + disk), 3), "score": None,
        "total_flops": 80.0 * gpus, "disk_space": machine.disk_space, "disk_bw": 2400.0, "disk_name": "nvme",
        "cpu_cores": machine.cpu_cores, "cpu_cores_effective": 8.0 * gpus, "cpu_ram": 128_000, "cpu_ghz": 3.4,
        "cpu_name": "EPYC 7543", "cpu_arch": "amd64", "direct_port_count": 100 if machine.inet_down > 100 else 0,
        "static_ip": True, "public_ipaddr": "127.0.0.1\n" if machine.quick else "127.0.0.1", "direct_port_start": 20_000,
        "duration": machine.duration, "end_date": now + machine.duration, "start_date": now - 86_400.0,
        "rentable": True, "rented": False, "verification": machine.verification, "hosting_type": 0, "external": None,
        "geolocation": machine.geolocation, "gpu_display_active": False, "pcie_bw": 12.3, "pci_gen": 4.0, "has_avx": 1,
        "gpu_lanes": 16, "gpu_mem_bw": 900.0, "bw_nvlink": 0.0, "mobo_name": "ROME", "os_version": "22.04",
        "time_remaining": "", "time_remaining_isbid": "", "vms_enabled": False, "cluster_id": None, "webpage": None,
        "flops_per_dphtotal": round(80.0 / (base + disk), 3), "discounted_dph_total": round(base + disk, 9),
        "credit_discount_max": None, "avail_vol_ask_id": None, "avail_vol_dph": None, "logo": "", "is_vm_deverified": False,
    }  # fmt: skip
