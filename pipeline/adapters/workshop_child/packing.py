"""Task `pack`: the dataset as a tarball that says nothing but pictures and captions: same manifest, same bytes."""

import hashlib
import os
import tarfile
from io import BytesIO
from typing import IO, Any, cast

from pipeline.domain.faults import OperatorFault
from pipeline.trainers.recipe_config import nameless


class _Hashed:
    """A file that knows its sha256 and size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def pack(request: dict[str, Any]) -> list[Any]:
    """Write 0001.jpg, 0001.txt, ... in the manifest's order; a picture without a caption has no .txt.

    `[trigger]` in a caption is meant and stays; `[name]` would become the trigger too, which nobody meant.
    """
    with open(request["target"], "xb") as file:  # noqa: PTH123  # strings all the way
        out = _Hashed(file)
        with tarfile.open(fileobj=cast("IO[bytes]", out), mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            for number, (sha256, caption) in enumerate(request["manifest"], start=1):
                _add(tar, f"{number:04d}.jpg", _picture(f"{request['pictures']}/{sha256}.jpg", sha256))
                if caption:
                    _add(tar, f"{number:04d}.txt", nameless(caption).encode())
        file.flush()
        os.fsync(file.fileno())
    return [out.sha256, out.size]


def _picture(path: str, sha256: str) -> bytes:
    """Read one of ours. OperatorFault("spool-damaged") when it is gone, or is no longer what it was."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # as above
            data = file.read()
    except FileNotFoundError:
        raise OperatorFault("spool-damaged") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OperatorFault("spool-damaged")
    return data


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # mtime 0, owner 0, no owner's name
    member.size = len(data)
    member.mode = 0o600
    tar.addfile(member, BytesIO(data))
