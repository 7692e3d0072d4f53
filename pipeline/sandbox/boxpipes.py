"""Carries bytes between an SSH session and a command's pipes or terminal, each way as slow as the slower side.

asyncssh's own `redirect` lost the end of larger streams (2.24.1: 950,272 of 1,024,000 bytes came back from `cat`).
"""

import asyncio
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import asyncssh

Session = asyncssh.SSHServerProcess[bytes]
CHUNK: Final = 1 << 16


class Pipes:
    """`theirs` is what the command gets as stdin, stdout and stderr; close it once it has been handed over."""

    def __init__(self) -> None:
        pairs = [os.pipe() for _ in range(3)]
        self.theirs = (pairs[0][0], pairs[1][1], pairs[2][1])
        self._ours = (pairs[0][1], pairs[1][0], pairs[2][0])

    def handed_over(self) -> None:
        for descriptor in self.theirs:
            os.close(descriptor)

    async def carry(self, session: Session, ending: asyncio.Future[int]) -> int:
        """The exit code, when the command has ended and nobody holds its output open any more, as sshd waits."""
        stdin, stdout, stderr = self._ours
        async with asyncio.TaskGroup() as ways:
            into = ways.create_task(_into(session.stdin, stdin))
            out = [
                ways.create_task(_out(stdout, session.stdout)),
                ways.create_task(_out(stderr, session.stderr)),
            ]
            code = await ending
            await asyncio.wait(out)
            into.cancel()
        return code


class Terminal:
    """The same as a terminal, for a session that asked for one: its size is the caller's, and follows it."""

    def __init__(self, session: Session) -> None:
        self._master, slave = os.openpty()
        self.theirs = (slave, slave, slave)
        width, height, *_ = session.get_terminal_size()
        self._resize(width, height)

    def handed_over(self) -> None:
        os.close(self.theirs[0])

    async def carry(self, session: Session, ending: asyncio.Future[int]) -> int:
        keys = os.dup(self._master)
        async with asyncio.TaskGroup() as ways:
            into = ways.create_task(_into(session.stdin, keys, self._resize))
            out = ways.create_task(_out(self._master, session.stdout))  # a dead terminal reads as an error: its end
            code = await ending
            await asyncio.wait([out])
            into.cancel()
        return code

    def _resize(self, width: int, height: int) -> None:
        termios.tcsetwinsize(self._master, (height, width))


def _no_size(width: int, height: int) -> None:
    """Pipes have none."""


async def _into(
    stdin: asyncssh.SSHReader[bytes], descriptor: int, resize: Callable[[int, int], None] = _no_size
) -> None:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(descriptor, "wb", 0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        with suppress(OSError, asyncssh.Error):  # the command stopped reading, or the caller left
            while data := await _typed(stdin, resize):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


async def _typed(stdin: asyncssh.SSHReader[bytes], resize: Callable[[int, int], None]) -> bytes:
    """What comes next; asyncssh tells of a new size in between as an exception."""
    while True:
        try:
            return await stdin.read(CHUNK)
        except asyncssh.TerminalSizeChanged as changed:
            resize(changed.width, changed.height)


async def _out(descriptor: int, writer: asyncssh.SSHWriter[bytes]) -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    try:
        with suppress(OSError, asyncssh.Error):  # the caller left: the command's next word meets a closed pipe
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
    finally:
        transport.close()
