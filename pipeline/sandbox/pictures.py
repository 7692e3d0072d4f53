"""The demo's own dataset: a toy train at different places and hours, drawn here, with a caption each."""

import functools
import io
import random
import zipfile
from pathlib import Path
from typing import Final

from pipeline.sandbox.scene import Colour, Hour, Place, Scene

HOURS: Final = (
    Hour("at dawn", ((94, 126, 189), (255, 205, 170)), (255, 233, 190), 0.80, 0.90),
    Hour("at noon", ((76, 150, 227), (205, 232, 250)), (255, 250, 220), 0.18, 1.00),
    Hour("at sunset", ((78, 60, 130), (255, 146, 92)), (255, 214, 130), 0.86, 0.80),
    Hour("at night", ((12, 16, 44), (44, 52, 98)), (238, 238, 222), 0.25, 0.52),
)
PLACES: Final = (
    Place("in the mountains", (126, 146, 176), (92, 116, 128), (98, 148, 88), "peaks"),
    Place("by the sea", (64, 132, 176), (46, 108, 158), (226, 204, 152), "waves"),
    Place("in a snowy forest", (70, 104, 96), (48, 82, 76), (238, 243, 248), "firs"),
    Place("in the city", (132, 132, 150), (98, 98, 120), (112, 116, 112), "towers"),
    Place("in the desert", (222, 168, 110), (204, 142, 86), (236, 196, 134), "dunes"),
)
PAINTS: Final[tuple[tuple[str, Colour], ...]] = (
    ("red", (214, 58, 52)),
    ("blue", (44, 98, 196)),
    ("yellow", (244, 188, 40)),
    ("green", (52, 142, 84)),
    ("violet", (126, 76, 176)),
    ("orange", (236, 122, 44)),
    ("turquoise", (40, 158, 166)),
)


def make_pictures(folder: Path, count: int = 12) -> Path:
    """Write `count` different JPEGs, each with a caption beside it: the same ones every time. Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        place, hour, (name, _) = PLACES[number % len(PLACES)], HOURS[number % len(HOURS)], PAINTS[number % len(PAINTS)]
        (folder / f"train_{number + 1:02d}.jpg").write_bytes(_jpeg(number))
        caption = f"a small {name} toy train {place.name} {hour.name}"
        (folder / f"train_{number + 1:02d}.txt").write_text(caption + "\n", encoding="utf-8")
    return folder


@functools.cache  # drawing takes a fifth of a second
def _jpeg(number: int) -> bytes:
    hour, place, (_, paint) = HOURS[number % len(HOURS)], PLACES[number % len(PLACES)], PAINTS[number % len(PAINTS)]
    into = io.BytesIO()
    Scene(hour, place, paint, random.Random(number)).drawn().save(into, "JPEG", quality=90)
    return into.getvalue()


def make_zip(folder: Path, into: Path) -> Path:
    """Zip the files of `folder` as a person would, each below the folder's name. Returns `into`."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            info = zipfile.ZipInfo(f"{folder.name}/{file.name}")  # dated 1980: the same bytes every time
            archive.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return into
