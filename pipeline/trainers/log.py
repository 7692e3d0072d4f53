"""Reads what ai-toolkit prints: bytes cut anywhere in, readings out. Pure, bounded, never raises: a stranger wrote it.

The patterns search anywhere in a line: messages get glued to progress bars (facts/aitoolkit.md 0.5). Every repeat in
them is bounded and none begins with a lazy text: one line of 2,000 spaces must not cost 40 seconds.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.text import line

LINE_CAP: Final = 4096
_BAR: Final = re.compile(
    r"(?P<pct>\d{1,3})%\|[^|\r\n]{0,400}\|\s{0,8}(?P<n>\d{1,9})/(?P<total>\d{1,9}) "
    r"\[(?P<elapsed>[\d:]{1,12})<(?P<eta>[\d:?]{1,12}),\s{1,8}(?P<rate>[\d.]{1,12}|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>[^\s\]]{1,24}) loss: (?P<loss>[^\s\]]{1,24}))?\]"
)
_CURSOR: Final = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")
_CURSOR_BYTES: Final = re.compile(_CURSOR.pattern.encode())
_SAVED: Final = re.compile(r"Saved checkpoint to \S{0,400}/([A-Za-z0-9_.-]{1,120}\.safetensors)")
_BEGAN: Final = re.compile(r"# Running job: (\S{1,120})")
_STATE: Final = ("Loading optimizer state from ", "Failed to load optimizer state from ")
_RESUMED: Final = re.compile(r"Found step (\d{1,9}) in metadata, starting from there")
_CONFIG: Final = re.compile(
    r" {4,400}\""
)  # the printed config: a person's prompts stand in it, so nothing is read there
_HEADLINE: Final = "Error running job:"
_STOPS: Final = ("Error running job: Job stopped", "Exception: Job stopped")  # the stop flag: rc 1, as a failure

_ALONE: Final = "Text Encoder"  # names a phase only as a whole line: such common words stand in others
# The first words that are found name the phase; only words that begin one are here. No bare "Loading": with an adapter
# beside the base each round of samples ends with "Loading assistant lora", and what is resumed from is loaded, too.
PHASES: Final = (
    ("Loading Flux", "loading"), ("Loading transformer", "loading"), ("Loading pipeline components", "loading"),  # SDXL
    ("Quantizing", "quantizing"), ("- quantizing ", "quantizing"), (_ALONE, "loading"), ("Loading Qwen", "loading"),
    ("Loading VAE", "loading"), ("Loading T5", "loading"), ("Loading CLIP", "loading"), ("Making pipe", "loading"),
    ("Preparing Model", "loading"), ("Model Loaded", "loading"),
    ("Preprocessing image", "caching"), ("Caching latents", "caching"), ("Caching text", "caching"),
    ("Generating baseline", "baseline"), ("Saving at step", "saving"), ("Sampling at step", "sampling"),
    ("Generating Images", "sampling"), ("Generating Samples", "sampling"),
)  # fmt: skip
TROUBLES: Final = (  # (text anywhere, code); the most telling first: a headline may lie (facts 6)
    ("times in a row, aborting training", "out_of_memory"), ("CUDA out of memory", "out_of_memory"),
    ("OutOfMemoryError", "out_of_memory"), ("CUDA error: out of memory", "out_of_memory"),
    ("Please enable access to public gated repositories", "hub_token_permission"),
    ("Invalid credentials in Authorization header", "hub_bad_token"),
    ("GatedRepoError", "hub_gated"), ("Cannot access gated repo", "hub_gated"),
    ("RepositoryNotFoundError", "hub_repo_missing"),
    ("client has been closed", "hub_offline"), ("OfflineModeIsEnabled", "hub_offline"),
    ("offline mode is enabled", "hub_offline"), ("ConnectError", "hub_offline"),
    ("LocalEntryNotFoundError", "hub_offline"), ("Temporary failure in name resolution", "hub_offline"),
    ("no images found in", "dataset_empty"), ("no videos found in", "dataset_empty"),
    ("No space left on device", "disk_full"),
    ("no kernel image is available", "gpu_driver"), ("NVIDIA driver on your system is too old", "gpu_driver"),
    ("is not compatible with the current PyTorch", "gpu_driver"), ("unsatisfied condition: cuda", "gpu_driver"),
    ("CUDA driver version is insufficient", "gpu_driver"), ("Found no NVIDIA driver", "gpu_driver"),
    ("not any lora modules in this network", "no_modules"),
    ("does not appear to have a file named", "base_missing"),
    ("Unable to load weights from checkpoint file", "base_missing"),
    ("incomplete metadata, file not fully covered", "checkpoint_truncated"),
    ("EOFError", "checkpoint_truncated"),  # what it resumes from is no checkpoint; the headline is empty (run 17b)
    ("UnicodeDecodeError", "caption_not_utf8"),
    ("config file is invalid", "config_invalid"), ("Could not find config file", "config_invalid"),
    ("name_or_path must be specified", "config_invalid"), ("Environment variable ", "config_invalid"),
    ("unexpected pos", "disk_full"),  # an optimizer.pt cut short: no end by itself (run 26a)
)  # fmt: skip
_KNOWN: Final = tuple(tuple((pair[0].encode(), pair) for pair in words) for words in (PHASES, TROUBLES))
_COUNTED: Final = ("", "Attaching quantization:")  # bars of blocks, or of an adapter's, that are being quantized
_MISSING: Final = "No such file or directory"  # a dataset, when it was the data loader that looked for it
RANK: Final = {code: at for at, code in reversed(list(enumerate([*(code for _, code in TROUBLES), "dataset_missing"])))}


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
    """Something went wrong; what it was, is for the whole log to say. "trainer_failed" is the failure's headline."""

    code: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The block that ends an interrupted run: exit code 0 and no model."""


@dataclass(frozen=True, slots=True)
class Began:
    """A run of the trainer begins: what an earlier one left in the same log is over."""

    job: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """It goes on from a checkpoint of `step` steps."""

    step: int


@dataclass(frozen=True, slots=True)
class OptimizerResumed:
    """The optimizer goes on, too; where its file would not load it begins anew, which the trainer calls no failure."""

    kept: bool


Reading = Step | Phase | Saved | OptimizerSaved | Trouble | Stopped | Began | Resumed | OptimizerResumed


@dataclass(frozen=True, slots=True)
class Reader:
    """What is left of a cut line, and what a bare bar belongs to. Feed it chunks, keep what it returns."""

    rest: bytes = b""
    phase: str = ""
    job: str = ""
    loader: bool = False  # the traceback in hand went through the data loader

    def feed(self, chunk: bytes) -> tuple["Reader", list[Reading]]:
        """Read `chunk`; chunks cut anywhere give the same readings. A line without end is cut at 4 KB."""
        parts = (self.rest + chunk).replace(b"\r", b"\n").split(b"\n")
        rest = parts.pop()[:LINE_CAP]
        lines = _Lines(self.phase, self.job, self.loader, *_said(parts))
        for part in parts:
            if part:
                lines.read(part[:LINE_CAP].decode("utf-8", "replace"))
        return Reader(rest, lines.phase, lines.job, lines.loader), lines.found

    def finish(self) -> list[Reading]:
        """Read the line that will not be ended any more."""
        return self.feed(b"\n")[1]


_Words = tuple[tuple[str, str], ...]


def _said(parts: list[bytes]) -> tuple[_Words, _Words]:
    """Which words of PHASES and TROUBLES stand in `parts` at all: one look at a chunk spares sixty at each line."""
    said = b"\n".join(part[:LINE_CAP] for part in parts if part)
    if not said:
        return (), ()
    if b"\x1b" in said:
        said = _CURSOR_BYTES.sub(b"", said)
    phases, troubles = (tuple(pair for raw, pair in known if raw in said) for known in _KNOWN)
    return phases, troubles


@dataclass(slots=True)
class _Lines:
    """Reads line after line. A bar's own words name its phase; only what is glued behind it can be a message."""

    phase: str
    job: str
    loader: bool
    phases: _Words
    troubles: _Words
    found: list[Reading] = field(default_factory=list)

    def read(self, raw: str) -> None:
        text = _CURSOR.sub("", raw) if "\x1b" in raw else raw
        bar = _BAR.search(text) if "%|" in text else None
        if bar:
            self._bar(bar, text[: bar.start()])
            text = text[bar.end() :]
        if text and not _CONFIG.match(text):
            if name := self._named(text):
                self.phase = name
                self.found.append(Phase(name))
            self._message(text)

    def _named(self, text: str) -> str:
        """The phase that `text` names, or ""; samples before the first step have the words of any others."""
        for words, name in self.phases:
            if words in text and (words != _ALONE or words == text.strip()):
                return "baseline" if name == "sampling" and self.phase == "baseline" else name
        return ""

    def _bar(self, bar: re.Match[str], title: str) -> None:
        done, total = int(bar["n"]), int(bar["total"])
        if bar["lr"] is not None:
            self.found.append(Step(done, total, _number(bar["loss"]), _number(bar["lr"])))
            self.phase = "training"
        elif self.job and title.startswith(f"{self.job}: "):  # its first sight, and all of a finished job's (run 10)
            self.found.append(Step(done, total, None, None))
            self.phase = "training"
        else:
            before = self.phase
            self.phase = self._named(title) or before
            blocks = self.phase == "quantizing" and title.strip() in _COUNTED
            if blocks or self.phase in {"caching", "sampling", "baseline"}:
                self.found.append(Phase(self.phase, done, total))
            elif self.phase != before:
                self.found.append(Phase(self.phase))

    def _message(self, text: str) -> None:
        if saved := _SAVED.search(text):
            self.found.append(Saved(saved[1]))
        elif "Saved optimizer to" in text:
            self.found.append(OptimizerSaved())
        elif text.startswith("Job stopped") or text in _STOPS:
            self.found.append(Stopped())
        elif began := _BEGAN.match(text):
            self.job, self.phase = began[1], ""
            self.found.append(Began(began[1]))
        elif resumed := _RESUMED.match(text):
            self.found.append(Resumed(int(resumed[1])))
        elif text.startswith(_STATE):
            self.found.append(OptimizerResumed(kept=text.startswith(_STATE[0])))
        else:
            self._trouble(text)

    def _trouble(self, text: str) -> None:
        if text.startswith("Traceback"):
            self.loader = False
        self.loader = self.loader or "data_loader.py" in text
        if _HEADLINE in text:
            self.found.append(Trouble("trainer_failed"))
        if "loss is nan" in text:
            self.found.append(Trouble("nan"))
        if code := next((code for words, code in self.troubles if words in text), ""):
            self.found.append(Trouble(code))
        elif _MISSING in text and self.loader:
            self.found.append(Trouble("dataset_missing"))


def _number(said: str) -> float | None:
    try:
        value = float(said)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def shown(log: bytes, most: int = 25, width: int = 110) -> list[str]:
    """The last lines as a terminal would show them, cleaned: of a bar drawn over itself, the last drawing."""
    found = list[str]()
    for raw in log.split(b"\n"):
        drawn = [line(_CURSOR_BYTES.sub(b"", part), width) for part in raw[-LINE_CAP:].split(b"\r")]
        found += [each for each in drawn if each][-1:]
    return found[-most:]


def tail(log: bytes, lines: int = 6) -> str:
    """The last few lines, cleaned, for an operator's eyes."""
    kept = [line(part, 200) for part in re.split(rb"[\r\n]+", log[-8192:]) if part.strip()]
    return "\n".join(kept[-lines:])
