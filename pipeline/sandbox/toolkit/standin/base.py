"""Loads the base model: reads each header the real loaders read, refuses in their words what is missing or cut."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .bars import Bar, run_through
from .hubload import snapshot
from .jobdb import JobRow
from .voice import say
from .weights import BrokenFile, header
from .world import World

INDEX: Final = "diffusion_pytorch_model.safetensors.index.json"


def load(folder: Path, row: JobRow, world: World, *, quantize: bool) -> None:
    """Play the loading phases of FLUX.1 over `folder`, about 150 s of life with quantization.

    A name that is no folder is a hub id. Raises OSError as diffusers and transformers do.
    """
    say("Loading Flux model")
    _phase("Loading transformer", row)
    folder = folder if folder.is_dir() else snapshot(str(folder), world.env)
    _whole(folder)
    _transformer(folder / "transformer", world)
    if quantize:
        _phase("Quantizing transformer", row)
        world.nap(65)
    _phase("Loading VAE", row)
    _component(folder / "vae", ("config.json", "diffusion_pytorch_model.safetensors"))
    world.nap(2)
    _phase("Loading T5", row)
    _text_encoder(folder / "text_encoder_2", folder / "tokenizer_2", 15, world)
    if quantize:
        _phase("Quantizing T5", row)
        world.nap(25)
    _phase("Loading CLIP", row)
    _text_encoder(folder / "text_encoder", folder / "tokenizer", 2, world)
    say("Making pipe")
    say("Preparing Model")
    row.tell("Preparing Model")
    world.nap(8)


def _phase(title: str, row: JobRow) -> None:
    row.stop_if_asked()
    say(title)
    row.tell(title)


def _whole(folder: Path) -> None:
    if not (folder / "model_index.json").is_file():
        raise OSError(f"Error no file named model_index.json found in directory {folder}.")


def _component(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        if not path.is_file():
            raise OSError(f"Error no file named {name} found in directory {folder}.")
        if path.suffix == ".safetensors":
            _tensors(path)


def _tensors(path: Path) -> int:
    try:
        return sum(1 for key in header(path) if key != "__metadata__")
    except (BrokenFile, ValueError) as broken:
        raise OSError(f"Unable to load weights from checkpoint file for '{path}' at '{path}'. ") from broken


def _shards(folder: Path, index: str) -> tuple[Path, ...]:
    """List the shards an index names. Raises OSError if one is not there."""
    names = sorted(set(json.loads((folder / index).read_text("utf-8"))["weight_map"].values()))
    for name in names:
        if not (folder / name).is_file():
            raise OSError(
                f"{folder} does not appear to have a file named {name} "
                "which is required according to the checkpoint index."
            )
    return tuple(folder / name for name in names)


def _transformer(folder: Path, world: World) -> None:
    _component(folder, ("config.json", INDEX))
    shards = _shards(folder, INDEX)
    bar = Bar(len(shards), "Loading checkpoint shards")
    try:
        for shard in shards:
            _tensors(shard)
            world.nap(30 / len(shards))
            bar.step_thin()
    finally:
        bar.close()


def _text_encoder(folder: Path, tokenizer: Path, seconds: float, world: World) -> None:
    _component(folder, ("config.json",))
    _component(tokenizer, ("tokenizer_config.json",))
    index = next(folder.glob("*.safetensors.index.json"), None)
    files = _shards(folder, index.name) if index else (folder / "model.safetensors",)
    _component(folder, [file.name for file in files])
    tensors = sum(map(_tensors, files))
    run_through(tensors, "Loading weights", work=lambda _: world.nap(seconds / tensors))
