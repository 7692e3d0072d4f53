"""Loads the base model as each arch of the toolkit does: its words in its order, and the files it would read.

FLUX.1 and Z-Image were captured; Qwen-Image, FLUX.2-klein and SDXL are told by the toolkit's code, from nobody's run,
and so is what schnell's and Turbo's adapters add.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from . import components
from .bars import Bar, run_through
from .config import Plan
from .failures import out_of_memory
from .hubload import gated, snapshot
from .jobdb import JobRow
from .voice import say
from .world import World, be_killed, hang

AT_HUB: Final[Mapping[str, str]] = {  # whom a refusal names when the base is a folder
    "flux": "black-forest-labs/FLUX.1-dev",
    "flux2_klein_4b": "black-forest-labs/FLUX.2-klein-base-4B",
    "qwen_image": "Qwen/Qwen-Image",
    "zimage": "Tongyi-MAI/Z-Image-Turbo",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
}
PIPELINE: Final = ("scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae")
TEXT_ENCODER: Final = "Qwen/Qwen3-4B"  # written into the toolkit: asked for by hub id, wherever the base lies


class Load:
    """One load of a base, about 150 s of life with quantization."""

    def __init__(self, plan: Plan, row: JobRow, world: World) -> None:
        """Nothing is read yet."""
        self.plan, self.row, self.world = plan, row, world
        self.folder = plan.base

    def tell(self, title: str) -> None:
        """Say a phase and write it into the row, where somebody may have asked for a stop."""
        self.row.stop_if_asked()
        say(title)
        self.row.tell(title)

    def found(self) -> None:
        """Refuse as the hub does where that is asked for; a name that is no folder is a hub id. Raises OSError."""
        for code in (401, 403):
            if f"gated-{code}" in self.world.modes:
                raise gated(str(self.folder) if not self.folder.is_dir() else AT_HUB[self.plan.arch], code)
        if not self.folder.is_dir():
            self.folder = snapshot(str(self.folder), self.world.env)

    def quantize(self, title: str, seconds: float, blocks: int = 0) -> None:
        """Say `title` and be busy; newer archs count their blocks."""
        if not self.plan.quantize:
            return
        self.tell(title)
        if blocks:
            self.tell(f" - quantizing {blocks} transformer blocks")
        self.struck()
        if not blocks:
            self.world.nap(seconds)
            return
        run_through(blocks, work=lambda _: self.world.nap(seconds / blocks))
        self.tell(" - quantizing extras")

    def struck(self) -> None:
        """What strikes while weights are made smaller; where nothing is, while they are read."""
        if "stall-in-quantize" in self.world.modes:
            hang()
        if "rc-137" in self.world.modes:
            be_killed()

    def last_encoder(self) -> None:
        if "oom-loading" in self.world.modes:
            raise out_of_memory()

    def fuse(self) -> None:
        """Legacy archs melt the adapter of a distilled base in before it shrinks. Raises FileNotFoundError."""
        if not self.plan.assistant:
            return
        say("Fusing in LoRA")
        components.file_of_its_own(Path(self.plan.assistant))
        self.world.nap(10)

    def lay_beside(self) -> None:
        """And load it once more, to take it away while samples are drawn."""
        if not self.plan.assistant:
            return
        say("Loading assistant lora")
        say(f"Loading assistant adapter from {self.plan.assistant}")
        network(*components.adapter(Path(self.plan.assistant)))

    def merge(self) -> None:
        """Newer archs do both at once. Raises FileNotFoundError."""
        if not self.plan.assistant:
            return
        self.tell("Loading assistant LoRA")
        network(*components.adapter(Path(self.plan.assistant)))
        self.tell("Merging in assistant LoRA")
        self.world.nap(10)

    def ready(self) -> None:
        self.tell("Making pipe")
        self.tell("Preparing Model")
        self.world.nap(8)


def network(rank: int, modules: int) -> None:
    """What a network says of itself when it is made: the one that is trained, and an adapter's."""
    say(f"create LoRA network. base dim (rank): {rank}, alpha: {rank}")
    say("neuron dropout: p=None, rank dropout: p=None, module dropout: p=None")
    say("create LoRA for Text Encoder: 0 modules.")
    say(f"create LoRA for U-Net: {modules} modules.")
    say("enable LoRA for U-Net")


def load(plan: Plan, row: JobRow, world: World) -> None:
    """Play the loading phases. Raises OSError as diffusers and transformers do, and whatever else ends a run there."""
    PLAYED[plan.arch](Load(plan, row, world))


def _flux(of: Load) -> None:
    of.tell("Loading Flux model")
    of.tell("Loading transformer")
    of.found()
    components.whole(of.folder)
    components.sharded(of.folder / "transformer", 30, of.world)
    of.fuse()
    of.quantize("Quantizing transformer", 65)
    of.tell("Loading VAE")
    components.component(of.folder / "vae", "config.json", components.SINGLE)
    of.world.nap(2)
    of.tell("Loading T5")
    of.last_encoder()
    components.text_encoder(of.folder / "text_encoder_2", of.folder / "tokenizer_2", 15, of.world)
    of.quantize("Quantizing T5", 25)
    of.tell("Loading CLIP")
    components.text_encoder(of.folder / "text_encoder", of.folder / "tokenizer", 2, of.world)
    of.ready()
    of.lay_beside()


def _zimage(of: Load) -> None:
    of.tell("Loading ZImage model")
    of.tell("Loading transformer")
    of.found()
    components.sharded(of.folder / "transformer", 25, of.world)
    of.merge()
    of.quantize("Quantizing Transformer", 60, 30)
    _newer_end(of, 12)


def _qwen(of: Load) -> None:
    of.tell("Loading Qwen Image model")
    of.tell("Loading transformer")
    of.found()
    components.sharded(of.folder / "transformer", 60, of.world)
    of.quantize("Quantizing Transformer", 180, 60)
    _newer_end(of, 25)


def _newer_end(of: Load, seconds: float) -> None:
    """Text encoder and VAE of the archs that have one of each."""
    if of.plan.low_vram:
        of.tell("Moving transformer to CPU")
    of.tell("Text Encoder")
    of.last_encoder()
    components.text_encoder(of.folder / "text_encoder", of.folder / "tokenizer", seconds, of.world)
    of.quantize("Quantizing Text Encoder", 20)
    of.tell("Loading VAE")
    components.component(of.folder / "vae", "config.json", components.SINGLE)
    of.ready()
    of.tell("Model Loaded")


def _klein(of: Load) -> None:
    """Single files in the base's folder; the text encoder out of the hub's cache."""
    of.tell("Loading Flux2 model")
    of.tell("Loading transformer")
    of.found()
    components.file_of_its_own(of.folder / "flux-2-klein-base-4b.safetensors")
    of.world.nap(15)
    of.quantize("Quantizing Transformer", 50, 25)
    of.tell("Loading Qwen3")
    of.last_encoder()
    encoder = cached(TEXT_ENCODER, of.world.env)
    components.text_encoder(encoder, encoder, 12, of.world)
    of.quantize("Quantizing Qwen3", 20)
    of.tell("Loading VAE")
    components.file_of_its_own(of.folder / "ae.safetensors")
    of.ready()
    of.tell("Model Loaded")


def _sdxl(of: Load) -> None:
    """The whole pipeline in one go, of which the toolkit says nothing: the bar is diffusers' own, by the alphabet."""
    of.found()
    components.whole(of.folder)
    bar = Bar(len(PIPELINE), "Loading pipeline components...")
    try:
        of.struck()
        for part in PIPELINE:
            _component(of, part)
            bar.step_thin()
    finally:
        bar.close()
    of.last_encoder()


def _component(of: Load, part: str) -> None:
    """Raises OSError. A scheduler and a tokenizer are read in no time, the latter with whom it is for."""
    if part in ("unet", "vae"):
        components.component(of.folder / part, "config.json", components.SINGLE)
        of.world.nap(8)
    elif part.startswith("text_encoder"):
        tokenizer = of.folder / part.replace("text_encoder", "tokenizer")
        components.text_encoder(of.folder / part, tokenizer, 4, of.world)


def cached(repo: str, env: Mapping[str, str]) -> Path:
    """Where the hub's cache has `repo`, by its main commit. Raises OSError in the loader's words."""
    folder = Path(env.get("HF_HUB_CACHE", ""), f"models--{repo.replace('/', '--')}")
    main = folder / "refs" / "main"
    if not main.is_file():
        raise OSError(
            f"We couldn't connect to 'https://huggingface.co' to load {repo}, and it is not in the cached files: "
            "offline mode is enabled."
        )
    return folder / "snapshots" / main.read_text("utf-8").strip()


PLAYED: Final[Mapping[str, Callable[[Load], None]]] = {
    "flux": _flux,
    "flux2_klein_4b": _klein,
    "qwen_image": _qwen,
    "zimage": _zimage,
    "sdxl": _sdxl,
}
