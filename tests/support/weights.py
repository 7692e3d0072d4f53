"""Weights to be proved: tiny files that the real loaders judged, and ones spelled byte by byte."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.workshop_child import weights
from pipeline.domain.faults import HostFault
from pipeline.ports import Demand

LORA = Path(__file__).parents[1] / "data" / "lora"  # tiny files, each judged by the real loaders
METADATA = {"format": "pt", "modelspec.title": "meadow"}
Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]  # name -> dtype, shape, data


def header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found: dict[str, Any] = json.loads(data[8 : 8 + length])
    return found


def demand_of(name: str, only: str = "") -> Demand:
    """What the tiny model demands: its widths are read off a good file."""
    tensors = {key: said["shape"] for key, said in header(LORA / f"{name}.safetensors").items() if "lora" in key}
    names = {key.removeprefix("transformer.").rsplit(".lora_", 1)[0] for key in tensors}
    modules = {
        name: (
            tensors[f"transformer.{name}.lora_A.weight"][1],
            tensors[f"transformer.{name}.lora_B.weight"][0],
        )
        for name in sorted(names)
        if only in name
    }
    return Demand(modules=modules, prefix="transformer.", rank=2, dtype="F16", metadata=METADATA)


WHOLE = demand_of("flux1_diffusers")
ATTENTION = demand_of("flux1_diffusers", only=".attn.")  # the broken files hold these 14 modules
SMALL = Demand(modules={"a": (8, 16), "b.c": (4, 4)}, prefix="transformer.", rank=2, dtype="BF16", metadata=METADATA)


def proved(source: Path, demand: Demand, into: Path) -> list[Any]:
    """The child's own function, without its process: the walls have tests of their own."""
    request = {
        "modules": {name: list(widths) for name, widths in demand.modules.items()},
        "prefix": demand.prefix,
        "rank": demand.rank,
        "dtype": demand.dtype,
        "metadata": dict(demand.metadata),
        "halves": list(demand.halves),
        "alpha": demand.alpha,
    }
    return weights.prove({"source": str(source), "target": str(into), "demand": request})


def written(path: Path, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> Path:
    fields: dict[str, Any] = {"__metadata__": metadata or {}}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        fields[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    path.write_bytes(framed(json.dumps(fields).encode(), b"".join(data for _, _, data in tensors.values())))
    return path


def framed(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(head)) + head + body


def good(dtype: str = "BF16", *, one: int = 0x3F80, rank: int = 2) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    word = np.uint32 if dtype == "F32" else np.uint16
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]] = {}
    for name, (wide, tall) in SMALL.modules.items():
        for side, shape in (("A", (rank, wide)), ("B", (tall, rank))):
            data = np.full(shape, one, word).tobytes()
            tensors[f"transformer.{name}.lora_{side}.weight"] = (dtype, shape, data)
    return tensors


def code_of(path: Path, demand: Demand, into: Path) -> str:
    with pytest.raises(HostFault) as caught:
        proved(path, demand, into)
    return caught.value.code
