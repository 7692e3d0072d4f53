"""SSH servers in this process: an honest one that runs a real shell, and liars."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import Fault
from pipeline.domain.ids import InstanceId, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.ports import Host

Process = asyncssh.SSHServerProcess[bytes]
Serve = Callable[[Process], Awaitable[None]]
READY = b"\nts-ready\n"


def shell(home: Path, noise: bytes = b"") -> Serve:
    """A box: commands run in `home`, through a real login shell that may be chatty."""

    async def serve(process: Process) -> None:
        process.stdout.write(noise)
        child = await asyncio.create_subprocess_exec(
            "bash", "-c", process.command or "true", cwd=home, env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert child.stdin
        assert child.stdout
        try:
            async with asyncio.TaskGroup() as group:
                typing = group.create_task(typed(process, child.stdin))
                while chunk := await child.stdout.read(65536):
                    process.stdout.write(chunk)
                    await process.stdout.drain()
                typing.cancel()
            process.exit(await child.wait())
        finally:
            await ended(child)

    return serve


async def ended(child: asyncio.subprocess.Process) -> None:
    """The command and all it started, ended: a client that hung up must not leave a pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    assert child.stdout
    while await child.stdout.read(65536):
        pass
    await child.wait()


async def typed(process: Process, into: asyncio.StreamWriter) -> None:
    """Pass a client's bytes on to its command."""
    while chunk := await process.stdin.read(65536):
        into.write(chunk)
        await into.drain()
    into.close()


def liar(*, claims: bytes, floods: bytes) -> Serve:
    """A box that claims what it likes and never stops sending."""

    async def serve(process: Process) -> None:
        process.stdout.write(READY + claims)
        while True:
            process.stdout.write(floods)
            await process.stdout.drain()

    return serve


class Door(asyncssh.SSHServer):
    def __init__(self, admitted: str, seen: list[str]) -> None:
        self.admitted = admitted
        self.seen = seen

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.seen.append(username)
        return " ".join(key.export_public_key("openssh").decode().split()[:2]) == self.admitted


@asynccontextmanager
async def box(serve: Serve, admitted: str, seen: list[str] | None = None) -> AsyncIterator[Machine]:
    async def handle(process: Process) -> None:
        try:
            await serve(process)
        except* (asyncssh.Error, OSError):
            process.channel.abort()

    server = await asyncssh.create_server(
        lambda: Door(admitted, [] if seen is None else seen), "127.0.0.1", 0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")], process_factory=handle, encoding=None,
    )  # fmt: skip
    try:
        yield machine(Endpoint("127.0.0.1", server.get_port()))
    finally:
        server.close()
        await server.wait_closed()


def machine(*endpoints: Endpoint) -> Machine:
    return Machine(
        instance=InstanceId("1"), machine=MachineId("1"), gpu="", vram_mb=0, rate=MicroUsd(0), endpoints=endpoints,
        since=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def hosts(tmp_path: Path) -> SshHosts:
    return SshHosts(tmp_path / "keys" / "id_ed25519")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def on(hosts: SshHosts, serve: Serve, work: Callable[[Host], Awaitable[None]]) -> None:
    """Do `work` on a box that `serve`s."""

    async def scene() -> None:
        async with box(serve, hosts.public_key) as rented, hosts.open(rented) as host:
            await work(host)

    asyncio.run(scene())


def fault_on(hosts: SshHosts, serve: Serve, work: Callable[[Host], Awaitable[None]]) -> Fault:
    with pytest.raises(Fault) as caught:
        on(hosts, serve, work)
    return caught.value
