"""One machine's SSH: the control connection all its users share, channels on it, the pump, connections for bulk."""

import asyncio
import binascii
import math
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, cast

import asyncssh

from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Machine
from pipeline.trainers.box import Command

READY: Final = b"\nts-ready\n"  # what comes before it is a login shell's chatter
OVERDUE: Final = frozenset({124, 137})  # how `timeout` says that it had to end a script
NOISE_CAP: Final = 16 * 1024
WINDOW: Final = 256 * 1024  # of an answer: what may be on its way when the cap is reached
WIDE: Final = 8 * 1024 * 1024  # of a download: asyncssh's own 2 MiB caps it at 12 MB/s over 80 ms (facts/ssh.md)
GRACE: Final = 15.0  # seconds beyond a command's own limit, for the line
CHANNELS: Final = 6  # at once on a connection: sshd allows ten, one is the pump's, and it counts a left one for a while
ROOM: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between tries for a channel on a connection that is full
FULL: Final = "no-channel"
PUMPING: Final = 3600.0  # seconds: a pump whose line was lost without a word ends by itself, and ours starts another

Dial = Callable[[Machine, str], Awaitable[asyncssh.SSHClientConnection]]


class Line:
    """The way to one machine. The connection is made when it is first needed, and again when it was lost."""

    def __init__(self, dial: Dial, haulers: asyncio.Semaphore) -> None:
        self.users = 0
        self.host_key = ""  # learned at the first login, and demanded at each one after that
        self._dial = dial
        self._haulers = haulers
        self._machine: Machine | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._pumps: dict[str, Pump] = {}
        self._turn = asyncio.Lock()
        self._channels = asyncio.Semaphore(CHANNELS)

    async def up(self, machine: Machine) -> None:
        """Be connected to `machine`, as its latest endpoints have it. Raises HostFault("host-key-changed")."""
        if machine.host_key and self.host_key and machine.host_key != self.host_key:
            raise HostFault("host-key-changed")
        self._machine = machine
        self.host_key = self.host_key or machine.host_key
        await self._connected()

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._another()
            return self._connection

    async def _another(self) -> asyncssh.SSHClientConnection:
        assert self._machine is not None
        connection = await self._dial(self._machine, self.host_key)
        key = connection.get_server_host_key()
        self.host_key = two_words(key) if key else ""
        return connection

    @asynccontextmanager
    async def channel(self, script: str, seconds: float) -> AsyncIterator["Channel"]:
        """A running script, past its login shell's chatter; killed on the box after `seconds`, cut off when left."""
        async with self._channels:
            channel = await self.start(script, seconds)
            try:
                with translated("ssh-lost"):
                    yield channel
            finally:
                channel.drop()

    @asynccontextmanager
    async def haul(self, script: str, seconds: float) -> AsyncIterator["Channel"]:
        """The same for bulk: on a short-lived connection of its own, so that no poll waits behind it."""
        async with self._haulers:
            connection = await self._another()
            try:
                with translated("ssh-lost"):
                    yield await started(connection, script, seconds, WIDE)
            finally:
                await hang_up(connection)

    async def start(self, script: str, seconds: float) -> "Channel":
        """A channel on the shared connection; where that turns out to be dead, on a new one."""
        for pause in ROOM:
            connection = await self._connected()
            try:
                return await started(connection, script, seconds, WINDOW)
            except HostSilent as lost:
                if lost.code != "ssh-lost":
                    raise
                full = lost.facts.get("why") == FULL and not connection.is_closed()
            if full:  # nobody else's channel may end because there was none for us
                await asyncio.sleep(pause)
                continue
            connection.abort()
            self._connection = None if self._connection is connection else self._connection
            break
        return await started(await self._connected(), script, seconds, WINDOW)

    async def ask(self, program: Command, *question: int) -> bytes:
        """Ask the pump `program`; one that died, or sits on a dead line, is replaced once."""
        pump = self._pumps.setdefault(program.script, Pump(self, program))
        try:
            return await pump.ask(*question)
        except HostSilent:
            return await pump.ask(*question)

    async def close(self) -> None:
        self._pumps.clear()
        if self._connection is not None:
            await hang_up(self._connection)


class Pump:
    """A program that stays: a line of numbers in, one line of base64 out. A question is one round trip."""

    def __init__(self, line: Line, program: Command) -> None:
        self._line = line
        self._program = program
        self._channel: Channel | None = None
        self._turn = asyncio.Lock()

    async def ask(self, *question: int) -> bytes:
        """Raises HostSilent("ssh-lost") when no whole answer comes in time, HostFault("output-too-big")."""
        async with self._turn:
            try:
                with translated("ssh-lost"):
                    async with asyncio.timeout(self._program.seconds + GRACE):
                        return await self._asked(*question)
            except BaseException:
                self._stop()  # or a late answer would be taken for the next question's
                raise

    async def _asked(self, *question: int) -> bytes:
        if self._channel is None:
            self._channel = await self._line.start(self._program.script, PUMPING)
        await self._channel.write(b" ".join(b"%d" % number for number in question) + b"\n")
        frame = await self._channel.line(most=self._program.cap * 4 // 3 + 8, name=self._program.name)
        try:
            return binascii.a2b_base64(frame, strict_mode=True)
        except binascii.Error:
            raise HostFault("box-unreadable") from None

    def _stop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.drop()


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

    async def line(self, *, most: int, name: str) -> bytes:
        """One line, without its end. Raises HostFault("output-too-big"), HostSilent("ssh-lost") when it never ends."""
        seen = bytearray()
        while (end := seen.find(b"\n")) < 0:
            if len(seen) > most:
                break
            chunk = await self.read()
            if not chunk:
                raise HostSilent("ssh-lost", why="ended")
            seen += chunk
        if not 0 <= end <= most:
            raise HostFault("output-too-big", command=name, cap=most)
        self._ahead = bytes(seen[end + 1 :])
        return bytes(seen[:end])

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

    def drop(self) -> None:
        """Leave the script."""
        self._writer.channel.abort()


async def started(connection: asyncssh.SSHClientConnection, script: str, seconds: float, window: int) -> Channel:
    """`script`, begun: after a `cd`, for logins may have gone elsewhere; under `timeout`, for scripts outlive channels.

    Raises HostSilent("ssh-lost" | "ssh-no-shell").
    """
    line = f"printf '\\nts-ready\\n'; cd; exec timeout -k 5 {math.ceil(seconds)} sh -c {shlex.quote(script)}"
    with translated("ssh-lost"):
        async with asyncio.timeout(GRACE):
            try:
                writer, reader, _ = await connection.open_session(line, encoding=None, window=window)
            except asyncssh.ChannelOpenError:
                raise HostSilent("ssh-lost", why=FULL) from None
            try:
                channel = Channel(writer, reader)
                await channel.settle()
            except BaseException:
                writer.channel.abort()
                raise
            return channel


async def hang_up(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            await connection.wait_closed()
    connection.abort()


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


def two_words(key: asyncssh.SSHKey) -> str:
    """Type and key, without a comment: it would tell strangers a name."""
    return " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])
