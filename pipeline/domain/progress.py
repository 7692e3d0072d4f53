"""The latest sign of life of a job: a row of its own beside the job, latest wins. And the speed and ETA in it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

CURVE_POINTS: Final = 200  # of the loss kept for the chart
HALF: Final = 0.06  # of all steps: after so many, a measurement of the speed counts half
LEAST_HALF: Final = 10.0  # steps
TRUST_SAVE: Final = 3.0  # measurements an expectation weighs as much as: a look's grain is as long as a save
TRUST_PICTURE: Final = 1.0


Curve = tuple[tuple[int, float], ...]  # (step, loss), thinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counted in `unit`s: "step", "byte", "picture", "sample"... `seconds_left` is of the whole stage."""

    at: datetime
    phase: str = ""  # a key in locales/ (`phase-<phase>`)
    done: int = 0
    total: int = 0
    unit: str = ""
    loss: float | None = None
    lr: float | None = None
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    bytes_per_second: float | None = None
    curve: Curve = ()
    gpu_percent: int | None = None  # what the machine says of itself while it trains
    vram_mb: int | None = None
    disk_free_gb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a run does beside its steps. Seconds are what we expect until we have seen some."""

    save_every: int
    save_seconds: float
    samples: int  # pictures a round
    sample_seconds: float  # a picture
    sample_every: int = 0  # 0: one round, after the last step

    def saves_after(self, done: int, total: int) -> int:
        """Saves still to come, the final one included."""
        return max(0, (total - 1) // self.save_every - done // self.save_every) + 1

    def pictures_after(self, done: int, total: int) -> int:
        """Samples still to come in rounds that have not begun, the final one included."""
        every = self.sample_every
        return self.samples * (1 + (max(0, (total - 1) // every - done // every) if every else 0))

    def due(self, done: int, total: int) -> bool:
        """A round between steps comes next, unless it is over."""
        return self.sample_every > 0 and 0 < done < total and done % self.sample_every == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Seconds a step by our own clock, as looks a few seconds apart see it.

    A stretch between two looks with a save or a sample in it is no measure of the steps; what it took beyond them
    measures the save. The mean is a ratio of two fading sums: looks that catch one step, then none, do not bend it.
    """

    at: datetime | None = None  # when the newest step was seen
    step: int = 0
    seconds: float = 0.0  # fading
    steps: float = 0.0  # fading
    saves: int = 0  # of the stretch in hand
    pictures: int = 0
    saved: int = 0  # measured, and their seconds
    saving: float = 0.0
    sampled: int = 0
    sampling: float = 0.0
    measured: float = 0.0  # seconds of all stretches

    @property
    def pace(self) -> float | None:
        """Seconds a step, saves and samples excluded."""
        return self.seconds / self.steps if self.steps else None

    def seen(self, now: datetime, done: int, total: int, saves: int = 0, pictures: int = 0) -> "Speed":
        """One look: `done` steps, and the saves and pictures that came since the last look."""
        if self.at is None:
            return replace(self, at=now, step=done)
        saves, pictures = self.saves + saves, self.pictures + pictures
        fresh, took = done - self.step, (now - self.at).total_seconds()
        if fresh <= 0:
            return replace(self, saves=saves, pictures=pictures)
        new = replace(self, at=now, step=done, saves=0, pictures=0, measured=self.measured + took)
        if self.pace is None or not (saves or pictures):
            kept = 0.5 ** (fresh / max(LEAST_HALF, HALF * total))
            return replace(new, seconds=self.seconds * kept + took, steps=self.steps * kept + fresh)
        beyond = took - fresh * self.pace
        if pictures:
            return replace(new, sampled=self.sampled + pictures, sampling=self.sampling + beyond)
        return replace(new, saved=self.saved + saves, saving=self.saving + beyond)

    def left(self, course: Course, done: int, total: int, drawing: tuple[int, int] = (0, 0)) -> float | None:
        """Seconds to the end: steps, saves and samples still to come. `drawing`: (done, total) of the round in hand."""
        if self.pace is None:
            return None
        drawn, round_size = drawing
        pictures = course.pictures_after(done, total)
        if round_size:  # the last round is among those to come; one between steps is not
            final = done >= total or not course.sample_every
            pictures += -drawn if final else round_size - drawn
        elif course.due(done, total):
            pictures += course.samples
        saves = 0 if round_size and done >= total else course.saves_after(done, total)
        save = _mean(course.save_seconds, TRUST_SAVE, self.saved, self.saving)
        sample = _mean(course.sample_seconds, TRUST_PICTURE, self.sampled, self.sampling)
        return self.pace * max(0, total - done) + save * saves + sample * max(0, pictures)


def _mean(expected: float, trust: float, count: int, seconds: float) -> float:
    return max(0.0, (expected * trust + seconds) / (trust + count))


def stepped(before: Progress, now: datetime, step: int, total: int, loss: float | None, lr: float | None) -> Progress:
    """Fold one training step into `before`. Speed and ETA stay: a look renews them (`Speed`).

    A step that is not ahead of the last one changes nothing but the time: a replayed log never walks the bar back.
    """
    if before.unit == "step" and step <= before.done:
        return replace(before, at=now)
    known = before.curve and step <= before.curve[-1][0]
    curve = before.curve if loss is None or known else thinned((*before.curve, (step, loss)))
    return Progress(
        at=now, phase="training", done=step, total=total, unit="step", loss=loss if loss is not None else before.loss,
        lr=lr if lr is not None else before.lr, seconds_per_step=before.seconds_per_step,
        seconds_left=before.seconds_left, curve=curve,
    )  # fmt: skip


def until(curve: Curve, step: int) -> Curve:
    """What was drawn up to `step`."""
    return tuple(point for point in curve if point[0] <= step)


def charted(before: Progress, losses: Iterable[tuple[int, float]]) -> Progress:
    """Add losses that no bar told: those beyond the newest point of the curve. What a bar told is not told again."""
    curve = before.curve
    for step, loss in losses:
        if not curve or step > curve[-1][0]:
            curve = thinned((*curve, (step, loss)))
    if curve == before.curve:
        return before
    return replace(before, curve=curve, loss=curve[-1][1])


def thinned(curve: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    """Drop every other point of a curve that has grown too long; the newest stays."""
    return curve if len(curve) <= CURVE_POINTS else (*curve[:-1:2], curve[-1])
