"""Tasks `samples` and `sheet`: what a box painted becomes pictures to show. Only re-encoded bytes reach a chat."""

from typing import Any, Final

from PIL import Image

from pipeline.adapters.workshop_child import pictures
from pipeline.adapters.workshop_child.entries import Broken, Meter, one

MOST_SAMPLE: Final = 8 * 1024**2  # bytes
MOST_PIXELS: Final = 2048 * 2048  # the largest a recipe orders
QUALITY: Final = 92
_CELL, _GAP = 768, 8  # pixels of the sheet
_PAPER: Final = (24, 24, 27)


def samples(request: dict[str, Any]) -> list[str]:
    """Re-encode each source to the target of the same place; the targets that were written."""
    written: list[str] = []
    for source, target in request["pairs"]:
        try:
            image = _opened(source)
        except (Broken, OSError):
            continue
        pictures.write(pictures.jpeg(image, QUALITY), target)
        written.append(target)
    return written


def sheet(request: dict[str, Any]) -> None:
    """Lay the sources out in a square of rows, each whole in its cell."""
    images: list[Image.Image] = []
    for source in request["sources"]:
        try:
            images.append(_opened(source))
        except (Broken, OSError):
            continue
        images[-1].thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
    if not images:
        raise ValueError("no picture for the sheet")
    pictures.write(pictures.jpeg(_laid(images), QUALITY), request["target"])


def _laid(images: list[Image.Image]) -> Image.Image:
    columns = next(n for n in range(1, len(images) + 1) if n * n >= len(images))
    rows = -(-len(images) // columns)
    wide, tall = max(image.width for image in images), max(image.height for image in images)
    page = Image.new("RGB", (columns * (wide + _GAP) + _GAP, rows * (tall + _GAP) + _GAP), _PAPER)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        left = _GAP + column * (wide + _GAP) + (wide - image.width) // 2
        top = _GAP + row * (tall + _GAP) + (tall - image.height) // 2
        page.paste(image, (left, top))
    return page


def _opened(source: str) -> Image.Image:
    data = one(source, Meter()).read(MOST_SAMPLE)
    return pictures.decode(data, pictures.DRAWN, most_pixels=MOST_PIXELS)


__all__ = ["samples", "sheet"]
