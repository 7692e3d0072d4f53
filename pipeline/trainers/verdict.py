"""How a run of the trainer went, told from its whole log and its exit code. Pure.

Exit code 0 is not success and there is no banner (facts/aitoolkit.md 0.1, 0.2): success is code 0 AND the final file
AND nobody stopped it AND a loss that is a number.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from pipeline.trainers.log import RANK, Began, Phase, Reading, Resumed, Saved, Step, Stopped, Trouble

Outcome = Literal["success", "failed", "stopped", "unfinished"]
NAN_STEPS: Final = 10  # in a row: the run is lost
NAN_AT_END: Final = 3  # in a row are enough when no better step follows
MOST_CHECKPOINTS: Final = 200  # names we keep of one log, the newest
MOST_RANKS: Final = 1000  # behind every known cause
SIGINT: Final = 2
SIGKILL: Final = 9
SIGSEGV: Final = 11
MOST_SIGNALS: Final = 64
FRUGAL: Final = frozenset({"out_of_memory"})  # less memory may do
LASTING: Final = frozenset({  # the same machine would end the same way
    "disk_full", "host_ram", "gpu_driver", "base_missing", "checkpoint_truncated", "nan", "dataset_missing",
    "dataset_empty", "hub_offline", "shared_memory", "quantize_failed",
})  # fmt: skip
OURS: Final = frozenset({  # any machine would: the order or the house is at fault
    "hub_gated", "hub_bad_token", "hub_token_permission", "hub_repo_missing", "hub_offline", "config_invalid",
    "no_modules", "caption_not_utf8",
})  # fmt: skip
_PERIODIC: Final = "_000000000"  # `<job>_<nine digits>.safetensors`: every save but the final one
_SILENT_KILL: Final = {"", "loading", "quantizing"}  # killed there without a word: the machine's own RAM was full


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`cause` is a code (`explain-cause-<code>` in locales/), "" unless it failed. `steps` is the total aimed at.

    `step` counts completed steps, whatever the bar's generation. `checkpoints`: names that were whole on disk once.
    """

    verdict: Outcome
    cause: str = ""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    lr: float | None = None
    phase: str = ""
    checkpoints: tuple[str, ...] = ()


def judge(readings: Iterable[Reading], code: int | None = None, name: str = "") -> Verdict:
    """Fold the readings of a whole log.

    `code`: the exit code, negative or 128 + n for signal n; None: not known, it may still run. `name`: the job's, where
    the log does not tell it.
    """
    tale = Tale(name)
    for reading in readings:
        tale.hear(reading)
    return tale.verdict(code)


def worse(code: str, other: str) -> str:
    """The more telling of two causes; "" and "trainer_failed" tell nothing."""
    return min(code, other, key=lambda each: (RANK.get(each, MOST_RANKS), not each))


@dataclass(slots=True)
class Tale:
    """What a log has told so far: whoever watches a run hears it piece by piece, and judges as who reads it whole."""

    name: str
    job: str = ""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    lr: float | None = None
    phase: str = ""
    checkpoints: dict[str, None] = field(default_factory=dict)  # an ordered set
    final: bool = False
    stopped: bool = False
    failed: bool = False
    before: str = ""  # the worst trouble before the failure's headline, and the worst after it
    after: str = ""
    good: bool = False  # one loss was a number
    nans: int = 0  # in a row
    most_nans: int = 0

    def hear(self, reading: Reading) -> None:  # noqa: C901  # one case a kind of reading
        match reading:
            case Step():
                self._step(reading)
            case Phase(phase):
                self.phase = phase
            case Saved(name):
                self._saved(name)
            case Trouble("nan"):
                self.nans += 1
                self.most_nans = max(self.nans, self.most_nans)
            case Trouble("trainer_failed"):
                self.failed = True
            case Trouble(code) if self.failed:
                self.after = worse(self.after, code)
            case Trouble(code):
                self.before = worse(self.before, code)
            case Stopped():
                self.stopped = True
            case Began(job):
                self._again(job)
            case Resumed(step):
                self.step = step

    def _again(self, job: str) -> None:
        """Another run in the same log: only its own end counts. What earlier ones saved is still there."""
        self.job, self.phase, self.before, self.after = job, "", "", ""
        self.final = self.stopped = self.failed = self.good = False
        self.nans = self.most_nans = 0

    def _step(self, step: Step) -> None:
        self.step, self.steps, self.phase = step.done, step.total, "training"
        self.lr = self.lr if step.lr is None else step.lr
        if step.loss is not None:
            self.loss = step.loss
        if step.loss:  # a step of NaN shows as 0.000e+00 (facts 6)
            self.good, self.nans = True, 0

    def _saved(self, name: str) -> None:
        self.checkpoints.pop(name, None)
        self.checkpoints[name] = None
        if len(self.checkpoints) > MOST_CHECKPOINTS:
            del self.checkpoints[next(iter(self.checkpoints))]
        job, stem = self.name or self.job, name.removesuffix(".safetensors")
        number = stem[-9:]
        periodic = len(stem) > len(_PERIODIC) and stem[-10] == "_" and number.isdecimal()
        self.final = self.final or (stem == job if job else not periodic)
        if periodic and self.step is not None:
            self.step = max(self.step, int(number))  # the bar may skip the redraw of a step that a save follows

    def verdict(self, code: int | None) -> Verdict:
        """How it went, if this is all."""
        outcome, step = _outcome(self, code), self.step
        if outcome == "success" and self.steps is not None:
            step = self.steps  # an old toolkit's bar ends one short (facts 3.3)
        return Verdict(
            verdict=outcome, cause=self.cause(code) if outcome == "failed" else "", step=step, steps=self.steps,
            loss=self.loss, lr=self.lr, phase=self.phase, checkpoints=tuple(self.checkpoints),
        )  # fmt: skip

    def cause(self, code: int | None) -> str:
        """Why it failed. What was said after the headline counts before what was said earlier: that may be no end."""
        if self.failed:
            return self.after or ("nan" if self.nan else self.before or "trainer_failed")
        return "nan" if self.nan else unsaid(code, self.phase, self.before)

    @property
    def lost(self) -> bool:
        """Nothing but NaN any more: it need not come to its end."""
        return self.nans >= NAN_STEPS

    @property
    def nan(self) -> bool:
        lasting = self.nans >= NAN_AT_END or (self.nans > 0 and not self.good)
        return self.most_nans >= NAN_STEPS or lasting


def _outcome(tale: Tale, code: int | None) -> Outcome:
    if tale.stopped or _signal(code) == SIGINT:  # before 2026-07-22 an interrupt was signal 2 and no block
        return "stopped"
    if tale.failed or tale.nan or code:
        return "failed"
    if tale.final:
        return "success"
    return "unfinished" if code is None else "failed"


def unsaid(code: int | None, phase: str, before: str) -> str:
    """The cause of an end that has no headline, from its exit code, the phase it came in and what was said before it.

    SIGKILL leaves no time for a word: what was said before it was about something else.
    """
    if _signal(code) == SIGKILL:
        return "host_ram" if phase in _SILENT_KILL else "killed"
    if _signal(code) == SIGSEGV and phase in _SILENT_KILL:  # how it ends there when the kernel is slower
        return before or "host_ram"
    return before or ("killed" if _signal(code) else "trainer_failed" if code else "no_model")


def _signal(code: int | None) -> int:
    """The signal that ended it, 0 for none: a parent sees it negative, a shell as 128 + n."""
    if code is None:
        return 0
    number = -code if code < 0 else code - 128
    return number if 0 < number <= MOST_SIGNALS else 0
