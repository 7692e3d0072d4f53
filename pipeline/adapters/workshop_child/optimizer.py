"""Task `optimizer`: would unpickling this optimizer.pt call anything but torch's own tensors? Then it is written anew.

A box's pickle is laid on another box, where the trainer loads it. It is never loaded here: the zip is read by our own
rules, the pickle opcode by opcode, and what is written holds only what was looked at, so that no other reader of zips
can find another pickle in it (threats.md 1).
"""

import os
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

from pipeline.domain.faults import HostFault

GLOBALS: Final = frozenset(  # captured of every optimizer we could order (facts/aitoolkit.md 9b.7), and their kin
    {
        "collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch ByteStorage",
        "torch BoolStorage", "torch CharStorage", "torch float32", "torch BFloat16Storage", "torch HalfStorage",
        "torch LongStorage", "torch IntStorage",
    }
)  # fmt: skip
OPCODES: Final = frozenset(  # plain values and memo, calls of a GLOBAL by REDUCE, storages by BINPERSID
    {
        "PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
        "BINUNICODE", "SHORT_BINUNICODE", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND",
        "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "GLOBAL",
        "REDUCE", "BINPERSID",
    }
)  # fmt: skip
MOST_ENTRIES: Final = 65_536
MOST_DIRECTORY: Final = 16 * 1024**2  # bytes
MOST_PICKLE: Final = 64 * 1024**2
PICKLE: Final = "data.pkl"
ENTRY: Final = re.compile(
    r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id|data/[0-9]{1,9}"
)
FOLDER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
ALIGNED: Final = 64  # torch lays every entry's bytes at a multiple of it
_END: Final = struct.Struct("<4s4H2LH")  # end of central directory
_LOCAL: Final = 30  # bytes of a local header before the name
_PAD: Final = struct.Struct("<HH")
_CHUNK: Final = 1024**2


def optimizer(request: dict[str, Any]) -> int:
    """Write a checked copy of `source` to `target`; its size. Raises HostFault("optimizer-refused")."""
    try:
        with (
            open(os.open(request["source"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file,  # noqa: PTH123  # a descriptor
            open(request["target"], "xb") as out,  # noqa: PTH123  # strings all the way
        ):
            _checked(file, out)
            out.flush()
            os.fsync(out.fileno())
            return out.tell()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, struct.error, UnicodeError):
        raise _refused("malformed") from None


def _refused(why: str) -> HostFault:
    return HostFault("optimizer-refused", why=why)


def _checked(file: IO[bytes], out: IO[bytes]) -> None:
    _directory(file)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _names(entries)
        pickle = next((entry for entry in entries if _tail(entry) == PICKLE), None)
        if pickle is None or pickle.file_size > MOST_PICKLE:
            raise _refused("malformed")
        _harmless(archive.read(pickle))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as copy:
            for entry in entries:
                _copied(archive, entry, copy, out)


def _directory(file: IO[bytes]) -> None:
    """Look at the directory's claim before a library reads it: a million entries cost seconds and memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size))
    magic, _, _, _, entries, length, _, comment = _END.unpack(file.read(_END.size))
    if magic != b"PK\5\6" or comment or entries > MOST_ENTRIES or length > MOST_DIRECTORY:
        raise _refused("malformed")


def _names(entries: list[zipfile.ZipInfo]) -> None:
    """All in one folder, each once, stored, by the names torch gives."""
    folders = sorted({entry.filename.partition("/")[0] for entry in entries})
    tails = {_tail(entry) for entry in entries}
    if len(folders) != 1 or not FOLDER.fullmatch(folders[0]) or len(tails) != len(entries):
        raise _refused("malformed")
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size
        if not stored or entry.flag_bits & 1 or not ENTRY.fullmatch(_tail(entry)):
            raise _refused("malformed")


def _tail(entry: zipfile.ZipInfo) -> str:
    return entry.filename.partition("/")[2]


def _harmless(pickle: bytes) -> None:
    """Read to the last byte; refuse what is not on the lists."""
    end = 0
    for opcode, argument, position in pickletools.genops(pickle):
        end = (position or 0) + 1
        if opcode.name not in OPCODES:
            raise _refused(f"opcode {opcode.name}")
        if opcode.name == "GLOBAL" and argument not in GLOBALS:
            raise _refused(f"names {argument}")
    if end != len(pickle):
        raise _refused("malformed")


def _copied(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, copy: zipfile.ZipFile, out: IO[bytes]) -> None:
    fresh = zipfile.ZipInfo(entry.filename)  # no time, no owner, no comment
    fresh.file_size = entry.file_size
    large = entry.file_size > zipfile.ZIP64_LIMIT
    head = out.tell() + _LOCAL + len(entry.filename) + _PAD.size + (20 if large else 0)
    pad = -head % ALIGNED
    fresh.extra = _PAD.pack(int.from_bytes(b"FB", "little"), pad) + b"Z" * pad
    with copy.open(fresh, "w", force_zip64=large) as target:
        for chunk in _chunks(archive, entry):
            target.write(chunk)


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The entry's bytes, checked by their CRC at the end."""
    with archive.open(entry) as source:
        while chunk := source.read(_CHUNK):
            yield chunk
