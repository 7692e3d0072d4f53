"""Our side of an SSH figure in a process of its own, whose memory nobody else has touched. Prints one line of JSON.

`python -m tests.bench.client crowd KEY PORT COUNT`: open COUNT machines at once and keep them.
`python -m tests.bench.client haul KEY PORT FILE`: bring one file home.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipeline.adapters.ssh import SshHosts
from pipeline.domain.ids import InstanceId, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from tests.bench.row import percentile

Figures = dict[str, float]
TICK: Final = 0.005  # seconds between two looks at how late the loop is
CAP: Final = 1_000_000_000
ROOM: Final = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # memory: the line is measured, not a disk


def machine(port: int, number: int = 1) -> Machine:
    """A machine of its own at `port`: connections are shared per machine."""
    return Machine(
        instance=InstanceId(str(number)), machine=MachineId(str(number)), gpu="", vram_mb=0, rate=MicroUsd(0),
        since=datetime(2026, 1, 1, tzinfo=UTC), endpoints=(Endpoint("127.0.0.1", port),),
    )  # fmt: skip


class Lag:
    """How late the loop wakes somebody who wants to be woken every TICK."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(TICK)
            self.seconds.append(loop.time() - before - TICK)


async def crowd(hosts: SshHosts, port: int, count: int) -> Figures:
    """Open `count` machines at once; seconds until the last is open, KB each costs, ms by which the loop was late."""
    lag = Lag()
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(hosts.open(machine(port, 0)))  # what the first one loads is nobody's weight
        gc.collect()
        before, began = resident("VmRSS"), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(lag.watch())
            await _all_open(opened, hosts, port, count)
            watch.cancel()
        seconds = time.perf_counter() - began
        gc.collect()
        weight = (resident("VmRSS") - before) / count
    return {"seconds": seconds, "kb_each": weight, "lag_ms": 1000 * percentile(lag.seconds, 99)}


async def _all_open(opened: AsyncExitStack, hosts: SshHosts, port: int, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(1, count + 1):
            group.create_task(opened.enter_async_context(hosts.open(machine(port, number))))


async def haul(hosts: SshHosts, port: int, remote: str) -> Figures:
    """Bring `remote` home; MB the process grew by at its peak, over having the machine open."""
    async with hosts.open(machine(port)) as host:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (proc(5))
        before = resident("VmRSS")
        with TemporaryDirectory(dir=ROOM) as folder:
            await host.get(remote, Path(folder) / "home", cap=CAP)
    return {"peak_mb": (resident("VmHWM") - before) / 1024}


def resident(field: str) -> int:
    """KB: VmRSS is now, VmHWM the most there was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def main(what: str, key: str, port: str, rest: str) -> None:
    figures: dict[str, Callable[[SshHosts], Coroutine[None, None, Figures]]] = {
        "crowd": lambda hosts: crowd(hosts, int(port), int(rest)),
        "haul": lambda hosts: haul(hosts, int(port), rest),
    }
    print(json.dumps(asyncio.run(figures[what](SshHosts(Path(key))))))  # noqa: T201  # the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
