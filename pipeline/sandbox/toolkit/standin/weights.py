"""Safetensors by hand: numpy knows no bfloat16, so a file is a header and raw 16-bit words."""

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

WIDTH: Final = 3072  # of FLUX.1
VERSION: Final = "0.12.26"
HEADER_MAX: Final = 100_000_000
NAMES: Final = {  # the toolkit's words for a dtype -> the file's
    "bf16": "BF16", "bfloat16": "BF16",
    "fp16": "F16", "half": "F16", "float16": "F16",
    "float": "F32", "fp32": "F32", "single": "F32", "float32": "F32",
}  # fmt: skip


def modules() -> Iterator[tuple[str, int, int]]:
    """The 494 modules of FLUX.1 a LoRA touches: name, width in, width out (facts/loading.md 2)."""
    square = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    for n in range(19):
        block = f"transformer_blocks.{n}"
        for name in square:
            yield f"{block}.attn.{name}", WIDTH, WIDTH
        for side in ("", "_context"):
            yield f"{block}.ff{side}.net.0.proj", WIDTH, 4 * WIDTH
            yield f"{block}.ff{side}.net.2", 4 * WIDTH, WIDTH
            yield f"{block}.norm1{side}.linear", WIDTH, 6 * WIDTH
    for n in range(38):
        block = f"single_transformer_blocks.{n}"
        for name in ("to_q", "to_k", "to_v"):
            yield f"{block}.attn.{name}", WIDTH, WIDTH
        yield f"{block}.proj_mlp", WIDTH, 4 * WIDTH
        yield f"{block}.proj_out", 5 * WIDTH, WIDTH
        yield f"{block}.norm.linear", WIDTH, 3 * WIDTH


@dataclass(frozen=True, slots=True)
class Lora:
    """The adapter after `updates` optimizer steps. Only lora_B moves; without updates it is zero."""

    job: str
    rank: int
    dtype: str
    updates: int

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the file as the library does: `.tmpXXXXXX` beside it, mode 0600, then renamed."""
        shapes = dict(self._shapes())
        size = max(rows * columns for rows, columns in shapes.values())
        down, up = self._pool("A", size, 0.02), self._pool("B", size, 0.01 * self.updates / (self.updates + 150.0))
        parts = [
            (down if ".lora_A." in key else up)[at : at + rows * columns].data.cast("B")
            for at, (key, (rows, columns)) in enumerate(shapes.items())
        ]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        hashes = {"format": "pt", "sshs_model_hash": digest.hexdigest(), "sshs_legacy_hash": digest.hexdigest()[:8]}
        head = _header({**metadata, **hashes}, NAMES[self.dtype], shapes, down.itemsize)
        handle, temporary = tempfile.mkstemp(prefix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(head)
            file.writelines(parts)
        Path(temporary).replace(path)

    def _shapes(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for name, wide, tall in sorted(modules()):
            yield f"transformer.{name}.lora_A.weight", (self.rank, wide)
            yield f"transformer.{name}.lora_B.weight", (tall, self.rank)

    def _pool(self, side: str, largest: int, scale: float) -> "np.ndarray[Any, Any]":
        """Normal noise that every tensor takes its own window of: 172 MB would take seconds to draw."""
        seed = int.from_bytes(hashlib.sha256(f"{self.job}/{side}".encode()).digest()[:8], "little")
        noise = np.random.default_rng(seed).standard_normal(largest + 1024, dtype=np.float32) * np.float32(scale)
        kind = NAMES[self.dtype]
        if kind == "BF16":
            return (noise.view(np.uint32) >> 16).astype(np.uint16)
        return noise.astype(np.float16) if kind == "F16" else noise


def _header(metadata: Mapping[str, str], dtype: str, shapes: Mapping[str, tuple[int, int]], width: int) -> bytes:
    at, fields = 0, dict[str, Any](__metadata__=dict(metadata))
    for key, (rows, columns) in shapes.items():
        end = at + rows * columns * width
        fields[key] = {"dtype": dtype, "shape": [rows, columns], "data_offsets": [at, end]}
        at = end
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def metadata(*, job: str, step: int, epoch: int, trigger: str, meta: Mapping[str, Any]) -> dict[str, str]:
    """What the toolkit says about a LoRA: every value is a string, nested ones are JSON."""
    software = {"name": "ai-toolkit", "repo": "https://github.com/ostris/ai-toolkit", "version": VERSION}
    said = {
        "training_info": json.dumps({"step": step, "epoch": epoch}),
        "ss_base_model_version": "flux.1",
        "software": json.dumps(software),
        "ss_output_name": job,
    }
    if trigger:
        said["ss_tag_frequency"] = json.dumps({f"1_{trigger}": {trigger: 1}})
    return said | {key: value if isinstance(value, str) else json.dumps(value) for key, value in meta.items()}


class BrokenFile(Exception):  # prints as the library's SafetensorError would
    """A weight file whose header and length disagree."""


def header(path: Path) -> dict[str, Any]:
    """Read a weight file's header. Raises BrokenFile in the library's words if the file is short or no such file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_MAX + 1  # noqa: PLR2004  # a u64
        if length > HEADER_MAX:
            raise BrokenFile("Error while deserializing header: header too large")
        if 8 + length > size:
            raise BrokenFile("Error while deserializing header: invalid header length")
        fields: dict[str, Any] = json.loads(file.read(length))
    end = max((field["data_offsets"][1] for key, field in fields.items() if key != "__metadata__"), default=0)
    if 8 + length + end != size:
        raise BrokenFile("Error while deserializing header: incomplete metadata, file not fully covered")
    return fields
