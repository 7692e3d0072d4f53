"""black-forest-labs/FLUX.1-dev at a thousandth of its size: the real names, weights with honest headers."""

import json
import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.sandbox.hub.repos import Entry, Repo, Shelf

ID: Final = "black-forest-labs/FLUX.1-dev"
SCALE: Final = 1000
DATE: Final = "2024-07-31T21:13:44.000Z"
TITLE: Final = "FLUX.1 [dev]"


@dataclass(frozen=True, slots=True)
class Weights:
    """One weight file: its real size in bytes, how many tensors, which index names it."""

    path: str
    size: int
    tensors: int
    index: str = ""


T_INDEX: Final = "transformer/diffusion_pytorch_model.safetensors.index.json"
E_INDEX: Final = "text_encoder_2/model.safetensors.index.json"
WEIGHTS: Final = (  # the single files at the top are the same weights again: a good client leaves them
    Weights("ae.safetensors", 335_304_388, 244),
    Weights("flux1-dev.safetensors", 23_802_932_552, 780),
    Weights("text_encoder/model.safetensors", 246_144_352, 196),
    Weights("text_encoder_2/model-00001-of-00002.safetensors", 4_994_582_224, 110, E_INDEX),
    Weights("text_encoder_2/model-00002-of-00002.safetensors", 4_530_066_360, 109, E_INDEX),
    Weights("transformer/diffusion_pytorch_model-00001-of-00003.safetensors", 9_983_040_304, 330, T_INDEX),
    Weights("transformer/diffusion_pytorch_model-00002-of-00003.safetensors", 9_949_328_904, 340, T_INDEX),
    Weights("transformer/diffusion_pytorch_model-00003-of-00003.safetensors", 3_870_584_832, 110, T_INDEX),
    Weights("vae/diffusion_pytorch_model.safetensors", 167_666_902, 244),
)
CLASSES: Final = {
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def lay(shelf: Shelf) -> Repo:
    """Put the repo on the shelf, once; answers it. Takes about half a second the first time."""
    if ID in shelf.repos:
        return shelf.repos[ID]
    files: dict[str, Entry] = {}
    for path, content in _files():
        lfs = path.endswith((".safetensors", ".model", ".jpg"))
        files[path] = shelf.entry(shelf.put(content), lfs=lfs)
    repo = Repo(ID, "66aaa908fc35e079a941470d", private=False, gated=True)
    shelf.commit(repo, TITLE, dict(sorted(files.items())), DATE)
    return repo


def _files() -> Iterator[tuple[str, bytes]]:
    indexes: dict[str, dict[str, str]] = {T_INDEX: {}, E_INDEX: {}}
    for one in WEIGHTS:
        names = [f"{one.path.partition('.')[0]}.{n}.weight" for n in range(one.tensors)]
        yield one.path, _weights(one, names)
        if one.index:
            indexes[one.index] |= dict.fromkeys(names, one.path.rpartition("/")[2])
    for path, where in indexes.items():
        total = sum(one.size for one in WEIGHTS if one.index == path) // SCALE
        yield path, _json({"metadata": {"total_size": total}, "weight_map": where})
    yield from ((path, _json(said)) for path, said in _configs().items())
    yield "README.md", b"---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n\nA stand-in.\n"
    yield "LICENSE.md", b"The weights in this sandbox are noise. The real ones have a licence of their own.\n"
    yield ".gitattributes", b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
    yield "tokenizer/merges.txt", b"#version: 0.2\ni n\nt h\n"
    yield "tokenizer_2/spiece.model", random.Random("spiece").randbytes(792)
    yield "dev_grid.jpg", random.Random("grid").randbytes(1190)


def _configs() -> Mapping[str, Any]:
    said: dict[str, Any] = {f"{part}/config.json": {"_class_name": CLASSES[part][1]} for part in ("transformer", "vae")}
    said |= {
        f"{part}/config.json": {"architectures": [CLASSES[part][1]]} for part in ("text_encoder", "text_encoder_2")
    }
    for part in ("tokenizer", "tokenizer_2"):
        said[f"{part}/tokenizer_config.json"] = {"tokenizer_class": CLASSES[part][1]}
        said[f"{part}/special_tokens_map.json"] = {"unk_token": "<unk>"}
    return {
        **said,
        "model_index.json": {"_class_name": "FluxPipeline", "_diffusers_version": "0.30.0.dev0", **CLASSES},
        "scheduler/scheduler_config.json": {"_class_name": CLASSES["scheduler"][1], "shift": 3.0},
        "tokenizer/vocab.json": {"in": 0, "th": 1},
        "tokenizer_2/tokenizer.json": {"version": "1.0", "model": {"type": "Unigram"}},
    }


def _json(said: Any) -> bytes:
    return json.dumps(said, indent=2).encode() + b"\n"


def _weights(one: Weights, names: list[str]) -> bytes:
    """A valid safetensors file of exactly `size / SCALE` bytes: the header is padded to make it fit.

    Noise, not zeros: a download resumed at the wrong place must not pass its sha256.
    """
    total, count = one.size // SCALE, len(names)
    each = (total - 8 - count * 160) // count // 2 * 2
    head = json.dumps(
        {
            name: {"dtype": "BF16", "shape": [each // 2], "data_offsets": [n * each, (n + 1) * each]}
            for n, name in enumerate(names)
        },
        separators=(",", ":"),
    ).encode()
    room = total - 8 - count * each
    return struct.pack("<Q", room) + head.ljust(room) + random.Random(one.path).randbytes(count * each)
