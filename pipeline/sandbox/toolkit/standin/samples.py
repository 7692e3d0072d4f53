"""Reads sample prompts and draws them: a landscape each, settling as the training goes on, marked as simulated."""

import colorsys
import textwrap
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

THUMB: Final = 300
SAVED_AS: Final = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
INK: Final = (250, 246, 236)
WHOLE: Final = frozenset({"w", "h", "d", "seed", "s", "steps", "frames", "num_frames", "fps", "ctrl_idx"})
REAL: Final = frozenset({"l", "cfg", "m", "network_multiplier", "gr", "a", "ref"})
REALS: Final = frozenset({"ev", "extra_values"})
SAME: Final = {"d": "seed"}


@dataclass(frozen=True, slots=True)
class Shot:
    """One sample as it will be painted; `size` in pixels."""

    words: str
    negative: str
    seed: int
    size: tuple[int, int]


def shot(prompt: str, negative: str, seed: int, size: tuple[int, int], trigger: str) -> Shot:
    """Read a prompt as the toolkit does: the trigger goes in first, and only then every `--flag value` comes out.

    So a flag may come from the trigger too, and one whose value is no number ends the run. Raises ValueError.
    """
    for mark in ("[name]", "[trigger]"):
        prompt = prompt.replace(mark, trigger)
    words, *parts = prompt.strip().split("--")
    said: dict[str, str] = {}
    for part in parts:
        flag = part.partition(" ")[0].strip()
        said[SAME.get(flag, flag)] = _value(flag, part[len(flag) :].strip())
    width, height = (_side(int(said.get(flag, side))) for flag, side in zip("wh", size, strict=True))
    return Shot(words.strip(), said.get("n", negative), int(said.get("seed", seed)), (width, height))


def _value(flag: str, content: str) -> str:
    """`content`, when it is what `flag` takes. Raises ValueError in Python's words, which are the toolkit's."""
    if flag in WHOLE:
        int(content)
    elif flag in REAL:
        float(content)
    elif flag in REALS:
        [float(value) for value in content.split(",")]
    return content


def _side(pixels: int) -> int:
    """A side as the toolkit rounds it."""
    return max(64, pixels // 8 * 8)


def draw(shot: Shot, step: int, progress: float) -> Image.Image:
    """Paint one sample; `progress` 0..1 is how much of the training it has seen: grain gives way to form."""
    seed, size = shot.seed, shot.size
    dice = np.random.default_rng(zlib.crc32(f"{shot.words}/{shot.negative}/{seed}".encode()))
    width, height = size
    picture = _sky(dice, size)
    pen = ImageDraw.Draw(picture)
    _sun(pen, dice, size)
    for layer in range(3):
        _hill(pen, dice, size, layer)
    grain = np.random.default_rng(seed + step).normal(0, 46 * (1 - progress), (height, width, 1))
    grainy = np.clip(np.asarray(picture, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grainy)
    _label(picture, shot.words, step)
    return picture


def save(picture: Image.Image, folder: Path, name: str, *, thumbs: bool) -> None:
    """Write through `.tmp`, then move: a reader never sees half a picture. A 300 px thumb goes to `.thumbs`."""
    (folder / ".tmp").mkdir(parents=True, exist_ok=True)
    temporary = folder / ".tmp" / name
    picture.save(temporary, SAVED_AS[temporary.suffix.lstrip(".")], quality=92)
    temporary.replace(folder / name)
    if not thumbs:
        return
    (folder / ".thumbs").mkdir(exist_ok=True)
    thumb = picture.copy().resize((THUMB, THUMB))
    thumb.save(folder / ".thumbs" / f"{name}.jpg", "JPEG")


def _sky(dice: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    width, height = size
    hue = float(dice.uniform())
    top, bottom = _colour(hue, 0.55, 0.45), _colour(hue + 0.08, 0.3, 0.92)
    fade = np.linspace(0, 1, height)[:, None, None]
    rows = top * (1 - fade) + bottom * fade
    return Image.fromarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))


def _colour(hue: float, saturation: float, value: float) -> "np.ndarray[Any, Any]":
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value)) * 255


def _sun(pen: ImageDraw.ImageDraw, dice: np.random.Generator, size: tuple[int, int]) -> None:
    width, height = size
    x, y = dice.uniform(0.2, 0.8) * width, dice.uniform(0.15, 0.4) * height
    radius = dice.uniform(0.06, 0.14) * min(size)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 238, int(dice.integers(150, 220))))


def _hill(pen: ImageDraw.ImageDraw, dice: np.random.Generator, size: tuple[int, int], layer: int) -> None:
    width, height = size
    xs = np.linspace(0, width, 80)
    swing, phase = dice.uniform(0.03, 0.09) * height, dice.uniform(0, 6.28, 2)
    crest = height * (0.52 + 0.15 * layer)
    ys = crest + swing * np.sin(xs / width * 5 + phase[0]) + swing / 2 * np.sin(xs / width * 13 + phase[1])
    colour = _colour(0.25 + float(dice.uniform(0, 0.35)), 0.35, 0.62 - 0.18 * layer)
    fill = (int(colour[0]), int(colour[1]), int(colour[2]))
    pen.polygon([*zip(xs.tolist(), ys.tolist(), strict=True), (width, height), (0, height)], fill=fill)


def _label(picture: Image.Image, prompt: str, step: int) -> None:
    width, height = picture.size
    font = ImageFont.load_default(size=max(10, width // 36))
    pen = ImageDraw.Draw(picture)
    lines = textwrap.shorten(prompt, 70, placeholder="…")
    pen.multiline_text((width * 0.03, height * 0.86), f"simulated, step {step}\n{lines}", fill=INK, font=font)
