"""A box that nobody holds any more ends by itself: the real script on a sandbox box, against the sandbox market."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from pipeline.adapters.ssh import SshHosts
from pipeline.trainers import lease
from pipeline.trainers.lease import Lease
from tests.sandbox.market_scene import Client, played

HOLDER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.adapters.ssh import SshHosts
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.trainers import lease
from pipeline.trainers.lease import Lease

async def hold() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    machine = Machine(instance="1", machine="1", gpu="", vram_mb=0, rate=MicroUsd(0), since=since,
                      endpoints=(Endpoint("127.0.0.1", int(sys.argv[2])),))
    async with SshHosts(Path(sys.argv[1])).open(machine) as host:
        while True:
            await host.run(lease.hold(Lease(lapses=3, ends=float(sys.argv[3]), every=0.2)))
            print("held", flush=True)
            await asyncio.sleep(0.1)

asyncio.run(hold())
"""


async def rented(client: Client, key: Path, ends: float) -> tuple[int, asyncio.subprocess.Process]:
    """A running rental, and a program that holds its lease."""
    await client.http.post("/api/v0/ssh/", json={"ssh_key": SshHosts(key).public_key})
    onstart = lease.onstart(Lease(lapses=20, ends=ends, every=0.2))
    number = (await client.rent(onstart=onstart))["new_contract"]
    row = await client.running(number)
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(key), str(row["ssh_port"]), str(ends)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout
    await holder.stdout.readline()
    return number, holder


def test_kill_the_bot_and_the_box_goes_by_itself_with_its_own_key(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number, holder = await rented(client, tmp_path / "key", ends=600)
        await asyncio.sleep(4)  # real seconds: more than the lease, of a box that is held
        assert (await client.row(number)) is not None
        holder.kill()
        await holder.wait()
        died = time.monotonic()
        await client.until(number, lambda row: row is None)
        assert time.monotonic() - died < 10

    played(tmp_path, act)


@pytest.mark.torture  # waits for it
def test_the_hard_end_comes_however_often_the_lease_is_renewed(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number, holder = await rented(client, tmp_path / "key", ends=4)
        await client.until(number, lambda row: row is None)
        assert holder.returncode is None or holder.returncode > 0  # it held on until its box was gone
        if holder.returncode is None:
            holder.kill()
        await holder.wait()

    played(tmp_path, act)
