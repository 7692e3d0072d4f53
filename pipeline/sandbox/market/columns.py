"""What offers and rentals say alike about the machine behind them (facts/vast.md 3, 5)."""

from pipeline.sandbox.market.gpus import Ask
from pipeline.sandbox.market.wire import Row


def place(ask: Ask) -> Row:
    """Whose machine it is, where, on which line, and what the market thinks of it. Mbit/s, $/GB."""
    machine = ask.machine
    return {
        "machine_id": machine.id,
        "host_id": machine.host,
        "bundle_id": machine.id * 100 + ask.size,
        "inet_down": machine.down,
        "inet_up": machine.up,
        "inet_down_cost": machine.down_cost,
        "inet_up_cost": machine.up_cost,
        "direct_port_count": machine.ports,
        "static_ip": machine.datacenter,
        "geolocation": machine.place,
        "verification": "verified" if machine.verified else "unverified",
        "hosting_type": int(machine.datacenter),
        "external": machine.external,
        "reliability2": machine.reliability,
        "storage_cost": machine.storage,
        "min_bid": round(machine.bid * ask.size, 6),
    }


def hardware(ask: Ask) -> Row:
    """Its GPUs and what surrounds them; memory in MB, of the whole machine where it is the CPU's."""
    machine, gpu = ask.machine, ask.machine.gpu
    frac = ask.size / machine.gpus
    return {
        "num_gpus": ask.size,
        "gpu_name": gpu.name,
        "gpu_arch": "nvidia",
        "gpu_frac": frac,
        "gpu_ram": gpu.ram_mb,
        "gpu_total_ram": gpu.ram_mb * ask.size,
        "gpu_max_power": float(gpu.watts),
        "gpu_display_active": False,
        "compute_cap": gpu.cap,
        "cuda_max_good": machine.cuda,
        "driver_version": machine.driver,
        "driver_vers": driver_number(machine.driver),
        "cpu_cores": machine.cores,
        "cpu_cores_effective": (machine.cores or 16) * frac,
        "cpu_ram": machine.ram_mb,
        "cpu_ghz": 3.4,
        "cpu_arch": "amd64",
        "has_avx": 1,
        "disk_bw": 2400.0,
        "disk_name": "nvme",
        "pci_gen": 4.0,
        "pcie_bw": 21.5,
        "dlperf": gpu.dlperf * ask.size,
        "total_flops": gpu.tflops * ask.size,
    }


def driver_number(version: str) -> int:
    """570133007 for "570.133.07"."""
    major, minor, patch = (int(part) for part in version.split("."))
    return major * 1_000_000 + minor * 1000 + patch
