"""Pictures and zips for tests: small, different from each other, and made to order."""

import random
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pillow_heif
from PIL import Image, ImageDraw

SIZE: Final = (320, 288)
HUES: Final = ("tomato", "gold", "seagreen", "royalblue", "orchid", "sienna", "turquoise")


def photo(number: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    """Balloons over a meadow; another number is another picture."""
    dice = random.Random(number)
    image = Image.new("RGB", size, (186 - number % 40, 220, 244))
    pen = ImageDraw.Draw(image)
    wide, tall = size
    pen.rectangle((0, tall * 0.7, wide, tall), fill=(110, 160 + number % 50, 90))
    for _ in range(5):
        x, y, radius = dice.uniform(0, wide), dice.uniform(0, tall * 0.6), dice.uniform(0.05, 0.12) * tall
        pen.ellipse((x - radius, y - radius, x + radius, y + radius * 1.3), fill=dice.choice(HUES))
        pen.line((x, y + radius * 1.3, x, y + radius * 2.6), fill="dimgray", width=2)
    return image


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Encode as JPEG, PNG, WEBP, GIF, HEIF ..."""
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def dataset(count: int = 12) -> dict[str, bytes]:
    """Files as a person would zip them: `count` pictures with a caption each."""
    files: dict[str, bytes] = {}
    for number in range(1, count + 1):
        files[f"img_{number}.jpg"] = encoded(photo(number))
        files[f"img_{number}.txt"] = f"balloons over a meadow, number {number}\n".encode()
    return files


def zipped(into: Path, files: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write `files` (name -> bytes) as a zip at `into`."""
    with zipfile.ZipFile(into, "w", packing) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return into


def laid(into: Path, files: Mapping[str, bytes]) -> Path:
    """Write `files` into the folder `into`."""
    for name, data in files.items():
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return into
