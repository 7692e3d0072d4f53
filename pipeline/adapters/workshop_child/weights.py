"""Task `prove`: is this the LoRA that was ordered, will loaders load it? Then it is written again with our metadata.

The checks are facts/loading.md 6: loaders apply half a file without a word, or take NaN, so we look at every byte.
No library parses the header: `safetensors` accepts duplicate keys, a million tensors and 95 MB of metadata.
"""

import hashlib
import json
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np

from pipeline.domain.faults import HostFault

MOST_HEADER: Final = 4 * 1024**2
MOST_TENSORS: Final = 65_536
MOST_STEP: Final = 1_000_000
_CHUNK: Final = 1024**2
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class _Float:
    """A float format as raw unsigned numbers: all exponent bits set is NaN or Inf, none but the sign is zero."""

    word: type[np.unsignedinteger[Any]]
    exponent: int
    unsigned: int

    def spelled(self, value: float) -> bytes:
        """`value`, which fits, as the file has it."""
        if self.word is np.uint16 and self.exponent == 0x7C00:  # noqa: PLR2004  # IEEE half
            return struct.pack("<e", value)
        return struct.pack("<f", value)[4 - self.size :]  # bfloat16 is the upper half of a float

    @property
    def size(self) -> int:
        return np.dtype(self.word).itemsize


_FLOATS: Final[Mapping[str, _Float]] = {
    "BF16": _Float(np.uint16, 0x7F80, 0x7FFF),
    "F16": _Float(np.uint16, 0x7C00, 0x7FFF),
    "F32": _Float(np.uint32, 0x7F80_0000, 0x7FFF_FFFF),
}
_ALPHA = ".alpha"


@dataclass(frozen=True, slots=True)
class _Tensor:
    dtype: str
    shape: tuple[int, ...]
    begin: int  # bytes after the header
    end: int


@dataclass(frozen=True, slots=True)
class _Demand:
    """The port's Demand, as it travels."""

    modules: Mapping[str, list[int]]  # name -> [in, out]
    prefix: str
    rank: int
    dtype: str
    metadata: Mapping[str, str]
    halves: list[str]  # how the keys of a pair end: down, up
    alpha: int | None  # of every pair; None: there is no such key

    @property
    def endings(self) -> tuple[str, ...]:
        return (*self.halves, _ALPHA) if self.alpha is not None else tuple(self.halves)

    @property
    def bytes(self) -> int:
        elements = self.rank * sum(wide + tall for wide, tall in self.modules.values())
        return (elements + (len(self.modules) if self.alpha is not None else 0)) * _FLOATS[self.dtype].size


def prove(request: dict[str, Any]) -> list[Any]:
    """Check `source` against the demand, write it to `target`; [sha256, size, step, sha256 of the up halves].

    Raises HostFault("weights-<what>"): file, size, prefix, grammar, orphan, shape, rank, dtype, missing, nan, zero,
    alpha.
    """
    demand = _Demand(**request["demand"])
    with _open(request["source"]) as file:
        size = os.fstat(file.fileno()).st_size
        if size > demand.bytes + MOST_HEADER + _LENGTH.size:
            raise HostFault("weights-size", most_mb=demand.bytes // 10**6, got_mb=size // 10**6)
        start, tensors, metadata = _header(file, size)
        _judge(tensors, demand)
        with open(request["target"], "xb") as out:  # noqa: PTH123  # strings all the way
            sha256, written, ups = _rewrite(file, start, tensors, demand, out)
            out.flush()
            os.fsync(out.fileno())
    return [sha256, written, _step(metadata), ups]


def _open(path: str) -> IO[bytes]:
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except OSError:
        raise HostFault("weights-file") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise HostFault("weights-file")
    return file


def _header(file: IO[bytes], size: int) -> tuple[int, dict[str, _Tensor], dict[str, Any]]:
    """Read where the tensors begin, what they are, and the metadata, whose values are still a stranger's."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise HostFault("weights-file")
    (length,) = _LENGTH.unpack(head)
    start = _LENGTH.size + length
    if not 1 < length <= MOST_HEADER or start > size:
        raise HostFault("weights-file")
    try:
        fields = json.loads(file.read(length).decode(), object_pairs_hook=_once)
        metadata = fields.pop("__metadata__", {})
        tensors = {str(name): _tensor(**said) for name, said in fields.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise HostFault("weights-file") from None
    if not 0 < len(tensors) <= MOST_TENSORS or not isinstance(metadata, dict):
        raise HostFault("weights-file")
    _gapless(tensors, size - start)
    return start, tensors, metadata


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that comes twice: of two readers each could believe another one."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key comes twice")
    return fields


def _tensor(*, dtype: Any, shape: Any, data_offsets: Any) -> _Tensor:
    begin, end = data_offsets
    if any(type(number) is not int or number < 0 for number in (*shape, begin, end)):
        raise ValueError("not the numbers of a tensor")
    return _Tensor(str(dtype), tuple(shape), begin, end)


def _gapless(tensors: Mapping[str, _Tensor], size: int) -> None:
    """Raise unless the tensors fill the rest of the file, each byte once."""
    at = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: tensor.begin):
        if tensor.begin != at or tensor.end < at:
            raise HostFault("weights-file")
        at = tensor.end
    if at != size:
        raise HostFault("weights-file")


def _judge(tensors: Mapping[str, _Tensor], demand: _Demand) -> None:
    """Compare names and shapes with the demand, in the order of what a person can make of it."""
    ends = demand.endings
    found = [{_module(name, end, demand) for name in tensors if name.endswith(end)} for end in ends]
    for name in tensors:
        if not name.endswith(ends):
            raise HostFault("weights-grammar")
    whole = found[0]
    if any(others != whole for others in found):
        raise HostFault("weights-orphan")
    for name in whole:
        a, b, *alpha = (tensors[f"{demand.prefix}{name}{end}"] for end in ends)
        _judge_pair(a, b, demand.modules[name], demand)
        for tensor in alpha:
            _judge_alpha(tensor, demand)
    if missing := len(demand.modules.keys() - whole):
        raise HostFault("weights-missing", missing=missing, want=len(demand.modules))


def _module(name: str, side: str, demand: _Demand) -> str:
    if not name.startswith(demand.prefix):
        raise HostFault("weights-prefix")
    module = name.removeprefix(demand.prefix).removesuffix(side)
    if module not in demand.modules:
        raise HostFault("weights-grammar")
    return module


def _judge_pair(a: _Tensor, b: _Tensor, widths: list[int], demand: _Demand) -> None:
    wide, tall = widths
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != wide or b.shape[0] != tall:  # noqa: PLR2004  # a matrix
        raise HostFault("weights-shape")
    if a.shape[0] != demand.rank or b.shape[1] != demand.rank:
        raise HostFault("weights-rank", want=demand.rank, got=a.shape[0])
    for tensor in (a, b):
        if tensor.dtype != demand.dtype:
            raise HostFault("weights-dtype", want=demand.dtype)
        if tensor.end - tensor.begin != tensor.shape[0] * tensor.shape[1] * _FLOATS[demand.dtype].size:
            raise HostFault("weights-file")


def _judge_alpha(tensor: _Tensor, demand: _Demand) -> None:
    if tensor.dtype != demand.dtype:
        raise HostFault("weights-dtype", want=demand.dtype)
    if tensor.shape or tensor.end - tensor.begin != _FLOATS[demand.dtype].size:
        raise HostFault("weights-shape")


def _rewrite(
    file: IO[bytes], start: int, tensors: Mapping[str, _Tensor], demand: _Demand, out: IO[bytes]
) -> tuple[str, int, str]:
    """Copy the tensors in the order of their names, looking at each number.

    Answers sha256 and size of what was written, and the sha256 of the up halves alone: every update moves them.
    """
    head = _our_header(tensors, demand.metadata)
    whole, ups = hashlib.sha256(head), hashlib.sha256()
    out.write(head)
    trained = False
    for name in sorted(tensors):
        file.seek(start + tensors[name].begin)
        left = tensors[name].end - tensors[name].begin
        while left:
            data = file.read(min(left, _CHUNK))
            if len(data) < min(left, _CHUNK):
                raise HostFault("weights-file")
            left -= len(data)
            trained |= _finite(data, demand) and name.endswith(demand.halves[1])
            if name.endswith(_ALPHA) and data != _FLOATS[demand.dtype].spelled(demand.alpha or 0):
                raise HostFault("weights-alpha", want=demand.alpha or 0)
            whole.update(data)
            if name.endswith(demand.halves[1]):
                ups.update(data)
            out.write(data)
    if not trained:
        raise HostFault("weights-zero")
    return whole.hexdigest(), out.tell(), ups.hexdigest()


def _finite(data: bytes, demand: _Demand) -> bool:
    """Whether there is more than zeros in `data`. HostFault("weights-nan") when a number is not finite."""
    kind = _FLOATS[demand.dtype]
    numbers = np.frombuffer(data, kind.word)
    if (numbers & kind.exponent).max() == kind.exponent:
        raise HostFault("weights-nan")
    return bool((numbers & kind.unsigned).any())


def _our_header(tensors: Mapping[str, _Tensor], metadata: Mapping[str, str]) -> bytes:
    fields: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    at = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        end = at + tensor.end - tensor.begin
        fields[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return _LENGTH.pack(len(text)) + text


def _step(metadata: Mapping[str, Any]) -> int:
    """The step the trainer wrote, at most a million; 0 when it wrote none."""
    try:
        step = json.loads(metadata["training_info"])["step"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return 0
    return step if type(step) is int and 0 < step <= MOST_STEP else 0
