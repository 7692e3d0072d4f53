"""A sandbox box, driven by a real SSH client: who gets in, what runs, and that nothing outlives it."""

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from pipeline.sandbox.boxfiles import Build
from pipeline.sandbox.host import Box, bare

KEY = asyncssh.generate_private_key("ssh-ed25519")
STRANGER = asyncssh.generate_private_key("ssh-ed25519")
BUILD = Build(
    gpu="NVIDIA GeForce RTX 4090", gpus=1, vram_mb=24564, driver="580.95.05", cuda=13.0,
    disk_gb=120, step_seconds=3.25, speed=50, trainer="oom-always",
)  # fmt: skip


def public(key: asyncssh.SSHKey) -> str:
    return bare(key.export_public_key().decode())


@asynccontextmanager
async def box(folder: Path, onstart: str = "", admitted: set[str] | None = None) -> AsyncIterator[Box]:
    keys = {public(KEY)} if admitted is None else admitted
    one = Box(folder / "box", BUILD, direct=keys.__contains__, proxy=keys.__contains__)
    await one.start(onstart, {"CONTAINER_ID": "7", "CONTAINER_API_KEY": "k7"})
    try:
        yield one
    finally:
        await one.dismantle()


def login(
    port: int, key: asyncssh.SSHKey = KEY, user: str = "root"
) -> "asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]":
    return asyncssh.connect(
        "127.0.0.1", port, username=user, client_keys=[key], known_hosts=None, config=None, agent_path=None
    )


def inside(
    folder: Path, act: Callable[[Box, asyncssh.SSHClientConnection], Awaitable[None]], onstart: str = ""
) -> None:
    async def play() -> None:
        async with box(folder, onstart) as one, login(one.port) as conn:
            await act(one, conn)

    asyncio.run(play())


async def said(conn: asyncssh.SSHClientConnection, command: str) -> str:
    return str((await conn.run(command, check=True)).stdout)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_only_root_with_an_admitted_key_gets_in(tmp_path: Path) -> None:
    async def play() -> None:
        async with box(tmp_path) as one:
            for key, user in ((STRANGER, "root"), (KEY, "ubuntu")):
                with pytest.raises(asyncssh.PermissionDenied):
                    await login(one.port, key, user)
            async with login(one.port), login(one.proxy_port):
                pass

    asyncio.run(play())


def test_a_key_counts_from_the_moment_it_is_attached(tmp_path: Path) -> None:
    async def play() -> None:
        admitted: set[str] = set()
        async with box(tmp_path, admitted=admitted) as one:
            with pytest.raises(asyncssh.PermissionDenied):
                await login(one.port)
            admitted.add(public(KEY))
            async with login(one.port):
                pass

    asyncio.run(play())


def test_a_box_that_is_off_refuses_connections_on_the_ports_it_will_have(tmp_path: Path) -> None:
    async def play() -> None:
        one = Box(tmp_path / "box", BUILD, direct=lambda _: True, proxy=lambda _: True)
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await login(one.port)
            await one.start("", {})
            async with login(one.port):
                pass
            await one.stop()
        await one.dismantle()

    asyncio.run(play())


def test_commands_run_in_bash_with_the_boxs_own_home_and_environment(tmp_path: Path) -> None:
    async def act(one: Box, conn: asyncssh.SSHClientConnection) -> None:
        assert await said(conn, "pwd; echo $HOME; echo ${BASH_VERSION:+bash}") == f"{one.home}\n{one.home}\nbash\n"
        names = set((await said(conn, "env | cut -d= -f1")).split())
        assert names - {"PWD", "SHLVL", "_"} == {"HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "TMPDIR"}

    inside(tmp_path, act)


def test_input_output_and_exit_codes_pass_through(tmp_path: Path) -> None:
    async def act(one: Box, conn: asyncssh.SSHClientConnection) -> None:
        blob = bytes(range(256)) * 4000
        echoed = await conn.run("cat", input=blob, encoding=None)
        assert isinstance(echoed.stdout, bytes)
        assert hashlib.sha256(echoed.stdout).digest() == hashlib.sha256(blob).digest()
        both = await conn.run("echo out; echo err >&2; exit 7")
        assert (both.stdout, both.stderr, both.exit_status) == ("out\n", "err\n", 7)
        killed = await conn.run("kill -9 $$")
        assert killed.exit_signal is not None
        assert killed.exit_signal[0] == "KILL"

    inside(tmp_path, act)


def test_sftp_and_bash_see_the_same_files(tmp_path: Path) -> None:
    async def act(one: Box, conn: asyncssh.SSHClientConnection) -> None:
        local, back = tmp_path / "local", tmp_path / "back"
        local.write_bytes(b"\0pack\r\n" * 100_000)
        await conn.run("mkdir -p ts/job", check=True)
        async with conn.start_sftp_client() as sftp:
            await sftp.put(str(local), "ts/job/pack.tar")
            await sftp.get(f"{one.home}/ts/job/pack.tar", str(back))
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.get("../../../etc/hostname", str(back))
        assert back.read_bytes() == local.read_bytes()
        assert await said(conn, "stat -c %s ts/job/pack.tar") == "700000\n"

    inside(tmp_path, act)


def test_a_detached_process_dies_with_the_box(tmp_path: Path) -> None:
    async def play() -> None:
        async with box(tmp_path) as one:
            async with login(one.port) as conn:
                script = "setsid -f sh -c 'cd /; env -i sleep 300 & echo $$ $! > $HOME/pids; wait' >/dev/null 2>&1"
                await conn.run(script + "; until test -s pids; do sleep 0.02; done", check=True)
                pids = [int(pid) for pid in (await said(conn, "cat pids")).split()]
            assert len(pids) == 2
            assert not any(map(gone, pids))
        assert all(map(gone, pids))

    asyncio.run(play())


def test_a_command_outlives_the_connection_that_started_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with box(tmp_path) as one:
            async with login(one.port) as conn:
                process = await conn.create_process("echo $$; exec sleep 300")
                pid = int(await process.stdout.readline())
            async with login(one.port) as conn:
                await conn.run(f"kill -0 {pid}", check=True)
        assert gone(pid)

    asyncio.run(play())


def test_a_box_dies_with_a_sandbox_that_was_killed(tmp_path: Path) -> None:
    onstart = "setsid -f sh -c 'echo $$ > pid.part; mv pid.part pid; exec sleep 300'"
    program = f"""
import asyncio, pathlib
from tests.sandbox.test_host import box

async def play():
    async with box(pathlib.Path({str(tmp_path)!r}), {onstart!r}):
        await asyncio.sleep(300)

asyncio.run(play())
"""
    file = tmp_path / "box" / "root" / "pid"
    with subprocess.Popen([sys.executable, "-c", program]) as sandbox:
        while not file.exists():
            time.sleep(0.02)
        pid = int(file.read_text())
        sandbox.kill()
    while not gone(pid):
        time.sleep(0.02)


def test_onstart_alone_sees_the_instances_own_key(tmp_path: Path) -> None:
    async def act(one: Box, conn: asyncssh.SSHClientConnection) -> None:
        await conn.run("until test -s seen; do sleep 0.02; done", check=True)
        assert await said(conn, "cat seen") == "7 k7\n"
        assert "CONTAINER" not in await said(conn, "env")

    inside(tmp_path, act, onstart="echo $CONTAINER_ID $CONTAINER_API_KEY > seen.part; mv seen.part seen; sleep 300")


def test_python_knows_the_worlds_pace_even_in_an_empty_environment(tmp_path: Path) -> None:
    async def act(one: Box, conn: asyncssh.SSHClientConnection) -> None:
        code = "import os; print(os.environ['SANDBOX_SPEED'], os.environ['SANDBOX_TRAINER'])"
        for name in ("python", "python3"):
            assert await said(conn, f'env -i PATH="$PATH" {name} -c "{code}"') == "50 oom-always\n"

    inside(tmp_path, act)


def test_the_gpu_and_the_disk_are_the_rented_ones(tmp_path: Path) -> None:
    async def act(one: Box, conn: asyncssh.SSHClientConnection) -> None:
        fields = "name,memory.total,memory.used,utilization.gpu,driver_version"
        answer = await said(conn, f"nvidia-smi --query-gpu={fields} --format=csv,noheader,nounits")
        assert answer == "NVIDIA GeForce RTX 4090, 24564, 312, 0, 580.95.05\n"
        free = int(await said(conn, "df -Pk . | tail -n 1 | awk '{print $4}'"))
        assert 119e9 < free * 1024 <= 120e9
        assert (await conn.run("nvidia-smi --query-gpu=colour")).exit_status == 2

    inside(tmp_path, act)
