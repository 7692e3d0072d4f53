"""Port Hosts, held to the sandbox's machine: a real SSH server with a real shell in it."""

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.adapters.ssh import SshHosts
from pipeline.adapters.ssh_files import sha256
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.ids import InstanceId, JobId, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.ports import Host
from pipeline.sandbox.boxfiles import Build
from pipeline.sandbox.host import Box, bare
from pipeline.trainers import aitoolkit, fetching
from pipeline.trainers import box as commands
from pipeline.trainers.box import Command
from pipeline.trainers.lease import Lease

BUILD = Build(
    gpu="NVIDIA GeForce RTX 4090", gpus=1, vram_mb=24_564, driver="580.65.06", cuda=13.0, disk_gb=120, step_seconds=3,
    speed=100,
)  # fmt: skip
TOOLKIT = Path(__file__).parents[2] / "pipeline" / "sandbox" / "toolkit"


@pytest.fixture
def hosts(tmp_path: Path) -> SshHosts:
    return SshHosts(tmp_path / "keys" / "id_ed25519")


@asynccontextmanager
async def rented(folder: Path, hosts: SshHosts) -> AsyncIterator[tuple[Box, Machine]]:
    def ours(key: str) -> bool:
        return key == bare(hosts.public_key)

    made = Box(folder / "box", BUILD, direct=ours, proxy=ours)
    try:
        await made.start("", {})
        yield made, machine(made.port, made.proxy_port)
    finally:
        await made.dismantle()


def machine(*ports: int) -> Machine:
    return Machine(
        instance=InstanceId("1"), machine=MachineId("1"), gpu="", vram_mb=0, rate=MicroUsd(0),
        since=datetime(2026, 1, 1, tzinfo=UTC), endpoints=tuple(Endpoint("127.0.0.1", port) for port in ports),
    )  # fmt: skip


def on(folder: Path, hosts: SshHosts, work: Callable[[Host, Box], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with rented(folder, hosts) as (made, where), hosts.open(where) as host:
            await work(host, made)

    asyncio.run(scene())


def test_a_box_says_what_it_is(tmp_path: Path, hosts: SshHosts) -> None:
    async def work(host: Host, made: Box) -> None:
        facts = commands.read_look((await host.run(commands.look(str(TOOLKIT)))).out)
        assert facts.home == str(made.home)
        assert facts.gpu
        assert facts.toolkit
        assert host.host_key == made.host_key

    on(tmp_path, hosts, work)


def test_files_go_there_and_come_back(tmp_path: Path, hosts: SshHosts) -> None:
    sent = tmp_path / "pack.tar"
    sent.write_bytes(bytes(range(256)) * 40_000)

    async def work(host: Host, made: Box) -> None:
        await host.put(sent, "ts/job/pack.tar")
        await host.put(sent, "ts/job/pack.tar")
        there = made.home / "ts/job/pack.tar"
        assert sha256(there) == sha256(sent)
        assert stat.S_IMODE(there.stat().st_mode) == 0o600
        assert await host.list("ts/job") == [("pack.tar", sent.stat().st_size)]
        assert await host.list("ts/none") == []
        assert await host.get("ts/job/pack.tar", tmp_path / "back", cap=20_000_000) == sha256(sent)
        with pytest.raises(HostFault) as caught:
            await host.get("ts/job/pack.tar", tmp_path / "again", cap=1000)
        assert caught.value.code == "file-too-big"

    on(tmp_path, hosts, work)


def test_what_is_detached_outlives_its_channel(tmp_path: Path, hosts: SshHosts) -> None:
    async def work(host: Host, made: Box) -> None:
        script = "setsid -f sh -c 'sleep 0.3; echo done > later' > log 2>&1 < /dev/null"
        assert (await host.run(Command("x", script))).code == 0
        async with asyncio.timeout(5):
            while not (made.home / "later").exists():  # noqa: ASYNC110  # a file of another process
                await asyncio.sleep(0.05)

    on(tmp_path, hosts, work)


def test_two_commands_run_at_once(tmp_path: Path, hosts: SshHosts) -> None:
    async def work(host: Host, made: Box) -> None:
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(host.run(Command("x", f"sleep 0.2; echo {n}"))) for n in range(5)]
        assert [answer.result().out for answer in answers] == [f"{n}\n".encode() for n in range(5)]

    on(tmp_path, hosts, work)


def test_a_box_switched_off_is_silent_and_the_same_box_is_known_again(tmp_path: Path, hosts: SshHosts) -> None:
    async def scene() -> None:
        async with rented(tmp_path, hosts) as (made, where):
            async with hosts.open(where) as host:
                pin = host.host_key
                await made.stop()
                with pytest.raises(HostSilent):
                    await host.run(Command("x", "true"))
            with pytest.raises(HostSilent) as caught:
                async with hosts.open(where):
                    raise AssertionError
            assert caught.value.code == "ssh-unreachable"
            await made.start("", {})
            async with hosts.open(replace(where, host_key=pin)) as host:
                assert (await host.run(Command("x", "echo back"))).out == b"back\n"

    asyncio.run(scene())


def test_through_the_proxy_when_the_direct_way_is_closed(tmp_path: Path, hosts: SshHosts) -> None:
    async def scene() -> None:
        async with rented(tmp_path, hosts) as (made, _), hosts.open(machine(1, made.proxy_port)) as host:
            assert (await host.run(Command("x", "true"))).code == 0

    asyncio.run(scene())


JOB = JobId("abcdefghjkmn")
LEASE = Lease(lapses=60, ends=600, every=20)


def test_a_plan_that_is_not_there_is_nothing_yet_and_a_pack_that_is_none_is_an_error(
    tmp_path: Path, hosts: SshHosts
) -> None:
    async def work(host: Host, made: Box) -> None:
        await host.put(Path(__file__), f"{commands.folder(JOB)}/pack.tar")
        assert fetching.read_fetched((await host.run(fetching.fetched(JOB, LEASE))).out) == fetching.Fetching()
        assert (await host.run(commands.unpack(JOB))).code != 0

    on(tmp_path, hosts, work)


def test_a_box_tells_how_fast_its_gpu_is(tmp_path: Path, hosts: SshHosts) -> None:
    async def work(host: Host, made: Box) -> None:
        sees, tflops = commands.read_exercise((await host.run(commands.exercise())).out)
        assert sees
        assert 0.25 * BUILD.tflops < tflops <= BUILD.tflops

    on(tmp_path, hosts, work)


def test_a_pump_tells_the_log_from_any_byte_and_renews_the_lease(tmp_path: Path, hosts: SshHosts) -> None:
    log = bytes(range(256)) * 10

    async def work(host: Host, made: Box) -> None:
        (made.home / "ts/box").mkdir(parents=True)
        (made.home / commands.folder(JOB)).mkdir(parents=True)
        (made.home / commands.folder(JOB) / aitoolkit.LOG).write_bytes(log)
        for offset in (0, 1, 2000, len(log)):
            look = aitoolkit.read_poll(await host.ask(aitoolkit.pump(JOB, LEASE), offset))
            assert (look.log, look.size, look.alive, look.code) == (log[offset:], len(log), False, None)
            assert look.vram_mb
            assert look.disk_kb
        assert (made.home / "ts/box/until").read_text().strip().isdigit()

    on(tmp_path, hosts, work)
