"""Safetensors by hand: numpy knows no bfloat16, so a file is a header and raw 16-bit words."""

import hashlib
import json
import math
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from .failures import SafetensorError
from .grammar import Grammar

VERSION: Final = "0.12.26"
HEADER_MAX: Final = 100_000_000
NAMES: Final = {  # the toolkit's words for a dtype -> the file's
    "bf16": "BF16", "bfloat16": "BF16",
    "fp16": "F16", "half": "F16", "float16": "F16",
    "float": "F32", "fp32": "F32", "single": "F32", "float32": "F32",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lora:
    """The adapter after `updates` optimizer steps. Only the upper half moves; without updates it is zero."""

    job: str
    grammar: Grammar
    rank: int
    alpha: int
    dtype: str
    updates: int

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the file as the library does: `.tmpXXXXXX` beside it, mode 0600, then renamed."""
        shapes = dict(self.shapes())
        parts = list(self._parts(shapes))
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        hashes = {"format": "pt", "sshs_model_hash": digest.hexdigest(), "sshs_legacy_hash": digest.hexdigest()[:8]}
        written(path, [_header({**metadata, **hashes}, NAMES[self.dtype], shapes), *parts])

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every key of the file, with its tensor's shape."""
        said = self.grammar
        for name, wide, tall in sorted(said.modules()):
            yield f"{said.prefix}{name}.{said.down}", (self.rank, wide)
            yield f"{said.prefix}{name}.{said.up}", (tall, self.rank)
            if said.alpha:
                yield f"{said.prefix}{name}.alpha", ()

    def _parts(self, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[memoryview]:
        size = max(math.prod(shape) for shape in shapes.values())
        down, up = self._pool("A", size, 0.02), self._pool("B", size, 0.01 * self.updates / (self.updates + 150.0))
        alpha = self._stored(np.full(1, self.alpha, dtype=np.float32))
        still = {f"{self.grammar.prefix}{name}.{self.grammar.up}" for name in self.grammar.still}
        for at, (key, shape) in enumerate(shapes.items()):
            pool = down if key.endswith(self.grammar.down) else np.zeros_like(up) if key in still else up
            values = pool[at : at + math.prod(shape)] if shape else alpha
            yield values.data.cast("B")

    def _pool(self, side: str, largest: int, scale: float) -> "np.ndarray[Any, Any]":
        """Normal noise that every tensor takes its own window of: 172 MB would take seconds to draw."""
        seed = int.from_bytes(hashlib.sha256(f"{self.job}/{side}".encode()).digest()[:8], "little")
        noise = np.random.default_rng(seed).standard_normal(largest + 4096, dtype=np.float32) * np.float32(scale)
        return self._stored(noise)

    def _stored(self, values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        kind = NAMES[self.dtype]
        if kind == "BF16":
            return (values.view(np.uint32) >> 16).astype(np.uint16)
        return values.astype(np.float16) if kind == "F16" else values


def written(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Make `path` of `parts` in one step, 0600."""
    handle, temporary = tempfile.mkstemp(prefix=".tmp", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.writelines(parts)
    Path(temporary).replace(path)


def _header(metadata: Mapping[str, str], dtype: str, shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    at, fields, width = 0, dict[str, Any](__metadata__=dict(metadata)), 4 if dtype == "F32" else 2
    for key, shape in shapes.items():
        end = at + math.prod(shape) * width
        fields[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def metadata(*, job: str, version: str, step: int, epoch: int, trigger: str, meta: Mapping[str, Any]) -> dict[str, str]:
    """What the toolkit says about a LoRA: every value is a string, nested ones are JSON."""
    software = {"name": "ai-toolkit", "repo": "https://github.com/ostris/ai-toolkit", "version": VERSION}
    said = {
        "training_info": json.dumps({"step": step, "epoch": epoch}),
        "ss_base_model_version": version,
        "software": json.dumps(software),
        "ss_output_name": job,
    }
    if trigger:
        said["ss_tag_frequency"] = json.dumps({f"1_{trigger}": {trigger: 1}})
    return said | {key: value if isinstance(value, str) else json.dumps(value) for key, value in meta.items()}


def header(path: Path) -> dict[str, Any]:
    """Read a weight file's header. Raises SafetensorError in the library's words where it is short, or none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_MAX + 1  # noqa: PLR2004  # a u64
        if length > HEADER_MAX:
            raise SafetensorError("Error while deserializing header: header too large")
        if 8 + length > size:
            raise SafetensorError("Error while deserializing header: invalid header length")
        fields: dict[str, Any] = json.loads(file.read(length))
    end = max((field["data_offsets"][1] for key, field in fields.items() if key != "__metadata__"), default=0)
    if 8 + length + end != size:
        raise SafetensorError("Error while deserializing header: incomplete metadata, file not fully covered")
    return fields
