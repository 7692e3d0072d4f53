"""What a person sent, as named bytes: a folder, a zip or one picture look the same from here."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final

from pipeline.domain.dataset import MOST_BYTES
from pipeline.domain.faults import Fact, UserFault

_CHUNK: Final = 1024**2
_DEEPEST: Final = 16
_SKIPPED: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


class Broken(Exception):
    """This one file cannot be used. `code` is the Finding's."""

    def __init__(self, code: str, **facts: Fact) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


class Meter:
    """Counts what really was read: what a directory claims is a claim."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._left = most

    def read(self, file: IO[bytes], most: int) -> bytes:
        """Read `file` whole. Broken("too-big") over `most` bytes, UserFault("archive-too-big") over all we take."""
        parts: list[bytes] = []
        size = 0
        while part := file.read(_CHUNK):
            parts.append(part)
            size += len(part)
            self._left -= len(part)
            if self._left < 0:
                raise UserFault("archive-too-big")
            if size > most:
                raise Broken("too-big", most_mb=most // 1024**2)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `name` is the sender's path, to be shown and sorted by, never to be opened."""

    name: str
    read: Callable[[int], bytes]  # most bytes -> content; raises Broken, UserFault

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(unicodedata.normalize("NFC", self.name.replace("\\", "/")))

    @property
    def hidden(self) -> bool:
        """Whether a system put it there: .DS_Store, ._photo.jpg, __MACOSX/..."""
        parts = [part for part in self.path.parts if part not in {".", ".."}]
        return any(part.startswith(".") or part.casefold() in _SKIPPED for part in parts)


def one(source: str, meter: Meter) -> Entry:
    """Make an entry of a file on disk."""

    def read(most: int) -> bytes:
        with os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return meter.read(file, most)

    return Entry(PurePosixPath(source).name, read)


def walk(folder: str, meter: Meter, depth: int = 0) -> Iterator[Entry]:
    """Yield the files below `folder`: no hidden ones, through no link. UserFault("archive-too-big") below 16 levels."""
    if depth > _DEEPEST:
        raise UserFault("archive-too-big")
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):
                continue
            if item.is_dir(follow_symlinks=False):
                yield from (
                    Entry(f"{item.name}/{inner.name}", inner.read) for inner in walk(item.path, meter, depth + 1)
                )
            elif item.is_file(follow_symlinks=False):
                yield one(item.path, meter)
