"""Lays a base model on the hub's shelf at a thousandth of its size: the real names, weights with honest headers."""

import json
import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.sandbox.hub.repos import Entry, Repo, Shelf

SCALE: Final = 1000  # how much smaller than life; lines of boxes are slower by as much
DATE: Final = "2024-07-31T21:13:44.000Z"
LFS: Final = (".safetensors", ".model", ".jpg")
LEAST: Final = 170  # bytes of header a tensor takes, and a number of it
ATTRIBUTES: Final = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


@dataclass(frozen=True, slots=True)
class Weights:
    """One weight file: its real size in bytes, how many tensors, which index names it."""

    path: str
    size: int
    tensors: int
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """One repo. `texts` by path; `noise`: bytes of files that are neither text nor weights."""

    id: str
    key: str
    title: str
    gated: bool = False
    weights: tuple[Weights, ...]
    texts: Mapping[str, Any] = field(default_factory=dict)
    noise: Mapping[str, int] = field(default_factory=dict)


def card(licence: str, name: str = "") -> dict[str, str]:
    """The repo's README.md, by its path."""
    named = f"license_name: {name}\n" if name else ""
    return {"README.md": f"---\nlicense: {licence}\n{named}---\n\nA stand-in.\n"}


def pieces(folder: str, name: str, sizes: tuple[float, ...], tensors: int) -> tuple[Weights, ...]:
    """A model in numbered pieces of `sizes` GB, with its index."""
    index = f"{folder}{name}.safetensors.index.json"
    each = tensors // len(sizes)
    return tuple(
        Weights(f"{folder}{name}-{n:05}-of-{len(sizes):05}.safetensors", int(size * 1e9), each, index)
        for n, size in enumerate(sizes, 1)
    )


def pipeline(name: str, classes: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Every small file of a diffusers folder. `classes`: component -> its library and class."""
    said: dict[str, Any] = {
        "model_index.json": {"_class_name": name, **{part: list(of) for part, of in classes.items()}}
    }
    for part, (library, kind) in classes.items():
        if part.startswith("tokenizer"):
            said[f"{part}/tokenizer_config.json"] = {"tokenizer_class": kind}
            said[f"{part}/special_tokens_map.json"] = {"unk_token": "<unk>"}
        elif part == "scheduler":
            said["scheduler/scheduler_config.json"] = {"_class_name": kind, "shift": 3.0}
        else:
            said[f"{part}/config.json"] = {"_class_name": kind} if library == "diffusers" else {"architectures": [kind]}
    return said


def lay(shelf: Shelf, stock: Stock, scale: int = SCALE) -> Repo:
    """Put the repo on the shelf, once; answers it. Takes about half a second for 50 GB."""
    if stock.id in shelf.repos:
        return shelf.repos[stock.id]
    files: dict[str, Entry] = {}
    for path, content in _files(stock, scale):
        files[path] = shelf.entry(shelf.put(content), lfs=path.endswith(LFS))
    repo = Repo(stock.id, stock.key, private=False, gated=stock.gated)
    shelf.commit(repo, stock.title, dict(sorted(files.items())), DATE)
    return repo


def _files(stock: Stock, scale: int) -> Iterator[tuple[str, bytes]]:
    indexes: dict[str, dict[str, str]] = {}
    for one in stock.weights:
        names = [f"{one.path.partition('.')[0]}.{n}.weight" for n in range(one.tensors)]
        yield one.path, _weights(stock, one, names, scale)
        if one.index:
            indexes.setdefault(one.index, {}).update(dict.fromkeys(names, one.path.rpartition("/")[2]))
    for path, where in indexes.items():
        total = sum(one.size for one in stock.weights if one.index == path) // scale
        yield path, _json({"metadata": {"total_size": total}, "weight_map": where})
    for path, said in stock.texts.items():
        yield path, said.encode() if isinstance(said, str) else _json(said)
    for path, size in stock.noise.items():
        yield path, random.Random(path).randbytes(size)
    yield ".gitattributes", ATTRIBUTES


def _json(said: Any) -> bytes:
    return json.dumps(said, indent=2).encode() + b"\n"


def _weights(stock: Stock, one: Weights, names: list[str], scale: int) -> bytes:
    """A valid safetensors file of exactly `size / scale` bytes: the header is padded to make it fit.

    Noise, not zeros: a download resumed at the wrong place must not pass its sha256.
    """
    count = len(names)
    total = max(one.size // scale, 8 + count * LEAST)
    each = (total - 8 - count * 160) // count // 2 * 2
    head = json.dumps(
        {
            name: {"dtype": "BF16", "shape": [each // 2], "data_offsets": [n * each, (n + 1) * each]}
            for n, name in enumerate(names)
        },
        separators=(",", ":"),
    ).encode()
    room = total - 8 - count * each
    noise = random.Random(f"{stock.id}/{one.path}").randbytes(count * each)
    return struct.pack("<Q", room) + head.ljust(room) + noise
