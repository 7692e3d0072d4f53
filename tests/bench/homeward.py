"""Another way home for a file, over SFTP, as a prototype beside `Hosts.get`: what is known of it is at `bring`."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

import asyncssh
from asyncssh.sftp import start_sftp_client

from pipeline.adapters.ssh import SshHost
from pipeline.adapters.ssh_line import hang_up
from pipeline.domain.ids import Sha256
from pipeline.trainers.box import Command, numbers

WINDOW: Final = 16 << 20
BLOCK: Final = 255 * 1024  # what OpenSSH gives at most for one request
REQUESTS: Final = 32
SFTP_VERSION: Final = 3
HASH: Final = "command -v openssl > /dev/null && exec openssl dgst -sha256 -r; exec sha256sum"  # 0.17 s against 1.04


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


async def bring(host: SshHost, remote: str, part: Path) -> Sha256:
    """Bring `remote` to `part`: the box hashes while it sends, we hash while it comes. Raises ValueError.

    It was ahead while `Hosts.get` did one after the other. Since that hashes at both ends while it receives, and the
    box's openssl reads the file by itself, this one is behind on loopback: 7 pairs with scp and a real sshd on a busy
    machine, 1.06x of scp's time for `Hosts.get` against 1.32x. Hashing and writing in a thread won nothing there
    either (9 pairs: 1.24x with it, 1.19x without): two processors have no third hand.
    """
    async with asyncio.TaskGroup() as first:
        sizing = first.create_task(host.run(Command("size", f'echo "size=$(stat -c %s {remote})"')))
        bulk = first.create_task(host._line._another())
    size = numbers(sizing.result().out)["size"]
    try:
        async with asyncio.TaskGroup() as both:
            script = f"head -c {size} {remote} | {{ {HASH}; }}"
            hashing = both.create_task(host.run(Command("hash", script, seconds=300)))
            digest = await _pulled(bulk.result(), remote, part, size)
    finally:
        await hang_up(bulk.result())
    told = re.match(rb"[0-9a-f]{64}", hashing.result().out)
    if told is None or told.group().decode("ascii") != digest:
        raise ValueError("file-changed")
    return digest


async def _pulled(bulk: asyncssh.SSHClientConnection, remote: str, part: Path, size: int) -> Sha256:
    """Write `size` bytes in order, hashing them on their way. A part that exists is gone on with."""
    digest = hashlib.sha256()
    file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        done = await asyncio.to_thread(_kept, file, size, digest)
        async for chunk in _chunks(bulk, remote, done, size):
            digest.update(chunk)
            done += os.write(file, chunk)
    finally:
        os.close(file)
    if done != size:
        raise ValueError("cut")
    return Sha256(digest.hexdigest())


async def _chunks(bulk: asyncssh.SSHClientConnection, remote: str, done: int, size: int) -> AsyncIterator[bytes]:
    """Bytes `done` to `size` of `remote`, in order. `start_sftp_client` is half private; only it sets the window."""
    writer, reader, _ = await bulk.open_session(subsystem="sftp", encoding=None, window=WINDOW)
    loop = asyncio.get_running_loop()
    client = await start_sftp_client(bulk, loop, "strict", reader, writer, "utf-8", "strict", SFTP_VERSION)
    late: dict[int, bytes] = {}
    async with client, client.open(remote, "rb", block_size=BLOCK, max_requests=REQUESTS) as file:
        async for at, data in await file.read_parallel(size - done, done):
            late[at] = data
            while (chunk := late.pop(done, None)) is not None:
                done += len(chunk)
                yield chunk


def _kept(file: int, size: int, digest: Digest) -> int:
    """Hash what an earlier try left, and stand behind it."""
    done = 0
    while done < size and (chunk := os.read(file, min(1 << 20, size - done))):
        digest.update(chunk)
        done += len(chunk)
    os.ftruncate(file, done)
    return done
