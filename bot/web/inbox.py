"""Files on their way in: bytes in DATA_DIR/inbox, and a row each that says whose they are and how many are to come.

How much of a file is here is the length of the file here, and nothing else: no crash can make the two disagree. A row
outlives its file by an hour, so that a browser which never heard our last answer learns that all has arrived.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.web.links import LIFE, Guest
from pipeline.domain.dataset import MOST, MOST_BYTES
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address
from pipeline.flow.records import ms
from pipeline.ports import Clock, Store

MB: Final = 1024**2
BLOCK: Final = 256 * 1024  # bytes written at once
HEAD: Final = 16  # bytes that tell what a file is
ZIP: Final = ".zip"
KINDS: Final[Mapping[str, str]] = {  # a name's ending -> the one we give it
    ".jpg": ".jpg", ".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".png": ".png", ".webp": ".webp",
    ".heic": ".heic", ".heif": ".heic", ".hif": ".heic", ZIP: ZIP,
}  # fmt: skip
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]+")
_ID: Final = re.compile(r"[a-z0-9]{24}")


class Refused(Exception):
    """This cannot be taken. `code` is a word of the page (`web-refused-<code>`), `status` the protocol's."""

    def __init__(self, code: str, status: int, offset: int | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.offset = code, status, offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one person may have on its way at once. Bytes."""

    draft: int = MOST_BYTES
    picture: int = 64 * MB  # the workshop opens none that is larger
    files: int = MOST
    chunk: int = 16 * MB  # of one request
    disk: int = 1024 * MB  # that stay free


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file. `file` is ours to name: `<id>/<letters of the sender's name>.<kind>`."""

    id: str
    identity: Identity
    address: Address
    file: str
    size: int
    mark: str  # how the sender's browser knows its file again
    at: int  # milliseconds since 1970
    heard: bool = False  # the desk was told
    version: int = 0


class Inbox:
    def __init__(self, store: Store, clock: Clock, folder: Path, limits: Limits | None = None) -> None:
        self._store, self._clock, self._folder = store, clock, folder
        self.limits = limits or Limits()

    # --- what there is

    async def waiting(self, identity: Identity) -> list[Upload]:
        """This person's files that are not in the draft yet, whatever link they began with."""
        docs = await self._store.find("uploads", equal={"identity": identity, "heard": 0}, limit=self.limits.files + 1)
        return [_upload(doc) for doc in docs]

    async def get(self, guest: Guest, upload: str) -> tuple[Upload, int] | None:
        """One of the guest's own files, and how much of it is here. Another person's is as good as none."""
        doc = await self._store.get("uploads", upload) if _ID.fullmatch(upload) else None
        if doc is None or doc["identity"] != guest.identity:
            return None
        found = _upload(doc)
        return found, found.size if found.heard else self.here(found)

    def here(self, upload: Upload) -> int:
        """How many bytes of it are here."""
        try:
            return self.path(upload).stat().st_size
        except FileNotFoundError:
            return 0

    def path(self, upload: Upload) -> Path:
        return self._folder / upload.file

    async def whole(self) -> list[Upload]:
        """Files that arrived and that nobody was told of: a process died in between."""
        docs = await self._store.find("uploads", equal={"heard": 0}, limit=10_000)
        return [upload for upload in map(_upload, docs) if self.here(upload) == upload.size]

    # --- on the way

    async def begin(self, guest: Guest, name: str, size: int, mark: str) -> Upload:
        """Expect a file. Raises Refused("type" | "empty" | "picture" | "draft" | "files" | "disk")."""
        kind = KINDS.get(Path(name).suffix.lower())
        if kind is None:
            raise Refused("type", 415)
        if size < 1:
            raise Refused("empty", 400)
        if kind != ZIP and size > self.limits.picture:
            raise Refused("picture", 413)
        await self._room(guest.identity, size)
        one = f"{secrets.randbits(96):024x}"
        stem = _ODD.sub("_", Path(name).stem).strip("_")[:40] or "file"
        upload = Upload(
            id=one, identity=guest.identity, address=guest.address, file=f"{one}/{stem}{kind}", size=size, mark=mark,
            at=ms(self._clock.now()),
        )  # fmt: skip
        await self._store.create("uploads", one, _doc(upload))
        return upload

    async def _room(self, identity: Identity, size: int) -> None:
        on_the_way = await self.waiting(identity)
        if len(on_the_way) >= self.limits.files:
            raise Refused("files", 413)
        if sum(upload.size for upload in on_the_way) + size > self.limits.draft:
            raise Refused("draft", 413)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        promised = sum(upload.size - self.here(upload) for upload in on_the_way)
        if shutil.disk_usage(self._folder).free - promised - size < self.limits.disk:
            raise Refused("disk", 507)

    async def write(self, upload: Upload, offset: int, blocks: AsyncIterator[bytes], length: int) -> int:
        """Append `length` bytes at `offset`; how much is here then. What came before a cut line stays.

        Raises Refused("offset") when that is not where the file ends, Refused("chunk") when it is too much, and
        Refused("type") when its first bytes belong to nothing we take: then nothing of it is kept.
        """
        here = self.here(upload)
        if offset != here:
            raise Refused("offset", 409, here)
        if length > min(self.limits.chunk, upload.size - here):
            raise Refused("chunk", 413, here)
        path = self.path(upload)
        here += await _append(_opened(path, here), blocks, whole=here + length == upload.size)
        if offset < HEAD and (here >= HEAD or here == upload.size) and not _known(path):
            await self.drop(upload)
            raise Refused("type", 415)
        return here

    async def drop(self, upload: Upload) -> None:
        """Forget it: first the file, so that none is ever left without a row."""
        await asyncio.to_thread(shutil.rmtree, self.path(upload).parent, ignore_errors=True)
        await self._store.delete("uploads", upload.id)

    async def heard(self, uploads: Sequence[Upload]) -> None:
        """They are in the draft: only the rows stay for a while."""
        for upload in uploads:
            await self._store.cas("uploads", upload.id, upload.version, _doc(replace(upload, heard=True)))
            await asyncio.to_thread(shutil.rmtree, self.path(upload).parent, ignore_errors=True)

    async def sweep(self, now: datetime) -> None:
        """Drop what nobody went on with for as long as a link lives. What is whole is never dropped unheard."""
        old = now - LIFE
        for doc in await self._store.find("uploads", below={"at_ms": ms(old)}, limit=1000):
            upload = _upload(doc)
            if upload.heard or await asyncio.to_thread(self._left_behind, upload, old):
                await self.drop(upload)

    def _left_behind(self, upload: Upload, limit: datetime) -> bool:
        try:
            known = self.path(upload).stat()
        except FileNotFoundError:
            return True
        return known.st_size < upload.size and known.st_mtime < limit.timestamp()


async def _append(fd: int, blocks: AsyncIterator[bytes], *, whole: bool) -> int:
    """Write what `blocks` brings, also what came before it broke off; how much that was.

    Not in a thread: this goes to the page cache, and a thread could not be cancelled together with us.
    """
    held, written = bytearray(), 0
    try:
        try:
            async for block in blocks:
                held += block
                if len(held) >= BLOCK:
                    written += _write(fd, held)
                    held.clear()
        finally:
            written += _write(fd, held)
        if whole:
            await asyncio.to_thread(os.fsync, fd)
    finally:
        os.close(fd)
    return written


def _opened(path: Path, here: int) -> int:
    """A file to append to: made when nothing of it is here, and never one that somebody else put there."""
    if here:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)  # of no length: its first request brought nothing
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _write(fd: int, data: bytearray) -> int:
    done = 0
    while done < len(data):
        done += os.write(fd, bytes(data[done:]))
    return done


def _known(path: Path) -> bool:
    """Whether it begins like a JPEG, PNG, WebP, HEIC or zip. What it really is, the workshop finds out."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or head[4:8] == b"ftyp"
    )


def _doc(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id, "identity": upload.identity, "address": asdict(upload.address), "file": upload.file,
        "size": upload.size, "mark": upload.mark, "at_ms": upload.at, "heard": int(upload.heard),
    }  # fmt: skip


def _upload(doc: Mapping[str, Any]) -> Upload:
    return Upload(
        id=doc["id"], identity=Identity(doc["identity"]), address=Address(**doc["address"]), file=doc["file"],
        size=doc["size"], mark=doc["mark"], at=doc["at_ms"], heard=bool(doc["heard"]),
        version=doc["version"],
    )  # fmt: skip
