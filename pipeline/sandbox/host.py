"""One rented machine on loopback: a real SSH server that runs real bash and SFTP in the machine's own folder."""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncssh

from pipeline.sandbox.boxfiles import HALFWAY, BoxFiles, Build, furnish, search_path
from pipeline.sandbox.boxlife import Processes
from pipeline.sandbox.boxpipes import Pipes, Session, Terminal
from pipeline.sandbox.thinline import ThinLine

LOOPBACK: Final = "127.0.0.1"
ELSEWHERE: Final = "127.0.0.2"  # this machine, too
QUEUE: Final = 3  # knocks that fill the queue of a socket that listens for none
GOODBYE: Final = 2.0  # real seconds for clients to hear that the server leaves

Admits = Callable[[str], bool]  # whether a public key, type and body, may come in now


def bare(public_key: str) -> str:
    """Type and body of an OpenSSH public key; its comment says nothing. "" when it is none."""
    try:
        kind, body, *_ = asyncssh.import_public_key(public_key).export_public_key().decode().split()
    except (asyncssh.KeyImportError, UnicodeError):
        return ""
    return f"{kind} {body}"


class Door(asyncssh.SSHServer):
    """Lets root in with an admitted key, asked for at each login; nobody else, nohow."""

    def __init__(self, admits: Admits, guests: set[asyncssh.SSHServerConnection]) -> None:
        self._admits = admits
        self._guests = guests

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._guest = conn
        self._guests.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncssh's signature
        self._guests.discard(self._guest)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "root" and self._admits(bare(key.export_public_key().decode()))


class Box:
    """A machine that is off until `start`, and whose two ports are its own from the first moment.

    `port` is reached directly, `proxy_port` plays the market's proxy; until `open_doors` both refuse connections.
    A market that lies sets `swallows` (the direct port is a black hole), `proxied` (False: the proxy refuses for
    ever) and `admits_nobody` (no key opens).
    """

    def __init__(self, folder: Path, build: Build, *, direct: Admits, proxy: Admits) -> None:
        folder.mkdir(parents=True)
        self.home = folder.resolve() / "root"
        self.home.mkdir()
        (self.home / "tmp").mkdir()
        self.onstart_log = self.home.parent / "onstart.log"
        self._build = build
        self._admits = (direct, proxy)
        self.swallows = False
        self.proxied = True
        self.admits_nobody = False
        self.address = LOOPBACK
        self._stuffed: list[socket.socket] = []
        self._sockets = [_reserve(0), _reserve(0)]
        self.port, self.proxy_port = (each.getsockname()[1] for each in self._sockets)
        self.new_key()
        self._guests: set[asyncssh.SSHServerConnection] = set()
        self._listening: list[asyncssh.SSHAcceptor] = []
        self._processes: Processes | None = None
        self._line: ThinLine | None = None

    @property
    def host_key(self) -> str:
        """Type and body of the key the machine shows; a new one for each rental."""
        return bare(self._key.export_public_key().decode())

    @property
    def halfway(self) -> Path:
        """Is there once a training on it has done half of its steps."""
        return self.home.parent / "bin" / HALFWAY

    def new_key(self) -> None:
        """Who comes next sees another machine."""
        self._key = asyncssh.generate_private_key("ssh-ed25519")

    async def start(self, onstart: str, secrets: Mapping[str, str], *, shut: bool = False) -> None:
        """Switch on: run `onstart`, which alone sees `secrets`, and let SSH in unless the doors stay `shut`."""
        own = self.home.parent / "bin"
        if self._build.line:
            self._line = ThinLine(self._build.line)
        furnish(own, self.home, self._build, self.host_key, await self._line.open() if self._line else 0)
        processes = Processes(self._environment(own), self.home)
        self._processes = processes
        await processes.open()
        if onstart:
            processes.start(("bash", "-c", onstart), self.onstart_log, secrets)
        if not shut:
            await self.open_doors()

    async def open_doors(self) -> None:
        """Let SSH in, at both ports, as far as this machine does at all."""
        direct, proxy = self._sockets
        if self.swallows:
            self._stuffed = _stuff(direct)
        else:
            await self._open(self._admits[0], direct)
        if self.proxied:
            await self._open(self._admits[1], proxy)

    async def _open(self, admits: Admits, sock: socket.socket) -> None:
        self._listening.append(await self._listen(admits, sock))
        self._sockets.remove(sock)  # until then ours to close

    async def shut_doors(self) -> None:
        """The line is lost, the work is not: who is logged in is cut off, processes run on, both ports refuse."""
        for listening in self._listening:
            listening.close()
        self._listening = []
        for guest in list(self._guests):
            guest.abort()
        self._release()
        self._sockets = [_reserve(self.port, self.address), _reserve(self.proxy_port)]

    def move(self) -> None:
        """Behind shut doors: another address where this system has one, and other ports."""
        self._release()
        try:
            self._sockets = [_reserve(0, ELSEWHERE)]
            self.address = ELSEWHERE
        except OSError:  # not every system answers on all of 127/8
            self._sockets = [_reserve(0)]
        self._sockets.append(_reserve(0))
        self.port, self.proxy_port = (each.getsockname()[1] for each in self._sockets)

    def _let_in(self, admits: Admits) -> Admits:
        return lambda key: not self.admits_nobody and admits(key)

    def _environment(self, own: Path) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": search_path(own),
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.home / "tmp"),
        }

    async def _listen(self, admits: Admits, sock: socket.socket) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            sock=sock,
            config=None,
            server_host_keys=[self._key],
            server_factory=lambda: Door(self._let_in(admits), self._guests),
            process_factory=self._serve,
            sftp_factory=lambda chan: BoxFiles(chan, self.home),
            allow_scp=True,
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            compression_algs=None,
            gss_host=None,
        )

    async def _serve(self, session: Session) -> None:
        """Run one command, as sshd does; the caller may leave, the command stays."""
        assert self._processes is not None
        argv = ("bash", "-c", session.command) if session.command is not None else ("bash",)
        pipes = Terminal(session) if session.get_terminal_type() else Pipes()
        ending = self._processes.run(argv, pipes.theirs)
        pipes.handed_over()
        code = await pipes.carry(session, ending)
        with suppress(asyncssh.Error, OSError):  # the caller may have left: the command lived on
            if code < 0:
                session.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            else:
                session.exit(code)

    async def stop(self) -> None:
        """Switch off: connections end, and every process with them; files stay. Idempotent."""
        for listening in self._listening:
            listening.close()
        self._listening = []
        for guest in list(self._guests):
            guest.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                for guest in list(self._guests):
                    await guest.wait_closed()
        for guest in list(self._guests):
            guest.abort()
        if self._processes is not None:
            await self._processes.close()
        if self._line is not None:
            await self._line.close()
            self._line = None
        self._release()
        self._sockets = [_reserve(self.port, self.address), _reserve(self.proxy_port)]

    async def dismantle(self) -> None:
        """Switch off for ever: the ports are free again."""
        await self.stop()
        self._release()

    def _release(self) -> None:
        for sock in (*self._sockets, *self._stuffed):
            sock.close()
        self._sockets, self._stuffed = [], []


def _stuff(sock: socket.socket) -> list[socket.socket]:
    """Make a bound socket a black hole: its queue is full, so the kernel drops whoever knocks. What fills it."""
    sock.listen(0)
    knocks = [socket.socket() for _ in range(QUEUE)]
    for knock in knocks:
        knock.setblocking(False)  # noqa: FBT003  # the socket's own signature
        knock.connect_ex(sock.getsockname())
    return knocks


def _reserve(port: int, address: str = LOOPBACK) -> socket.socket:
    """A port that is ours and refuses connections: bound, not listening. Raises OSError when it is taken."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    return sock
