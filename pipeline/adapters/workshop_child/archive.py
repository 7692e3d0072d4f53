"""Zips of strangers: judged by their directory before zipfile may read it, and counted while they are read.

`ZipFile()` reads the whole directory at once: one of a million entries, called 16,960 by its own end record, cost 10 s
and 286 MB. And 144 KB of overlapping entries gave 100 GB, which Python 3.11.7 does not notice.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from pipeline.adapters.workshop_child.entries import Broken, Entry, Meter
from pipeline.domain.faults import UserFault

MOST_ENTRIES: Final = 5000
MOST_DIRECTORY: Final = 2 * 1024**2  # bytes
_END = struct.Struct("<4s4H2LH")  # signature, 2 disks, 2 counts, size, offset, comment's length
_END64 = struct.Struct("<4sQ2H2L4Q")  # ..., 2 counts, size, offset
_LOCATOR_SIZE: Final = 20
_LOCAL = struct.Struct("<4s22x2H")  # signature, name's and extra's length
_LONGEST_COMMENT: Final = 0xFFFF
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# all that reading a crafted member was seen to raise
_TROUBLES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the end record says the central directory lies."""

    start: int
    size: int
    entries: int


def directory(file: IO[bytes]) -> Directory:
    """Read the end record.

    Raises UserFault("not-an-archive") without one that ends the file, UserFault("archive-hostile") over the caps.
    """
    whole = file.seek(0, os.SEEK_END)
    file.seek(max(0, whole - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise UserFault("not-an-archive")
    _, _, _, _, entries, size, _, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise UserFault("not-an-archive")
    end = whole - len(tail) + at
    if tail[at - _LOCATOR_SIZE : at].startswith(b"PK\6\7"):  # ZIP64, and then zipfile believes only it
        end -= _LOCATOR_SIZE + _END64.size
        entries, size = _end64(file, end)
    if entries > MOST_ENTRIES or size > MOST_DIRECTORY or size > end:
        raise UserFault("archive-hostile")
    return Directory(end - size, size, entries)


def _end64(file: IO[bytes], at: int) -> tuple[int, int]:
    file.seek(max(0, at))
    record = file.read(_END64.size)
    if at < 0 or not record.startswith(b"PK\6\6") or len(record) < _END64.size:
        raise UserFault("archive-hostile")
    fields = _END64.unpack(record)
    return fields[7], fields[8]


def members(file: IO[bytes], meter: Meter) -> Iterator[Entry]:
    """Yield the files of a zip, hidden ones too.

    Raises UserFault("not-an-archive" | "archive-hostile" | "archive-encrypted").
    """
    found = directory(file)
    try:
        archive = zipfile.ZipFile(file)
        infos = archive.infolist()
    except _TROUBLES:
        raise UserFault("archive-hostile") from None
    if archive.start_dir != found.start or len(infos) > MOST_ENTRIES:
        raise UserFault("archive-hostile")  # zipfile saw another directory than we did
    _refuse_overlap(file, infos, found.start)
    if any(info.flag_bits & _ENCRYPTED_FLAG for info in infos):
        raise UserFault("archive-encrypted")
    for info in infos:
        if not info.is_dir():
            yield Entry(_name(info), lambda most, info=info: _read(archive, info, most, meter))  # type: ignore[misc]  # a default is a binding


def _refuse_overlap(file: IO[bytes], infos: list[zipfile.ZipInfo], end: int) -> None:
    """Raise UserFault("archive-hostile") unless each member has bytes of its own, before `end`."""
    infos = sorted(infos, key=lambda info: info.header_offset)
    limits = (*(info.header_offset for info in infos), end)
    for info, most in zip(infos, limits[1:], strict=True):
        file.seek(max(0, info.header_offset))
        head = file.read(_LOCAL.size)
        if info.header_offset < 0 or len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
            raise UserFault("archive-hostile")
        _, name, extra = _LOCAL.unpack(head)
        if info.header_offset + _LOCAL.size + name + extra + info.compress_size > most:
            raise UserFault("archive-hostile")


def _name(info: zipfile.ZipInfo) -> str:
    """Its name. A Mac writes UTF-8 without saying so; zipfile then reads letters of a 1981 PC."""
    if info.flag_bits & _UTF8_FLAG:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int, meter: Meter) -> bytes:
    if info.compress_type not in _PACKINGS:
        raise Broken("unsupported-packing")
    try:
        with archive.open(info) as packed:
            return meter.read(packed, most)
    except _TROUBLES:
        raise Broken("broken-file") from None
