"""The parts of a base on disk: reads the headers that the real loaders read, refuses in their words what is amiss."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .bars import Bar, run_through
from .failures import SafetensorError
from .weights import header
from .world import World

INDEX: Final = "diffusion_pytorch_model.safetensors.index.json"
SINGLE: Final = "diffusion_pytorch_model.safetensors"


def whole(folder: Path) -> None:
    """Raises OSError unless it is the folder of a pipeline."""
    if not (folder / "model_index.json").is_file():
        raise OSError(f"Error no file named model_index.json found in directory {folder}.")


def component(folder: Path, *names: str) -> None:
    """Raises OSError for a file that is missing, or weights that are cut."""
    for name in names:
        path = folder / name
        if not path.is_file():
            raise OSError(f"Error no file named {name} found in directory {folder}.")
        if path.suffix == ".safetensors":
            tensors(path)


def tensors(path: Path) -> int:
    """How many there are. Raises OSError, behind two errors that are of no interest: the loader is a guesser."""
    try:
        return sum(1 for key in header(path) if key != "__metadata__")
    except (SafetensorError, ValueError) as broken:
        try:
            if not path.read_text("utf-8").startswith("version"):  # else it were the pointer that git-lfs leaves
                raise ValueError(f"Unable to locate the file {path}") from broken  # noqa: TRY301  # its traceback is wanted
        except ValueError:  # bytes that are no text are one, too
            raise OSError(f"Unable to load weights from checkpoint file for '{path}' at '{path}'. ")  # noqa: B904  # the chain is what the reader must see through
        raise OSError("You seem to have cloned a repository without having git-lfs installed.")  # noqa: B904  # as above


def sharded(folder: Path, seconds: float, world: World) -> None:
    """A diffusers model in pieces, with its bar. Raises OSError."""
    component(folder, "config.json", INDEX)
    pieces = _shards(folder, INDEX)
    bar = Bar(len(pieces), "Loading checkpoint shards")
    try:
        for piece in pieces:
            tensors(piece)
            world.nap(seconds / len(pieces))
            bar.step_thin()
    finally:
        bar.close()


def text_encoder(folder: Path, tokenizer: Path, seconds: float, world: World) -> None:
    """A transformers model, in pieces or whole, its tokenizer first. Raises OSError."""
    component(folder, "config.json")
    component(tokenizer, "tokenizer_config.json")
    index = next(folder.glob("*.safetensors.index.json"), None)
    files = _shards(folder, index.name) if index else (folder / "model.safetensors",)
    component(folder, *(file.name for file in files))
    count = sum(map(tensors, files))
    run_through(count, "Loading weights", work=lambda _: world.nap(seconds / count))


def file_of_its_own(path: Path) -> None:
    """Weights that are read by safetensors alone. Raises FileNotFoundError or SafetensorError in its words."""
    if not path.is_file():
        raise FileNotFoundError(2, f"No such file or directory: {path}")
    header(path)


def adapter(path: Path) -> tuple[int, int]:
    """Rank of an adapter, and how many modules it is for: two tensors each. Raises as `file_of_its_own` does."""
    file_of_its_own(path)
    shapes = [field["shape"] for key, field in header(path).items() if key != "__metadata__"]
    return min((min(shape) for shape in shapes if shape), default=0), len(shapes) // 2


def _shards(folder: Path, index: str) -> Sequence[Path]:
    """List the shards an index names. Raises OSError if one is not there."""
    names = sorted(set(json.loads((folder / index).read_text("utf-8"))["weight_map"].values()))
    for name in names:
        if not (folder / name).is_file():
            raise OSError(
                f"{folder} does not appear to have a file named {name} "
                "which is required according to the checkpoint index."
            )
    return tuple(folder / name for name in names)
