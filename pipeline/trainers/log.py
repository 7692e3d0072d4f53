"""Reads what ai-toolkit prints: bytes cut anywhere in, readings out. Pure, bounded, never raises: a stranger wrote it.

The patterns search anywhere in a line: messages get glued to progress bars (facts/aitoolkit.md 0.5). Every repeat in
them is bounded and none begins with a lazy text: one line of 2,000 spaces must not cost 40 seconds.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from pipeline.domain.text import line

LINE_CAP: Final = 4096
_BAR: Final = re.compile(
    r"(?P<pct>\d{1,3})%\|[^|\r\n]{0,400}\|\s{0,8}(?P<n>\d{1,9})/(?P<total>\d{1,9}) "
    r"\[(?P<elapsed>[\d:]{1,12})<(?P<eta>[\d:?]{1,12}),\s{1,8}(?P<rate>[\d.]{1,12}|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>[^\s\]]{1,24}) loss: (?P<loss>[^\s\]]{1,24}))?\]"
)
_CURSOR: Final = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")
_SAVED: Final = re.compile(r"Saved checkpoint to \S{0,400}/([A-Za-z0-9_.-]{1,120}\.safetensors)")

PHASES: Final = (  # the first words that are found name the phase
    ("Loading Flux model", "loading"), ("Loading transformer", "loading"), ("Quantizing", "quantizing"),
    ("Loading VAE", "loading"), ("Loading T5", "loading"), ("Loading CLIP", "loading"),
    ("Preprocessing image", "caching"), ("Caching latents", "caching"), ("Caching text", "caching"),
    ("Generating baseline", "baseline"), ("Saving at step", "saving"), ("Generating Images", "sampling"),
    ("Generating Samples", "sampling"),
)  # fmt: skip
TROUBLES: Final = (  # (text anywhere, code); the most telling first: a headline may lie (facts 6)
    ("times in a row, aborting training", "out_of_memory"), ("CUDA out of memory", "out_of_memory"),
    ("OutOfMemoryError", "out_of_memory"), ("CUDA error: out of memory", "out_of_memory"),
    ("Please enable access to public gated repositories", "hub_token_permission"),
    ("GatedRepoError", "hub_gated"), ("Cannot access gated repo", "hub_gated"),
    ("Invalid credentials in Authorization header", "hub_bad_token"), ("RepositoryNotFoundError", "hub_repo_missing"),
    ("client has been closed", "hub_offline"), ("no images found in", "dataset_empty"),
    ("UnicodeDecodeError", "caption_not_utf8"), ("incomplete metadata, file not fully covered", "checkpoint_truncated"),
    ("No space left on device", "disk_full"), ("does not appear to have a file named", "base_missing"),
    ("Unable to load weights from checkpoint file", "base_missing"), ("no kernel image is available", "gpu_driver"),
    ("NVIDIA driver on your system is too old", "gpu_driver"), ("not any lora modules in this network", "no_modules"),
    ("Error running job:", "trainer_failed"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A training bar. `done` counts completed steps; an old toolkit lags by one and never reaches `total`."""

    done: int
    total: int
    loss: float | None
    lr: float | None


@dataclass(frozen=True, slots=True)
class Phase:
    """What the trainer is at, with a count where its bar has one."""

    name: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is whole on disk."""

    name: str


@dataclass(frozen=True, slots=True)
class OptimizerSaved:
    """`optimizer.pt` is whole on disk: the set is complete."""


@dataclass(frozen=True, slots=True)
class Trouble:
    code: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The block that ends an interrupted run: exit code 0 and no model."""


Reading = Step | Phase | Saved | OptimizerSaved | Trouble | Stopped


@dataclass(frozen=True, slots=True)
class Reader:
    """What is left of a cut line, and the phase a bare bar belongs to. Feed it chunks, keep what it returns."""

    rest: bytes = b""
    phase: str = ""

    def feed(self, chunk: bytes) -> tuple["Reader", list[Reading]]:
        """Read `chunk`; chunks cut anywhere give the same readings. A line without end is cut at 4 KB."""
        parts = re.split(rb"[\r\n]", self.rest + chunk)
        rest, phase, found = parts.pop()[:LINE_CAP], self.phase, list[Reading]()
        for part in parts:
            if part:
                phase = _read(part[:LINE_CAP].decode("utf-8", "replace"), phase, found)
        return Reader(rest, phase), found

    def finish(self) -> list[Reading]:
        """Read the line that will not be ended any more."""
        return self.feed(b"\n")[1]


def _read(raw: str, phase: str, found: list[Reading]) -> str:
    """Append the readings of one line; the phase after it."""
    text = _CURSOR.sub("", raw)
    for words, name in PHASES:
        if words in text:
            phase = name
            found.append(Phase(name))
            break
    if bar := _BAR.search(text):
        phase = _bar(bar, phase, found)
    if saved := _SAVED.search(text):
        found.append(Saved(saved[1]))
    if "Saved optimizer to" in text:
        found.append(OptimizerSaved())
    if text.startswith("Job stopped") or text.endswith("]Job stopped"):
        found.append(Stopped())
    if "loss is nan" in text:
        found.append(Trouble("nan"))
    for words, code in TROUBLES:
        if words in text:
            found.append(Trouble(code))
            break
    return phase


def _bar(bar: re.Match[str], phase: str, found: list[Reading]) -> str:
    done, total = int(bar["n"]), int(bar["total"])
    if bar["lr"] is not None:
        found.append(Step(done, total, _number(bar["loss"]), _number(bar["lr"])))
        return "training"
    if phase in {"caching", "sampling", "baseline"}:
        found.append(Phase(phase, done, total))
    return phase


def _number(said: str) -> float | None:
    try:
        value = float(said)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def tail(log: bytes, lines: int = 6) -> str:
    """The last few lines, cleaned, for an operator's eyes."""
    kept = [line(part, 200) for part in re.split(rb"[\r\n]+", log[-8192:]) if part.strip()]
    return "\n".join(kept[-lines:])
