"""Port Hosts over SSH: one way to connect, one channel per command, one place where asyncssh's errors become ours."""

import asyncio
import math
import os
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import asyncssh

from pipeline.adapters import ssh_files
from pipeline.domain.faults import Fault, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import Sha256
from pipeline.domain.job import Endpoint, Machine
from pipeline.ports import Answer
from pipeline.trainers.box import Command

USER: Final = "root"
READY: Final = b"\nts-ready\n"  # what comes before it is a login shell's chatter
OVERDUE: Final = frozenset({124, 137})  # how `timeout` says that it had to end a script
NOISE_CAP: Final = 16 * 1024
WINDOW: Final = 256 * 1024  # of an answer: what may be on its way when the cap is reached
WIDE: Final = 8 * 1024 * 1024  # of a download: asyncssh's own 2 MiB caps it at 12 MB/s over 80 ms (facts/ssh.md)
GRACE: Final = 15.0  # seconds beyond a command's own limit, for the line
KNOCKS: Final = 50  # logins at once: after a restart every box is asked
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

    @property
    def public_key(self) -> str:
        """Type and key, without a comment: it would tell strangers a name."""
        return _two_words(self._key)

    @asynccontextmanager
    async def open(self, machine: Machine) -> AsyncIterator["SshHost"]:
        """Log in through the first pair that lets us."""
        connection = await self._login(machine)
        try:
            yield SshHost(connection)
        finally:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await connection.wait_closed()
            connection.abort()

    async def _login(self, machine: Machine) -> asyncssh.SSHClientConnection:
        errors: dict[str, Fault] = {}
        for endpoint in machine.endpoints:
            try:
                async with self._knocks:
                    return await self._connect(endpoint, machine.host_key)
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
    """Port Host: one login."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection
        key = connection.get_server_host_key()
        self.host_key = _two_words(key) if key else ""

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

    async def put(self, local: Path, remote: str) -> None:
        """HostFault("upload-differs") when the box does not hold what we sent, "box-disk" when it takes nothing."""
        await ssh_files.put(self, local, remote)

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        """HostFault "box-file-missing", "file-too-big", "file-changed", "transfer-slow"; OperatorFault("home-disk")."""
        return await ssh_files.get(self, remote, local, cap)

    async def list(self, remote: str, *, most: int = 500) -> list[tuple[str, int]]:
        return await ssh_files.listing(self, remote, most)

    @asynccontextmanager
    async def channel(self, script: str, seconds: float, *, wide: bool = False) -> AsyncIterator["Channel"]:
        """A running script, past its login shell's chatter; killed on the box after `seconds`, cut off when left.

        `cd`, because a login shell may have gone elsewhere; `timeout`, because a script outlives its channel.
        """
        line = f"printf '\\nts-ready\\n'; cd; exec timeout -k 5 {math.ceil(seconds)} sh -c {shlex.quote(script)}"
        with translated("ssh-lost"):
            async with asyncio.timeout(GRACE):
                writer, reader, _ = await self._connection.open_session(
                    line, encoding=None, window=WIDE if wide else WINDOW
                )
            try:
                channel = Channel(writer, reader)
                async with asyncio.timeout(GRACE):
                    await channel.settle()
                yield channel
            finally:
                writer.channel.abort()


class Channel:
    """A script's two ends, in bytes."""

    def __init__(self, writer: "asyncssh.SSHWriter[bytes]", reader: "asyncssh.SSHReader[bytes]") -> None:
        self._writer = writer
        self._reader = reader
        self._ahead = b""

    async def settle(self) -> None:
        """Read up to the mark. Raises HostSilent("ssh-no-shell") when a login says a lot but never gets there."""
        seen = b""
        while READY not in seen:
            chunk = await self._reader.read(4096)
            seen += chunk
            if not chunk or len(seen) > NOISE_CAP:
                raise HostSilent("ssh-no-shell")
        self._ahead = seen.split(READY, 1)[1]

    async def read(self, most: int = 256 * 1024) -> bytes:
        """Some bytes; b"" at the end."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        return await self._reader.read(most)

    async def write(self, chunk: bytes) -> None:
        self._writer.write(chunk)
        await self._writer.drain()

    def end(self) -> None:
        self._writer.write_eof()

    async def code(self) -> int:
        """The script's exit code; -1 when it was killed. No code at all is a line that went away: HostSilent."""
        channel = cast("asyncssh.SSHClientChannel[bytes]", self._writer.channel)
        await channel.wait_closed()
        code = channel.get_exit_status()
        if code is None:
            raise HostSilent("ssh-lost", why="no-exit-code")
        return -1 if code in OVERDUE else code


@contextmanager
def translated(silent: str, *, pinned: bool = False) -> Iterator[None]:
    """Every way asyncssh fails, as ours. `silent` names a line that is dead here."""
    try:
        yield
    except asyncssh.PermissionDenied:
        raise HostSilent("ssh-refused-key") from None
    except asyncssh.HostKeyNotVerifiable:
        raise HostFault("host-key-changed") from None
    except asyncssh.KeyExchangeFailed:  # a pinned box that has no key of that kind any more is another box
        raise (HostFault("host-key-changed") if pinned else HostSilent(silent, why="no-common-algorithm")) from None
    except (asyncssh.Error, OSError) as error:  # OSError holds TimeoutError and ConnectionError
        raise HostSilent(silent, why=type(error).__name__) from None


def _two_words(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])


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
        path.with_name(f"{path.name}.pub").write_text(_two_words(key) + "\n", encoding="ascii")
    draft.unlink()
