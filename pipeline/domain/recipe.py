"""What to train: a person's options as one frozen value, and the bounds each must keep."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any, Final

from pipeline.domain.faults import UserFault
from pipeline.domain.ids import Sha256, Slug
from pipeline.domain.money import MICRO, MicroUsd

TRIGGER: Final = re.compile(  # threats.md 3; a `-` has letters on both sides, else it could make a `--` of a prompt
    r"(?=.{2,32}\Z)[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*"
)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
REGION: Final = re.compile(r"[A-Z]{2}")
GPU: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .-]{1,31}")
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)  # no file of that name on Windows

MOST_PROMPTS: Final = 4
LONGEST_PROMPT: Final = 400

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {  # product.md, "Numbers that are the default"
    "steps": (10, 20_000),
    "rank": (1, 128),
    "lr": (1e-6, 1e-2),
    "resolution": (256, 1536),
    "save_every": (10, 20_000),
    "samples": (0, 4),
    "samples_every": (10, 20_000),
    "max_price": (0.01, 100.0),  # dollars an hour
}


class Publish(StrEnum):
    """Who may see the model; how the bytes travel is the operator's affair."""

    HF = "hf"
    PRIVATE = "private"


class Captions(StrEnum):
    """What is trained beside the pictures. `auto` also describes those that have no caption, where something can."""

    AUTO = "auto"
    KEEP = "keep"  # the captions there are, and no others
    NONE = "none"  # the trigger word alone


class Preset(StrEnum):
    """What a LoRA is to hold: sets what a person leaves open, and how samples and captions are treated."""

    SUBJECT = "subject"
    STYLE = "style"
    CHARACTER = "character"


PRESETS: Final[Mapping[Preset, Mapping[str, Any]]] = {
    Preset.SUBJECT: {"steps": 2000, "rank": 16, "lr": 1e-4, "captions": Captions.KEEP},  # a word does for one subject
    Preset.STYLE: {  # broad: longer and gentler, else it copies pictures; what is in them must be named, or it is style
        "steps": 3000,
        "rank": 32,
        "lr": 5e-5,
        "captions": Captions.AUTO,
    },
    Preset.CHARACTER: {  # one figure in many poses and clothes: captions keep them apart
        "steps": 2500,
        "rank": 32,
        "lr": 1e-4,
        "captions": Captions.AUTO,
    },
}


def preset_values(preset: Preset) -> dict[str, Any]:
    """The fields of a recipe that `preset` sets, itself among them; a person's own options go on top."""
    return {"preset": preset, **PRESETS[preset]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    trigger: str
    name: str = ""
    base: str = "flux1-dev"
    preset: Preset = Preset.SUBJECT  # its values stand in the fields below
    steps: int = 2000
    rank: int = 16
    lr: float = 1e-4
    resolution: tuple[int, ...] = (512, 768, 1024)
    save_every: int = 250
    samples: int = 4
    samples_every: int = 0  # steps between rounds while it trains; 0: only those of the last step
    captions: Captions = Captions.KEEP
    prompts: tuple[str, ...] = ()  # of the samples, the person's own; what is missing comes from captions or preset
    publish: Publish = Publish.HF
    region: str = ""  # two letters; "": anywhere
    gpu: str = ""  # "": what the operator offers
    max_price: MicroUsd = MicroUsd(0)  # of a machine, per hour; 0: what the operator allows

    @property
    def slug(self) -> Slug:
        """The model's name before the catalogue makes it unique. Contains the trigger."""
        whole = self.trigger if not self.name else self.name
        if self.trigger not in whole:
            whole = f"{whole}-{self.trigger}"
        return Slug(f"{whole}-lora" if RESERVED.fullmatch(whole) else whole)

    @property
    def digest(self) -> Sha256:
        return Sha256(hashlib.sha256(repr(astuple(self)).encode()).hexdigest())

    def check(self) -> None:  # noqa: C901  # one line a bound
        """Raise UserFault for the first thing out of bounds. A base's existence is PREPARE's and intake's to check."""
        if not TRIGGER.fullmatch(self.trigger):
            raise UserFault("bad-trigger", got=self.trigger[:40])
        if self.name and not NAME.fullmatch(self.name):
            raise UserFault("bad-name", got=self.name[:60])
        if self.region and not REGION.fullmatch(self.region):
            raise UserFault("bad-region", got=self.region[:40])
        if self.gpu and not GPU.fullmatch(self.gpu):
            raise UserFault("bad-gpu", got=self.gpu[:40])
        if self.max_price:
            within("max_price", self.max_price / MICRO)
        for option in ("steps", "rank", "lr", "save_every", "samples"):
            within(option, getattr(self, option))
        if not 1 <= len(set(self.resolution)) == len(self.resolution) <= 4:  # noqa: PLR2004  # four buckets of size
            raise UserFault("bad-resolution")
        for side in self.resolution:
            within("resolution", side)
        if self.samples_every:
            within("samples_every", self.samples_every)
        if len(self.prompts) > MOST_PROMPTS:
            raise UserFault("too-many-prompts", have=len(self.prompts), most=MOST_PROMPTS)
        if not all(0 < len(prompt) <= LONGEST_PROMPT for prompt in self.prompts):
            raise UserFault("bad-prompt", most=LONGEST_PROMPT)

    @property
    def rounds(self) -> int:
        """Rounds of samples, that of the last step among them."""
        return 1 + ((self.steps - 1) // self.samples_every if self.samples_every else 0)


def within(option: str, value: float) -> None:
    """Raise UserFault unless `value` is inside the bounds of `option`."""
    low, high = BOUNDS[option]
    if not low <= value <= high:
        raise UserFault("out-of-bounds", option=option, low=low, high=high, got=value)
