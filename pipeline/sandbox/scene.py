"""One picture of the demo's dataset in the making: a toy train at a place and an hour."""

import math
import random
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

SIZE: Final = (1024, 768)
_FINE: Final = 2  # drawn this much larger, then shrunk: smooth edges
_SOFT: Final = 4  # and mist this much smaller
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Hour:
    """A time of day: the sky from top to horizon, its sun or moon, and how much light is left."""

    name: str
    sky: tuple[Colour, Colour]
    sun: Colour
    height: float  # of the sun, as a share of the sky
    light: float

    @property
    def dark(self) -> bool:
        return self.light < 0.6  # noqa: PLR2004  # below it, windows are lit


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    far: Colour
    near: Colour
    ground: Colour
    shape: str  # of what stands behind the train


class Scene:
    """A page with a train on it. Lengths are in pixels of the fine page; y grows downwards."""

    def __init__(self, hour: Hour, place: Place, paint: Colour, dice: random.Random) -> None:
        self._hour, self._place, self._paint, self._dice = hour, place, paint, dice
        self._wide, self._tall = SIZE[0] * _FINE, SIZE[1] * _FINE
        self._horizon = self._tall * dice.uniform(0.52, 0.60)
        self._rail = self._tall * dice.uniform(0.80, 0.86)
        self._unit = self._tall * dice.uniform(0.055, 0.072)  # radius of a big wheel
        self._left = self._wide * dice.uniform(0.05, 0.22)
        self._page = Image.new("RGB", (self._wide, self._tall))
        self._pen = ImageDraw.Draw(self._page)

    def drawn(self) -> Image.Image:
        self._sky()
        self._behind()
        self._ground()
        self._track()
        self._train()
        return self._page.resize(SIZE, Image.Resampling.LANCZOS)

    def _lit(self, colour: Colour, shade: float = 1.0) -> Colour:
        share = self._hour.light * shade
        red, green, blue = (min(255, int(part * share)) for part in colour)
        return red, green, min(255, int(blue + 24 * (1 - self._hour.light)))

    def _sky(self) -> None:
        top, low = self._hour.sky
        for y in range(self._tall):
            part = min(1.0, y / self._horizon)
            colour = tuple(int(a + (b - a) * part) for a, b in zip(top, low, strict=True))
            self._pen.line((0, y, self._wide, y), fill=colour)
        if self._hour.dark:
            self._stars()
        across = self._wide * self._dice.uniform(0.55, 0.9)
        self._disc(across, self._horizon * self._hour.height, self._tall * 0.055, self._hour.sun)
        if not self._hour.dark:
            self._clouds()

    def _stars(self) -> None:
        for _ in range(90):
            x, y = self._dice.uniform(0, self._wide), self._dice.uniform(0, self._horizon * 0.8)
            self._disc(x, y, self._dice.uniform(1.5, 4), (235, 235, 245))

    def _clouds(self) -> None:
        puffs: list[tuple[float, float, float, int]] = []
        for _ in range(self._dice.randint(2, 4)):
            x, y = self._dice.uniform(0, self._wide), self._dice.uniform(0.08, 0.5) * self._horizon
            for puff in range(5):
                radius = self._tall * self._dice.uniform(0.02, 0.045)
                puffs.append((x + (puff - 2) * radius * 1.2, y, radius, 170))
        self._mist(puffs, (255, 255, 255))

    def _mist(self, puffs: list[tuple[float, float, float, int]], colour: Colour) -> None:
        """Lay soft discs (x, y, radius, density 0..255) over the page; blurred small, for that is the slow part."""
        small = Image.new("L", (self._wide // _SOFT, self._tall // _SOFT))
        pen = ImageDraw.Draw(small)
        for x, y, radius, density in puffs:
            pen.ellipse(_box(x / _SOFT, y / _SOFT, radius / _SOFT), fill=density)
        mask = small.filter(ImageFilter.GaussianBlur(2)).resize(self._page.size)
        self._page.paste(colour, mask=mask)

    def _behind(self) -> None:
        draw = {
            "peaks": self._peaks,
            "waves": self._waves,
            "firs": self._firs,
            "towers": self._towers,
            "dunes": self._dunes,
        }[self._place.shape]
        draw(self._lit(self._place.far), 1.0)
        draw(self._lit(self._place.near), 0.6)

    def _peaks(self, colour: Colour, size: float) -> None:
        step = self._wide / 5
        for n in range(-1, 7):
            x = n * step + self._dice.uniform(-0.3, 0.3) * step
            high = self._tall * self._dice.uniform(0.16, 0.34) * size
            self._pen.polygon(
                [(x - step, self._horizon), (x, self._horizon - high), (x + step, self._horizon)], fill=colour
            )
            snow = 0.24
            self._pen.polygon(
                [
                    (x - step * snow, self._horizon - high * (1 - snow)),
                    (x, self._horizon - high),
                    (x + step * snow, self._horizon - high * (1 - snow)),
                    (x, self._horizon - high * 0.82),
                ],
                fill=self._lit((244, 247, 250)),
            )

    def _waves(self, colour: Colour, size: float) -> None:
        top = self._horizon - self._tall * 0.05 * size
        self._pen.rectangle((0, top, self._wide, self._rail), fill=colour)
        for _ in range(40):
            x, y = self._dice.uniform(0, self._wide), self._dice.uniform(top, self._horizon + self._tall * 0.08)
            self._pen.line((x, y, x + self._dice.uniform(30, 110), y), fill=self._lit((220, 236, 246)), width=4)

    def _firs(self, colour: Colour, size: float) -> None:
        for _ in range(26):
            x = self._dice.uniform(0, self._wide)
            high = self._tall * self._dice.uniform(0.16, 0.34) * size
            for layer in range(3):
                top = self._horizon - high * (1 - layer * 0.24)
                half = high * (0.13 + 0.07 * layer)
                self._pen.polygon([(x - half, top + high * 0.42), (x, top), (x + half, top + high * 0.42)], fill=colour)

    def _towers(self, colour: Colour, size: float) -> None:
        x: float = -self._dice.uniform(0, 80)
        while x < self._wide:
            wide = self._wide * self._dice.uniform(0.05, 0.10)
            top = self._horizon - self._tall * self._dice.uniform(0.12, 0.42) * size
            self._pen.rectangle((x, top, x + wide, self._horizon), fill=colour)
            for row in range(int((self._horizon - top) / 56)):
                for column in range(int(wide / 48)):
                    if self._dice.uniform(0, 1) < 0.55:  # noqa: PLR2004  # a bit more than half are at home
                        at = (x + 14 + column * 48, top + 16 + row * 56)
                        self._pen.rectangle((*at, at[0] + 20, at[1] + 26), fill=(250, 226, 150))
            x += wide + self._dice.uniform(4, 26)

    def _dunes(self, colour: Colour, size: float) -> None:
        shift, wave = self._dice.uniform(0, 6), self._dice.uniform(1.5, 3.5)
        high = self._tall * 0.10 * size
        line = [
            (x, self._horizon - high * (1 + math.sin(shift + wave * math.tau * x / self._wide)) - 6)
            for x in range(0, self._wide + 16, 16)
        ]
        self._pen.polygon([(0, self._horizon), *line, (self._wide, self._horizon)], fill=colour)

    def _ground(self) -> None:
        low = self._horizon + (self._tall * 0.08 if self._place.shape == "waves" else 0)
        for y in range(int(low), self._tall):
            self._pen.line((0, y, self._wide, y), fill=self._lit(self._place.ground, 0.82 + 0.25 * y / self._tall))

    def _track(self) -> None:
        y, unit = self._rail, self._unit
        self._pen.rectangle((0, y, self._wide, y + unit * 0.9), fill=self._lit((146, 132, 116)))
        for x in range(0, self._wide, int(unit * 1.1)):
            self._pen.rectangle((x, y + unit * 0.16, x + unit * 0.45, y + unit * 0.72), fill=self._lit((104, 76, 54)))
        self._pen.rectangle((0, y, self._wide, y + unit * 0.16), fill=self._lit((186, 190, 196)))

    def _train(self) -> None:
        unit, x = self._unit, self._left
        for _ in range(self._dice.randint(1, 2)):
            x = self._wagon(x)
        self._engine(x)
        chimney = (x + unit * 6.1, self._rail - unit * 5.4)
        self._smoke(*chimney)

    def _wagon(self, x: float) -> float:
        unit, y = self._unit, self._rail
        load = self._dice.choice(((240, 214, 120), (150, 104, 66), (186, 60, 70), (96, 156, 92)))
        for n in range(4):
            self._disc(x + unit * (1.0 + n * 0.85), y - unit * 2.5, unit * 0.62, self._lit(load))
        self._block(x, y - unit * 2.6, x + unit * 4.4, y - unit * 0.8, self._paint, 0.86)
        self._block(x + unit * 4.3, y - unit * 1.15, x + unit * 5.1, y - unit * 0.95, (60, 60, 66))
        for place in (1.1, 3.3):
            self._wheel(x + unit * place, unit * 0.72)
        return x + unit * 5.0

    def _engine(self, x: float) -> None:
        unit, y = self._unit, self._rail
        self._block(x + unit * 5.7, y - unit * 5.4, x + unit * 6.5, y - unit * 3.0, (58, 58, 64))  # chimney
        self._block(x + unit * 5.5, y - unit * 5.6, x + unit * 6.7, y - unit * 5.1, (240, 204, 110))
        self._disc(x + unit * 4.4, y - unit * 3.4, unit * 0.5, self._lit((240, 204, 110)))  # dome
        self._block(x + unit * 2.4, y - unit * 3.5, x + unit * 7.2, y - unit * 1.0, self._paint)  # boiler
        self._block(x, y - unit * 5.0, x + unit * 2.8, y - unit * 1.0, self._paint, 0.92)  # cab
        self._block(x - unit * 0.3, y - unit * 5.5, x + unit * 3.1, y - unit * 4.9, (66, 62, 70))  # roof
        window = (255, 236, 160) if self._hour.dark else (206, 230, 242)
        self._pen.rounded_rectangle(
            (x + unit * 0.6, y - unit * 4.5, x + unit * 2.2, y - unit * 3.1), unit * 0.2, fill=window
        )
        self._disc(x + unit * 7.2, y - unit * 2.6, unit * 0.42, (255, 240, 180))  # lamp
        self._pen.polygon(
            [(x + unit * 6.9, y - unit * 1.0), (x + unit * 7.4, y - unit * 1.0), (x + unit * 8.1, y - unit * 0.1)],
            fill=self._lit((58, 58, 64)),
        )
        for place, size in ((1.3, 1.0), (3.9, 1.0), (6.1, 0.72)):
            self._wheel(x + unit * place, unit * size)

    def _smoke(self, x: float, y: float) -> None:
        puffs = [
            (
                x - self._unit * (0.19 * n * n + 0.5 * n),
                y - self._unit * (0.7 + 0.55 * n),
                self._unit * (0.45 + 0.22 * n),
                205 - 22 * n,
            )
            for n in range(7)
        ]
        self._mist(puffs, self._lit((246, 246, 248)))

    def _wheel(self, x: float, radius: float) -> None:
        y = self._rail - radius
        self._disc(x, y, radius, self._lit((44, 44, 50)))
        self._disc(x, y, radius * 0.78, self._lit((214, 62, 56)))
        for spoke in range(4):
            turn = spoke * math.pi / 4
            reach_x, reach_y = radius * 0.74 * math.cos(turn), radius * 0.74 * math.sin(turn)
            self._pen.line(
                (x - reach_x, y - reach_y, x + reach_x, y + reach_y), fill=self._lit((250, 222, 150)), width=7
            )
        self._disc(x, y, radius * 0.22, self._lit((250, 222, 150)))

    def _block(self, left: float, top: float, right: float, bottom: float, colour: Colour, shade: float = 1.0) -> None:
        corner = min(right - left, bottom - top, self._unit) * 0.22
        self._pen.rounded_rectangle((left, top, right, bottom), corner, fill=self._lit(colour, shade))
        edge = top + (bottom - top) * 0.28
        self._pen.rounded_rectangle(
            (left + corner, top + corner * 0.6, right - corner, edge),
            corner * 0.5,
            fill=self._lit(colour, shade * 1.16),
        )

    def _disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        self._pen.ellipse(_box(x, y, radius), fill=colour)


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius
