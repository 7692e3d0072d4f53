"""Reads what ai-toolkit prints: bytes cut anywhere in, readings out. Pure, bounded, never raises: a stranger wrote it.

The patterns search anywhere in a line: messages get glued to progress bars (facts/aitoolkit.md 0.5). Every repeat in
them is bounded and none begins with a lazy text: one line of 2,000 spaces must not cost 40 seconds.
"""

import math
import re
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.domain.text import line
from pipeline.trainers.log_lines import CURSOR, LINE_CAP, Telling, cleaned
from pipeline.trainers.log_words import ALONE, MISSING, PHASES, RANK, TROUBLES, UNQUANTIZED

__all__ = [
    "BURST", "COST", "PHASES", "RANK", "SAME", "SPOILED", "TROUBLES", "Began", "OptimizerResumed", "OptimizerSaved",
    "Phase", "Reader", "Reading", "Resumed", "Saved", "Step", "Stopped", "Trouble", "shown", "tail",
]  # fmt: skip

_BAR: Final = re.compile(
    r"(?P<pct>\d{1,3})%\|[^|\r\n]{0,400}\|\s{0,8}(?P<n>\d{1,9})/(?P<total>\d{1,9}) "
    r"\[(?P<elapsed>[\d:]{1,12})<(?P<eta>[\d:?]{1,12}),\s{1,8}(?P<rate>[\d.]{1,12}|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>[^\s\]]{1,24}) loss: (?P<loss>[^\s\]]{1,24}))?\]"
)
_SAVED: Final = re.compile(r"Saved checkpoint to \S{0,400}/([A-Za-z0-9_.-]{1,120}\.safetensors)")
_BEGAN: Final = re.compile(r"# Running job: (\S{1,120})")
_STATE: Final = ("Loading optimizer state from ", "Failed to load optimizer state from ")
_RESUMED: Final = re.compile(r"Found step (\d{1,9}) in metadata, starting from there")
_CONFIG: Final = re.compile(r" {4,400}\"")  # the printed config has a person's prompts: nothing is read there
_HEADLINE: Final = "Error running job:"
_STOPS: Final = ("Error running job: Job stopped", "Exception: Job stopped")  # the stop flag: rc 1, as a failure

_COUNTED: Final = ("", "Attaching quantization:")  # bars of blocks, or of an adapter's, that are being quantized
_MARKS: Final = tuple({text.encode(): None for text in (  # a line with none of these says nothing
    "%|", "Saved checkpoint to ", "Saved optimizer to", "Job stopped", "# Running job: ", "Found step ", *_STATE,
    "Traceback", "data_loader.py", "loss is nan", _HEADLINE, MISSING, UNQUANTIZED, *dict(PHASES), *dict(TROUBLES),
)})  # fmt: skip
_PHASES: Final = tuple((pair[0].encode(), pair) for pair in PHASES)
_TROUBLES: Final = tuple((pair[0].encode(), pair) for pair in TROUBLES)
SPOILED: Final = 100  # modules that could not be quantized: it trains on, but what comes of it is worth nothing
SAME: Final = 16  # readings in a row, alike: more of them say nothing more
# A stranger may print nothing but telling lines: what says more than one thing in COST bytes, and has used up BURST in
# advance, is not read. It goes by the log's bytes, so any cut gives the same readings.
COST: Final = 80  # a training bar has 90 bytes or more
BURST: Final = 128 * 1024


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
    """Something went wrong; what it was, is for the whole log to say.

    "trainer_failed" is the failure's headline; it also stands before "quantize_failed", which the trainer calls none.
    """

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
_Words = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Lines:
    """Reads line after line. A bar's own words name its phase; only what is glued behind it can be a message."""

    phase: str = ""
    job: str = ""
    loader: bool = False  # the traceback in hand went through the data loader
    spoiled: int = 0  # modules that could not be quantized
    last: Reading | None = None
    same: int = 0  # times that `last` was told, up to SAME
    at: int = 0  # bytes behind us: cursor codes and what is beyond a line's cap do not count
    spent: int = 0  # where in the log we would be if it told one thing in COST bytes
    quiet: bytes = b""  # a line that, read once more, said nothing and changed nothing
    phases: _Words = ()  # the words that the chunk in hand has at all
    troubles: _Words = ()
    found: list[Reading] = field(default_factory=list)

    def read_all(self, said: bytes) -> None:
        """Read the lines of `said` that have a word we know: the others are not even looked at."""
        telling = Telling(said, _MARKS)
        marks = {mark for _, mark in telling.ahead}
        self.phases = tuple(pair for mark, pair in _PHASES if mark in marks)
        self.troubles = tuple(pair for mark, pair in _TROUBLES if mark in marks)
        while telling.ahead:
            start, end = telling.line()
            raw = said[start:end]
            if raw == self.quiet:
                end = telling.repeated(end, raw)
            elif self.spent - self.at - start > BURST:
                end = max(end, self.spent - self.at - BURST)
            else:
                self.spent = max(self.spent, self.at + start) + COST
                self._heard(raw)
            telling.go(end)
        self.at += len(said) + 1

    def _heard(self, raw: bytes) -> None:
        before = (self.phase, self.job, self.loader, self.spoiled, self.same, len(self.found))
        self.read(raw.decode("utf-8", "replace"))
        after = (self.phase, self.job, self.loader, self.spoiled, self.same, len(self.found))
        self.quiet = raw if before == after else b""

    def _say(self, reading: Reading) -> None:
        self.same = min(self.same + 1, SAME + 1) if reading == self.last else 1
        self.last = reading
        if self.same <= SAME:
            self.found.append(reading)

    def read(self, text: str) -> None:
        bar = _BAR.search(text) if "%|" in text else None
        if bar:
            self._bar(bar, text[: bar.start()])
            text = text[bar.end() :]
        if text and not _CONFIG.match(text):
            if name := self._named(text):
                self.phase = name
                self._say(Phase(name))
            self._message(text)

    def _named(self, text: str) -> str:
        """The phase that `text` names, or ""; samples before the first step have the words of any others."""
        for words, name in self.phases:
            if words in text and (words != ALONE or words == text.strip()):
                return "baseline" if name == "sampling" and self.phase == "baseline" else name
        return ""

    def _bar(self, bar: re.Match[str], title: str) -> None:
        done, total = int(bar["n"]), int(bar["total"])
        if bar["lr"] is not None:
            self._say(Step(done, total, _number(bar["loss"]), _number(bar["lr"])))
            self.phase = "training"
        elif self.job and title.startswith(f"{self.job}: "):  # its first sight, and all of a finished job's (run 10)
            self._say(Step(done, total, None, None))
            self.phase = "training"
        else:
            before = self.phase
            self.phase = self._named(title) or before
            blocks = self.phase == "quantizing" and title.strip() in _COUNTED
            if blocks or self.phase in {"caching", "sampling", "baseline"}:
                self._say(Phase(self.phase, done, total))
            elif self.phase != before:
                self._say(Phase(self.phase))

    def _message(self, text: str) -> None:
        if saved := _SAVED.search(text):
            self._say(Saved(saved[1]))
        elif "Saved optimizer to" in text:
            self._say(OptimizerSaved())
        elif text.startswith("Job stopped") or text in _STOPS:
            self._say(Stopped())
        elif began := _BEGAN.match(text):
            self.job, self.phase, self.spoiled = began[1], "", 0
            self._say(Began(began[1]))
        elif resumed := _RESUMED.match(text):
            self._say(Resumed(int(resumed[1])))
        elif text.startswith(_STATE):
            self._say(OptimizerResumed(kept=text.startswith(_STATE[0])))
        else:
            self._trouble(text)

    def _trouble(self, text: str) -> None:
        if text.startswith("Traceback"):
            self.loader = False
        self.loader = self.loader or "data_loader.py" in text
        if _HEADLINE in text:
            self._say(Trouble("trainer_failed"))
        if "loss is nan" in text:
            self._say(Trouble("nan"))
        if UNQUANTIZED in text:
            self._unquantized()
        if code := next((code for words, code in self.troubles if words in text), ""):
            self._say(Trouble(code))
        elif MISSING in text and self.loader:
            self._say(Trouble("dataset_missing"))

    def _unquantized(self) -> None:
        self.spoiled = min(self.spoiled + 1, SPOILED + 1)
        if self.spoiled == SPOILED:
            self._say(Trouble("trainer_failed"))
            self._say(Trouble("quantize_failed"))


@dataclass(frozen=True, slots=True)
class Reader:
    """What is left of a cut line, and what is known so far. Feed it chunks, keep what it returns."""

    rest: bytes = b""
    lines: _Lines = field(default_factory=_Lines)

    def feed(self, chunk: bytes) -> tuple["Reader", list[Reading]]:
        """Read `chunk`; chunks cut anywhere give the same readings. A line without end is cut at 4 KB."""
        said, end, rest = (self.rest + chunk).replace(b"\r", b"\n").rpartition(b"\n")
        if not end:
            return replace(self, rest=rest[:LINE_CAP]), []
        lines = replace(self.lines, found=[])
        lines.read_all(cleaned(said))
        return Reader(rest[:LINE_CAP], lines), lines.found

    def finish(self) -> list[Reading]:
        """Read the line that will not be ended any more."""
        return self.feed(b"\n")[1]


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
        drawn = [line(CURSOR.sub(b"", part), width) for part in raw[-LINE_CAP:].split(b"\r")]
        found += [each for each in drawn if each][-1:]
    return found[-most:]


def tail(log: bytes, lines: int = 6) -> str:
    """The last few lines, cleaned, for an operator's eyes."""
    kept = [line(part, 200) for part in re.split(rb"[\r\n]+", log[-8192:]) if part.strip()]
    return "\n".join(kept[-lines:])
