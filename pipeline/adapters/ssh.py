"""Port Hosts over SSH: one key, one way to log in.

Everybody who talks to a machine shares one control connection (ssh_line.py); files travel as ssh_files.py says.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncssh

from pipeline.adapters import ssh_files
from pipeline.adapters.ssh_line import GRACE, Channel, Line, translated, two_words
from pipeline.domain.faults import Fault, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, Sha256
from pipeline.domain.job import Endpoint, Machine
from pipeline.ports import Answer
from pipeline.trainers.box import Command

USER: Final = "root"
KNOCKS: Final = 50  # logins at once: after a restart every box is asked
HAULERS: Final = 3  # files at once, of all machines: more only share the same line (facts/ssh.md)
LEAN: Final[dict[str, Any]] = {
    # None is what switches the configuration off: with () asyncssh 2.24.1 reads ~/.ssh/config, and what is in it
    # (ForwardAgent, SendEnv, ProxyCommand) acts.
    "config": None,
    "agent_path": None,
    "agent_forwarding": False,
    "gss_host": None,
    "x509_trusted_certs": None,
    "compression_algs": None,
    "preferred_auth": ("publickey",),
    "kex_algs": "^curve25519-sha256",  # "^": preferred, others still allowed; odd boxes exist
    "encryption_algs": "^aes128-gcm@openssh.com",
    "server_host_key_algs": "^ssh-ed25519",
    "connect_timeout": 10,
    "login_timeout": 20,
    "keepalive_interval": 15,
    "keepalive_count_max": 3,
}
_GRAVITY: Final = ("host-key-changed", "ssh-refused-key", "ssh-unreachable")  # of several endpoints' errors, the first


class SshHosts:
    """Boxes, reached with one key of ours. The pair is made, 0600, when there is none."""

    def __init__(self, key_path: Path) -> None:
        """Raises OperatorFault("ssh-key-unreadable")."""
        try:
            _make_pair(key_path)
            self._key = asyncssh.read_private_key(key_path)
        except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise OperatorFault("ssh-key-unreadable", path=key_path.name) from None
        self._knocks = asyncio.Semaphore(KNOCKS)
        self._haulers = asyncio.Semaphore(HAULERS)
        self._lines: dict[InstanceId, Line] = {}

    @property
    def public_key(self) -> str:
        return two_words(self._key)

    @asynccontextmanager
    async def open(self, machine: Machine) -> AsyncIterator["SshHost"]:
        """The machine, logged in. Its connection is shared, and ends with its last user."""
        line = self._lines.setdefault(machine.instance, Line(self._login, self._haulers))
        line.users += 1
        try:
            await line.up(machine)
            yield SshHost(line)
        finally:
            line.users -= 1
            if not line.users:
                del self._lines[machine.instance]
                await line.close()

    async def _login(self, machine: Machine, pin: str) -> asyncssh.SSHClientConnection:
        """Log in through the first pair that lets us."""
        errors: dict[str, Fault] = {}
        for endpoint in machine.endpoints:
            try:
                async with self._knocks:
                    return await self._connect(endpoint, pin)
            except HostFault as error:
                errors.setdefault(error.code, error)
        raise next(
            (errors[code] for code in _GRAVITY if code in errors), HostSilent("ssh-unreachable", why="no-address")
        )

    async def _connect(self, endpoint: Endpoint, pin: str) -> asyncssh.SSHClientConnection:
        with translated("ssh-unreachable", pinned=bool(pin)):
            known: Any = ([asyncssh.import_public_key(pin)], [], []) if pin else None
            return await asyncssh.connect(
                endpoint.host, endpoint.port, username=USER, client_keys=[self._key], known_hosts=known, **LEAN
            )


class SshHost:
    """Port Host: one user of a machine's line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.host_key = line.host_key

    async def run(self, command: Command) -> Answer:
        """Run a script in the login's home.

        Raises HostFault("output-too-big"), HostSilent("ssh-lost") when the answer does not come in time.
        """
        out = bytearray()
        async with self.channel(command.script, command.seconds) as channel, asyncio.timeout(command.seconds + GRACE):
            channel.end()
            while chunk := await channel.read():
                out += chunk
                if len(out) > command.cap:
                    raise HostFault("output-too-big", command=command.name, cap=command.cap)
            return Answer(await channel.code(), bytes(out))

    async def ask(self, program: Command, *question: int) -> bytes:
        return await self._line.ask(program, *question)

    async def put(self, local: Path, remote: str) -> None:
        """HostFault("upload-differs") when the box does not hold what we sent, "box-disk" when it takes nothing."""
        await ssh_files.put(self, local, remote)

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        """HostFault "box-file-missing", "file-too-big", "file-changed", "transfer-slow"; OperatorFault("home-disk")."""
        return await ssh_files.get(self, remote, local, cap)

    async def list(self, remote: str, *, most: int = 500) -> list[tuple[str, int]]:
        return await ssh_files.listing(self, remote, most)

    def channel(self, script: str, seconds: float, *, wide: bool = False) -> AbstractAsyncContextManager[Channel]:
        """A running script; `wide` for bulk, on a connection of its own."""
        return self._line.haul(script, seconds) if wide else self._line.channel(script, seconds)


def _make_pair(path: Path) -> None:
    """Make an ed25519 pair, unless there is one. Of two processes at once, one wins and both use its pair."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(b"")
    draft.chmod(0o600)
    draft.write_bytes(key.export_private_key("openssh"))
    with suppress(FileExistsError):
        path.hardlink_to(draft)
        path.with_name(f"{path.name}.pub").write_text(two_words(key) + "\n", encoding="ascii")
    draft.unlink()
