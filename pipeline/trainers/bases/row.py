"""What a row of the table of bases says. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HOME: Final = "base"  # folder of the base's own repo, from the job's folder: the config names it
ROOM_24: Final = 23_500  # MB; a "24 GB" card lists as little as 24,000


@dataclass(frozen=True, slots=True)
class Part:
    """Files of one hub repo that a base needs; patterns as in fnmatch, against the path in the repo.

    `place` is the folder they go to, from the job's folder. "": as the hub's own cache has it, for what the toolkit
    asks for by hub id (facts/aitoolkit.md 9b.1).
    """

    repo: str
    patterns: tuple[str, ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to spend memory. A ladder goes from wasteful to frugal; each rung down costs time (facts 5.1)."""

    vram_mb: int  # from this memory up
    low_vram: bool = False  # the quantizer works on the CPU: slower start, room to train
    cache_text: bool = False  # captions are encoded once, then the text encoder leaves


PEFT: Final = (".lora_A.weight", ".lora_B.weight")
KOHYA: Final = (".lora_down.weight", ".lora_up.weight")
LADDER: Final = (Rung(25_000), Rung(0, low_vram=True), Rung(0, low_vram=True, cache_text=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """One base model. Sizes in GB, `modules` name -> (in, out) widths of the LoRA's pairs (facts/loading.md 2)."""

    id: str
    title: str
    arch: str  # the trainer's word
    version: str  # ss_base_model_version
    parts: tuple[Part, ...]  # the first one is name_or_path
    assistant: str = ""  # place and name of the adapter that keeps a distilled base trainable
    assistant_at_hub: str = ""  # the same, as the toolkit's loader of this arch spells it
    gated: bool
    download_gb: float
    disk_gb: int
    vram_mb: int  # floor
    ram_mb: int = 0  # floor of host memory, where the whole base is loaded there before it shrinks; 0: not asked
    ram_told_mb: int = 0  # the same where less is only slow or a risk: asked of machines that tell theirs
    ladder: tuple[Rung, ...] = LADDER
    step_factor: float  # seconds per step against FLUX.1-dev
    scheduler: str
    timestep: str = ""  # train.timestep_type; "": the toolkit's own
    guidance: float
    sample_steps: int
    passes: int = 1  # of the model for one step of a sample: two where guidance is not distilled into it
    quantize: bool
    prefix: str  # of every key in the LoRA file
    halves: tuple[str, str] = PEFT  # how the keys of a pair end: down, up
    alpha: bool = False  # a third key with each pair (only for SDXL: facts/loading.md 1)
    modules: Mapping[str, tuple[int, int]]
    card_base: str  # base_model on the model card
    license: str
    license_name: str = ""
    license_link: str = ""

    @property
    def elements_per_rank(self) -> int:
        return sum(wide + tall for wide, tall in self.modules.values())

    def lora_bytes(self, rank: int) -> int:
        """Size of the 16-bit LoRA file: two bytes an element, and about 130 of header a key."""
        return 2 * rank * self.elements_per_rank + 130 * (3 if self.alpha else 2) * len(self.modules)

    def place(self, repo: str) -> str:
        """Where the files of one of its repos go. Raises KeyError for a repo that is none of its own."""
        return {part.repo: part.place for part in self.parts}[repo]

    def rung(self, vram_mb: int, lower: int = 0) -> Rung:
        """The rung of a card, `lower` steps further down where memory did not do; the last one where there is none."""
        fits = next(n for n, rung in enumerate(self.ladder) if rung.vram_mb <= vram_mb)
        return self.ladder[min(fits + lower, len(self.ladder) - 1)]
