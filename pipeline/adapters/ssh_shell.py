"""A person at a box: an interactive shell through our terminal, its size followed; or a script on standard input."""

import asyncio
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncssh

from pipeline.adapters.ssh import LEAN, USER
from pipeline.adapters.ssh_line import translated
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Machine

CHUNK: Final = 16 * 1024
INTERRUPTED: Final = -1

Process = asyncssh.SSHClientProcess[bytes]


class Screen:
    """Where the person sits: two descriptors, a terminal or not."""

    def __init__(self, keys: int = 0, glass: int = 1, term: str = "xterm") -> None:
        self.keys, self.glass, self.term = keys, glass, term
        self.typed = os.isatty(keys) and os.isatty(glass)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        width, height = os.get_terminal_size(self.glass)
        return width, height

    def show(self, chunk: bytes) -> None:
        while chunk:
            chunk = chunk[os.write(self.glass, chunk) :]

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Every key goes to the box, Ctrl-C too; afterwards the terminal is what it was."""
        if not self.typed:
            yield
            return
        before = termios.tcgetattr(self.keys)
        tty.setraw(self.keys, termios.TCSANOW)  # what was typed ahead is not thrown away
        try:
            yield
        finally:
            termios.tcsetattr(self.keys, termios.TCSADRAIN, before)


async def shell(key_path: Path, machine: Machine, script: str, screen: Screen) -> int:
    """Run `script` with the person's keys as its input until it ends; its exit code, -1 when a signal ended it.

    Raises HostSilent when the line breaks, HostFault("host-key-changed"): a box is pinned, here as everywhere.
    """
    connection = await _login(key_path, machine)
    try:
        with translated("ssh-lost"), screen.raw():
            how: dict[str, Any] = {"encoding": None, "stderr": asyncssh.STDOUT}
            if screen.typed:
                how |= {"term_type": screen.term, "term_size": screen.size}
            process: Process = await connection.create_process(script, **how)
            return await _attend(process, screen)
    finally:
        connection.close()
        connection.abort()


async def _login(key_path: Path, machine: Machine) -> asyncssh.SSHClientConnection:
    key, pin = asyncssh.read_private_key(key_path), asyncssh.import_public_key(machine.host_key)
    known: Any = ([pin], [], [])
    lost: HostFault = HostSilent("ssh-unreachable", why="no-address")
    for endpoint in machine.endpoints:
        try:
            with translated("ssh-unreachable", pinned=True):
                return await asyncssh.connect(
                    endpoint.host, endpoint.port, username=USER, client_keys=[key], known_hosts=known, **LEAN
                )
        except HostFault as fault:
            lost = fault
    raise lost


async def _attend(process: Process, screen: Screen) -> int:
    """Keys in, bytes out, until the other side ends."""
    loop = asyncio.get_running_loop()
    if screen.typed:
        loop.add_signal_handler(signal.SIGWINCH, lambda: process.change_terminal_size(*screen.size))
    try:
        with _keys(screen.keys, process):
            while chunk := await process.stdout.read(CHUNK):
                screen.show(chunk)
        done = await process.wait()
    finally:
        if screen.typed:
            loop.remove_signal_handler(signal.SIGWINCH)
    if done.exit_status is None and done.exit_signal is None:
        raise HostSilent("ssh-lost", why="no-exit-code")
    return INTERRUPTED if done.exit_status is None else done.exit_status


@contextmanager
def _keys(keys: int, process: Process) -> Iterator[None]:
    """Hand on what is typed. A file cannot be waited for: it is read whole, and is never long in coming."""
    loop = asyncio.get_running_loop()
    forget: Callable[[], object] = lambda: loop.remove_reader(keys)  # noqa: E731  # one line says it

    def typed() -> None:
        chunk = os.read(keys, CHUNK)
        with suppress(BrokenPipeError, asyncssh.Error, OSError):
            if chunk:
                process.stdin.write(chunk)
            else:
                forget()
                process.stdin.write_eof()

    try:
        loop.add_reader(keys, typed)
    except PermissionError:
        while chunk := os.read(keys, CHUNK):
            process.stdin.write(chunk)
        process.stdin.write_eof()
    try:
        yield
    finally:
        forget()
