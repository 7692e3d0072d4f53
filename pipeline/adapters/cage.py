"""One child process for one task: bytes in, bytes out, nothing inherited, killed with its group when its time is up."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code (negative: the signal), its stdout whole, the end of its stderr."""

    code: int
    out: bytes
    complaint: bytes


async def run(argv: Sequence[str], said: bytes, *, seconds: float, most: int, most_complaint: int = 8192) -> Ended:
    """Run `argv` in an empty environment and a session of its own, feed it `said`.

    After `seconds`, or `most` bytes of stdout, its group is killed and the code is -9. Cancelling kills it too.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(_feed(process.stdin, said))
            out = group.create_task(_capped(process.stdout, most, process))
            complaint = group.create_task(_tail(process.stderr, most_complaint))
            code = group.create_task(process.wait())
        return Ended(code.result(), out.result(), complaint.result())
    except TimeoutError:
        return Ended(-signal.SIGKILL, b"", b"")
    finally:
        if process.returncode is None:
            _kill(process)
            await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _feed(stdin: asyncio.StreamWriter, said: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it died first: its exit code says more
        stdin.write(said)
        await stdin.drain()
    stdin.close()


async def _capped(stream: asyncio.StreamReader, most: int, process: asyncio.subprocess.Process) -> bytes:
    parts: list[bytes] = []
    left = most
    while part := await stream.read(_CHUNK):
        parts.append(part)
        left -= len(part)
        if left < 0:
            _kill(process)
            return b""
    return b"".join(parts)


async def _tail(stream: asyncio.StreamReader, most: int) -> bytes:
    kept = b""
    while part := await stream.read(_CHUNK):
        kept = (kept + part)[-most:]
    return kept
