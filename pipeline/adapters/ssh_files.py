"""Files to and from a box, over plain channels.

A file comes home in one channel: size, bytes, hash. Beside a prototype over SFTP (32 requests on their way), each in 7
pairs with scp and a real sshd, on a busy machine (tests/bench/ssh.py, 171 MB, 80 ms, 200 Mbit/s): 0.85x of scp's time
against 0.93x. It resumes by an offset, and images without an SFTP server exist. What a box claims about a file only
ever makes us stop earlier: the cap counts bytes that came.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final, Protocol, TypeVar

from pipeline.domain.faults import HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import Sha256
from pipeline.ports import Answer
from pipeline.trainers.box import Command, numbers

T = TypeVar("T")

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
SILENCE: Final = 30.0  # seconds without a byte
SLOWEST: Final = 20_000  # bytes a second, over WATCH seconds
WATCH: Final = 60.0
LONGEST: Final = 6 * 3600.0  # on the box; ours is the watch
BULK: Final = 16 * 1024 * 1024  # what may be larger is worth a connection of its own
BLOCK: Final = 256 * 1024
CLAIM: Final = 60.0  # seconds for a file's size
TOLD: Final = 200  # bytes around a file's own: its size, its hash
ABSENT: Final = 7  # exit code of ours
LISTING_CAP: Final = 160  # bytes a line


class Pipe(Protocol):
    """What a running script offers."""

    async def read(self, most: int = BLOCK) -> bytes: ...
    async def write(self, chunk: bytes) -> None: ...
    def end(self) -> None: ...
    async def line(self, *, most: int, name: str) -> bytes: ...
    async def code(self) -> int: ...


class Box(Protocol):
    async def run(self, command: Command) -> Answer: ...
    def channel(self, script: str, seconds: float, *, wide: bool = False) -> AbstractAsyncContextManager[Pipe]: ...


class Watch:
    """Ends a transfer that drips: a stalled one by silence, a starved one by its mean over a minute."""

    def __init__(self) -> None:
        self._since = asyncio.get_running_loop().time()
        self._moved = 0

    def moved(self, count: int) -> None:
        """Raises HostFault("transfer-slow")."""
        self._moved += count
        now = asyncio.get_running_loop().time()
        if now - self._since < WATCH:
            return
        if self._moved < SLOWEST * (now - self._since):
            raise HostFault("transfer-slow", bytes_per_second=round(self._moved / (now - self._since)))
        self._since, self._moved = now, 0


def plain(remote: str) -> str:
    """`remote` as a word of a script. A name that is not plain is a bug of ours: ValueError."""
    path = PurePosixPath(remote)
    if path.is_absolute() or not path.parts or not all(NAME.fullmatch(part) and part != ".." for part in path.parts):
        raise ValueError(remote)
    return f"./{path}"


async def put(box: Box, local: Path, remote: str) -> None:
    """Send `local`; `remote` appears whole, 0600, or not at all. Goes on where an earlier try ended."""
    name = plain(remote)
    size, digest = await asyncio.to_thread(_measured, local)
    for attempt in (1, 2):
        have = await _offered(box, name, size, digest)
        if have is None:
            return
        skip = have if have <= size else 0
        await _send(box, local, f"{name}.part", skip, size - skip)
        if await _settled(box, name, digest):
            return
        if not have or attempt > 1:  # a leftover of something else is worth one more try, from nothing
            break
    raise HostFault("upload-differs")


async def _offered(box: Box, name: str, size: int, digest: Sha256) -> int | None:
    """Bytes of an earlier try on the box; None: the whole file is there."""
    folder = PurePosixPath(name).parent
    said = await box.run(
        Command(
            "offer",
            f"""umask 077; mkdir -p ./{folder} || exit 8
test "$(stat -c %s {name} 2>/dev/null)" = {size} && echo "{digest}  {name}" | sha256sum -c --status - && echo same=1
echo "have=$(stat -c %s {name}.part 2>/dev/null || echo 0)\"""",
            seconds=120,
        )
    )
    if said.code:
        raise HostFault("box-disk", exit=said.code)
    found = numbers(said.out)
    return None if found.get("same") else max(0, _told(found, "have"))


async def _send(box: Box, local: Path, part: str, skip: int, rest: int) -> None:
    """Stream the `rest` of `local` from byte `skip` to the end of `part`."""
    script = f"umask 077; exec cat {'>>' if skip else '>'} {part}"
    async with box.channel(script, LONGEST, wide=rest > BULK) as pipe:
        watch = Watch()
        with local.open("rb") as file:
            file.seek(skip)
            while chunk := file.read(BLOCK):
                await _within(SILENCE, pipe.write(chunk))
                watch.moved(len(chunk))
        pipe.end()
        code = await _within(SILENCE, pipe.code())
    if code:
        raise HostFault("box-disk", exit=code) if code > 0 else HostSilent("ssh-lost", why="cut")


async def _settled(box: Box, name: str, digest: Sha256) -> bool:
    """Give the sent part its name, if it is what we sent; else remove it."""
    said = await box.run(
        Command(
            "settle",
            f"""echo "{digest}  {name}.part" | sha256sum -c --status - && chmod 600 {name}.part \
&& mv -f {name}.part {name} && echo same=1 && exit; rm -f {name}.part; echo same=0""",
            seconds=120,
        )
    )
    return bool(_told(numbers(said.out), "same"))


def _told(found: Mapping[str, int], key: str) -> int:
    """What a box said of `key`. Nothing at all is no answer, and blames nobody: HostSilent("ssh-lost")."""
    if key not in found:
        raise HostSilent("ssh-lost", why="no-answer")
    return found[key]


async def get(box: Box, remote: str, local: Path, cap: int) -> Sha256:
    """Bring `remote` to `local`, at most `cap` bytes of it. Goes on where an earlier try ended."""
    name, part = plain(remote), local.with_name(f"{local.name}.part")
    for _ in range(2):
        resumed, found, told = await _fetch(box, name, part, cap)
        if found == told:
            with _ours():
                await asyncio.to_thread(_keep, part, local)
            return found
        part.unlink()
        if not resumed:  # a leftover of another file is worth one more try, from nothing
            break
    raise HostFault("file-changed")


async def _fetch(box: Box, name: str, part: Path, cap: int) -> tuple[bool, Sha256, Sha256]:
    """Append what is missing to `part`: whether some of it was there, its hash, and the box's.

    One channel, one way: the size, the bytes, then the hash, which the box works out while it sends, as we do.
    """
    with _ours():
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
    with file:
        digest = hashlib.sha256()
        done = await asyncio.to_thread(_had, file, digest)
        async with box.channel(_sending(name, done, cap), LONGEST, wide=cap > BULK) as pipe:
            pipe.end()
            size = await _claimed(pipe, name, cap)
            if done > size:
                done, digest = file.truncate(0), hashlib.sha256()  # of another file: the box sends from the start
                file.seek(0)
            resumed, watch, told = done > 0, Watch(), b""
            while chunk := await _within(SILENCE, pipe.read()):
                mine, told = chunk[: size - done], told + chunk[size - done :]
                if len(told) > TOLD:
                    raise HostFault("file-too-big", size=done + len(told), cap=size)
                with _ours():
                    file.write(mine)
                digest.update(mine)
                done += len(mine)
                watch.moved(len(chunk))
    said = re.match(rb"[0-9a-f]{64}\b", told)
    if done != size or not said:
        raise HostSilent("ssh-lost", why="cut")
    return resumed, Sha256(digest.hexdigest()), Sha256(said.group().decode("ascii"))


def _sending(name: str, done: int, cap: int) -> str:
    """A log may grow meanwhile: size, bytes and hash are of the same first bytes.

    `dd` counts, in large blocks. openssl uses the processor's own SHA instructions; coreutils' took 0.5-0.7 s for
    171 MB (facts/ssh.md). It reads the file by itself, unless that has grown: a pipe between the two made the whole
    transfer on loopback a third slower.
    """
    return f"""test -f {name} || exit {ABSENT}
s=$(stat -c %s {name}); echo "size=$s"; test "$s" -le {cap} || exit 0
skip={done}; test "$s" -ge "$skip" || skip=0
sum=sha256sum; command -v openssl > /dev/null && sum="openssl dgst -sha256 -r"
exec 3>&1
dd if={name} bs=256K iflag=skip_bytes,count_bytes skip=$skip count=$((s - skip)) status=none >&3 &
h=$($sum < {name})
test "$(stat -c %s {name})" = "$s" || h=$(dd if={name} bs=256K iflag=count_bytes count="$s" status=none | $sum)
wait
echo "$h" """


async def _claimed(pipe: Pipe, name: str, cap: int) -> int:
    """The size as the box says it, which only ever makes us stop earlier."""
    try:
        head = await _within(CLAIM, pipe.line(most=TOLD, name="get"))
    except HostSilent:
        if await _within(SILENCE, pipe.code()) == ABSENT:
            raise HostFault("box-file-missing", file=name[2:]) from None
        raise
    size = numbers(head).get("size", -1)
    if size < 0:
        raise HostSilent("ssh-lost", why="no-answer")
    if size > cap:
        raise HostFault("file-too-big", size=size, cap=cap)
    return size


def _had(file: IO[bytes], digest: "hashlib._Hash") -> int:
    """Bytes of an earlier try, put through `digest`."""
    while chunk := file.read(BLOCK):
        digest.update(chunk)
    return file.tell()


async def _within(seconds: float, work: Awaitable[T]) -> T:
    async with asyncio.timeout(seconds):
        return await work


async def listing(box: Box, remote: str, most: int) -> list[tuple[str, int]]:
    """Plain files with plain names. A box that lists for ever is cut off: HostFault("output-too-big")."""
    script = f"find {plain(remote)} -maxdepth 1 -type f -printf '%s %f\\0' 2>/dev/null | head -zn {most}"
    said = await box.run(Command("list", script, cap=LISTING_CAP * (most + 1)))
    found: dict[str, int] = {}
    for row in said.out.split(b"\0")[:most]:
        size, _, name = row.decode("utf-8", "replace").partition(" ")
        if NAME.fullmatch(name) and name not in {".", ".."} and re.fullmatch(r"[0-9]{1,15}", size):
            found[name] = int(size)
    return list(found.items())


def _measured(path: Path) -> tuple[int, Sha256]:
    return path.stat().st_size, sha256(path)


def sha256(path: Path) -> Sha256:
    with path.open("rb") as file:
        return Sha256(hashlib.file_digest(file, "sha256").hexdigest())


@contextmanager
def _ours() -> Iterator[None]:
    """Errors of our own disk, which must not be taken for a dead line."""
    try:
        yield
    except OSError as error:
        raise OperatorFault("home-disk", why=error.strerror or "") from None


def _keep(part: Path, local: Path) -> None:
    """Make `part` be `local`, surviving a power cut."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(local)  # in one step: `local` is never half a file
    folder = os.open(local.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
