"""The pictures: finds the real ones, buckets their sizes, reads their captions, lays a latent cache beside them.

Named as the toolkit's own: a traceback tells by it whose file is missing.
"""

import hashlib
import json
import math
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps

from .bars import Bar, run_through
from .voice import say
from .world import World

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
GRID: Final = 32  # pixels; FLUX.1's buckets
ENCODE_SECONDS: Final = 1.5  # of life, a picture and resolution
WORDS_SECONDS: Final = 0.3  # a caption
SIZES: Final = ".aitk_size.json"
CACHE: Final = "_latent_cache"
WORDS: Final = "_t_e_cache"


def load(entry: Mapping[str, Any], world: World, *, words: bool) -> int:
    """Play one dataset entry, once per resolution; answers how many pictures are good. `words`: encodes captions, too.

    Raises OSError if the folder is missing, AssertionError if no picture in it is good.
    """
    folder = Path(entry["folder_path"])
    resolutions = entry.get("resolution", 512)
    found = 0
    for resolution in resolutions if isinstance(resolutions, list) else [resolutions]:
        found = _load_at(folder, int(resolution), world, to_disk=bool(entry.get("cache_latents_to_disk", False)))
        if words:
            _cache_words(folder, world)
    return found


def check_captions(entry: Mapping[str, Any]) -> None:
    """Read every caption, as the first epoch does. Raises RuntimeError on one that is not UTF-8."""
    extension = "." + str(entry.get("caption_ext", "txt")).lstrip(".")
    for picture in _pictures(Path(entry["folder_path"])):
        caption = picture.with_suffix(extension)
        try:
            if caption.exists():
                caption.read_text("utf-8")
        except UnicodeDecodeError as broken:
            raise RuntimeError("Caught UnicodeDecodeError in DataLoader worker process 0.") from broken


def _load_at(folder: Path, resolution: int, world: World, *, to_disk: bool) -> int:
    if not folder.exists():
        raise FileNotFoundError(2, "No such file or directory", str(folder))
    say(f"Dataset: {folder}")
    say("  -  Preprocessing image dimensions")
    sizes = _sizes(folder)
    say(f"  -  Found {len(sizes)} images")
    if not sizes:
        raise AssertionError(f"no images found in {folder}")
    say(f"Bucket sizes for {folder}:")
    buckets = Counter(_bucket(size, resolution) for size in sizes.values())
    for (width, height), count in buckets.items():
        say(f"{width}x{height}: {count} files")
    say(f"{len(buckets)} buckets made")
    say(f"Caching latents for {folder}")
    say(" - Saving latents to disk" if to_disk else " - Keeping latents in memory")
    _cache(sizes, resolution, world, to_disk=to_disk)
    return len(sizes)


def _pictures(folder: Path) -> Iterator[Path]:
    """Every picture below `folder`, but hidden ones and the toolkit's own folders."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.suffix.lower() in PICTURES and not any(part.startswith(".") or part == "_controls" for part in inside):
            yield path


def _sizes(folder: Path) -> dict[Path, tuple[int, int]]:
    paths = list(_pictures(folder))
    sizes: dict[Path, tuple[int, int]] = {}
    bar = Bar(len(paths))
    for path in paths:
        try:
            with Image.open(path) as picture:
                sizes[path] = ImageOps.exif_transpose(picture).size
        except Exception as broken:  # noqa: BLE001  # the real one skips whatever Pillow cannot open, and says so
            traceback.print_exc()
            say(f"Error processing image: {path}\n{broken}")
        bar.step_thin()
    bar.close()
    known = {str(path.relative_to(folder)): size for path, size in sizes.items()}
    (folder / SIZES).write_text(json.dumps(known), "utf-8")
    return sizes


def _bucket(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """Scale down to at most resolution² pixels, never up, sides cut to multiples of 32."""
    width, height = size
    shrink = math.sqrt(min(width * height, resolution**2) / (width * height))
    return max(GRID, int(width * shrink) // GRID * GRID), max(GRID, int(height * shrink) // GRID * GRID)


def _cache(sizes: Mapping[Path, tuple[int, int]], resolution: int, world: World, *, to_disk: bool) -> None:
    items = list(sizes.items())

    def encode(n: int) -> None:
        path, size = items[n]
        width, height = _bucket(size, resolution)
        key = hashlib.sha256(f"{path.name}/{width}x{height}".encode()).hexdigest()[:22]
        latent = path.parent / CACHE / f"{path.stem}_{key}.safetensors"
        if to_disk and latent.exists():
            return
        world.nap(ENCODE_SECONDS)
        if to_disk:
            latent.parent.mkdir(exist_ok=True)
            latent.write_bytes(_latent(width // 8, height // 8))

    run_through(len(items), "Caching latents to disk" if to_disk else "Caching latents", work=encode)


def _cache_words(folder: Path, world: World) -> None:
    """Encode each picture's caption once, whatever its size."""
    say(f"Caching text_embeddings for {folder}")
    say(" - Saving text embeddings to disk")
    pictures = list(_pictures(folder))

    def encode(n: int) -> None:
        key = hashlib.sha256(pictures[n].name.encode()).hexdigest()[:22]
        words = pictures[n].parent / WORDS / f"{pictures[n].stem}_{key}.safetensors"
        if not words.exists():
            world.nap(WORDS_SECONDS)
            words.parent.mkdir(exist_ok=True)
            words.write_bytes(_latent(8, 8))

    run_through(len(pictures), "Caching text embeddings to disk", work=encode)


def _latent(width: int, height: int) -> bytes:
    """Sixteen channels of nothing, in the right shape and size."""
    length = 16 * width * height * 2
    field = {"dtype": "BF16", "shape": [16, height, width], "data_offsets": [0, length]}
    head = json.dumps({"latent": field}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(length)
