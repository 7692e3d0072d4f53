"""One rental: its states as a function of time, its row on the wire, and the meter that runs on it."""

from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.sandbox.host import Box
from pipeline.sandbox.mart.machines import HOURS_PER_MONTH, Machine

PLACED: Final = 4.0  # seconds of life until the host hears of it
STARTED: Final = 25.0  # from the pulled image to a running container
MAPPED: Final = 3.0  # ports show a little after `running`
LINGER: Final = 8.0  # a destroyed rental is still shown
REAL: Final = 0.8  # of the claimed bandwidth an image pull gets
LAYERS: Final = (
    "Pulling from ostris/aitoolkit\n",
    "f1555660aa88: Download complete\n",
    "f1555660aa88: Pull complete\n",
)


@dataclass
class Rental:
    """Times are seconds of life since the market opened."""

    id: int
    machine: Machine
    gpus: int
    label: str
    image: str
    image_gb: float
    disk: float
    onstart: str
    runtype: str
    env: dict[str, str]
    key: str
    born: float
    box: Box
    stuck: bool = False
    hidden_until: float = 0.0
    wanted: str = "running"
    stopped_at: float | None = None
    destroyed: float | None = None
    keys: dict[int, str] = field(default_factory=dict)
    free: bool = False  # its ask is back on the market

    @property
    def pull(self) -> float:
        return self.image_gb * 8000 / (REAL * self.machine.inet_down)

    @property
    def up_at(self) -> float:
        """When it will run."""
        return float("inf") if self.stuck else self.born + PLACED + self.pull + STARTED

    def gone(self, now: float) -> bool:
        return self.destroyed is not None and now >= self.destroyed + LINGER

    def shown(self, now: float) -> bool:
        return not self.gone(now) and now >= self.hidden_until

    def status(self, now: float) -> str | None:
        if self.stopped_at is not None:
            return "exited"
        if now < self.born + PLACED:
            return None
        return "loading" if now < self.up_at else "running"

    def said(self, now: float) -> str | None:
        """Docker's layer lines while it pulls: there is no byte progress in them."""
        if now < self.born + PLACED:
            return None
        if now < self.up_at:
            share = (now - self.born - PLACED) / max(1.0, self.pull + STARTED)
            return LAYERS[min(2, int(3 * share))]
        return f"success, running {self.image}/ssh"

    def cost(self, now: float) -> tuple[float, float]:
        """(GPU, disk) in dollars so far: the GPU while it runs, the disk from birth to the end."""
        end = now if self.destroyed is None else self.destroyed
        stop = min(end, self.stopped_at) if self.stopped_at is not None else end
        hours = max(0.0, stop - self.up_at) / 3600
        disk = max(0.0, end - self.born) / 3600 * self.disk * self.machine.storage_cost / HOURS_PER_MONTH
        return hours * self.machine.dph_gpu * self.gpus, disk

    def row(self, now: float, wall: float, speed: float) -> dict[str, Any]:
        """As on the wire (facts/vast.md 5): types, nulls and stray white space included. Times are the wall's."""
        status = self.status(now)
        running = status == "running"
        base = self.machine.dph_gpu * self.gpus
        disk = self.disk * self.machine.storage_cost / HOURS_PER_MONTH
        mapped = running and now >= self.up_at + MAPPED
        state = "unloaded" if self.destroyed is not None else ("stopped" if self.stopped_at is not None else "running")
        return {
            "id": self.id, "machine_id": self.machine.machine_id, "host_id": self.machine.host_id,
            "bundle_id": self.machine.machine_id * 3, "actual_status": status, "intended_status": self.wanted,
            "cur_state": state, "next_state": state, "status_msg": self.said(now), "label": self.label,
            "image_uuid": self.image, "image_args": [], "image_runtype": self.runtype,
            "extra_env": [[name, value] for name, value in self.env.items()], "onstart": self.onstart,
            "jupyter_token": "", "ssh_host": "127.0.0.1", "ssh_idx": "5", "ssh_port": self.box.proxy_port,
            "machine_dir_ssh_port": 21_000, "public_ipaddr": "127.0.0.1\n" if running else None,
            "local_ipaddrs": "10.0.0.5 172.17.0.2 \n",
            "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(self.box.port)}]} if mapped else None,
            "direct_port_count": 100, "direct_port_start": 20_000 if mapped else -1, "direct_port_end": 20_002,
            "start_date": wall - (now - self.born) / speed, "end_date": wall + self.machine.duration,
            "uptime_mins": None, "duration": self.machine.duration, "num_gpus": self.gpus,
            "gpu_name": self.machine.gpu_name, "gpu_ram": self.machine.gpu_ram,
            "gpu_totalram": self.machine.gpu_ram * self.gpus, "gpu_util": 97.0 if running else None,
            "gpu_temp": 61.0 if running else None, "gpu_frac": self.gpus / self.machine.num_gpus,
            "disk_space": self.disk, "disk_usage": 0.05 if running else -1, "disk_util": 0.05 if running else -1,
            "dph_base": base, "dph_total": base + disk, "storage_cost": self.machine.storage_cost,
            "storage_total_cost": disk, "is_bid": False, "min_bid": round(base * 0.6, 4),
            "inet_up": self.machine.inet_up, "inet_down": self.machine.inet_down,
            "inet_up_cost": self.machine.inet_cost, "inet_down_cost": self.machine.inet_cost,
            "reliability2": self.machine.reliability, "geolocation": self.machine.geolocation,
            "verification": self.machine.verification, "cpu_cores": self.machine.cpu_cores, "cpu_cores_effective": 8.0,
            "cpu_util": 0.1, "cpu_ram": 128_000, "mem_limit": 64.0, "mem_usage": 12.0, "vmem_usage": 0.0,
            "driver_version": self.machine.driver_version, "cuda_max_good": self.machine.cuda,
            "template_hash_id": None, "template_id": None, "time_remaining": "", "volume_info": [], "webpage": None,
            "dlperf": 90.0, "flops_per_dphtotal": 100.0, "dlperf_per_dphtotal": 200.0, "total_flops": 80.0,
            "bw_nvlink": 0.0, "pcie_bw": 12.3, "gpu_lanes": 16, "gpu_mem_bw": 900.0, "disk_bw": 2400.0,
            "compute_cap": self.machine.compute_cap, "hosting_type": 0, "external": False, "rentable": False,
            "static_ip": True, "score": 1.0, "country_code": None, "logo": "", "inet_down_billed": None,
            "inet_up_billed": None, "credit_balance": None, "credit_discount": None, "client_run_time": 1.0,
            "host_run_time": 1.0, "search": {}, "instance": {}, "gpu_arch": "nvidia", "cpu_arch": "amd64", "cpu_name": "EPYC",
            "mobo_name": "ROME", "os_version": "22.04", "has_avx": 1, "is_vm": False, "vms_enabled": False,
        }  # fmt: skip
