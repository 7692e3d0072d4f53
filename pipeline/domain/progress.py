"""The latest sign of life of a job: a row of its own beside the job, latest wins. And the ETA in it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

CURVE_POINTS: Final = 200  # of the loss kept for the chart
SMOOTH: Final = 0.15  # weight of the newest pace in the running one


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
    curve: tuple[tuple[int, float], ...] = ()  # (step, loss), thinned


def stepped(
    before: Progress, now: datetime, step: int, total: int, loss: float | None, lr: float | None, tail: float
) -> Progress:
    """Fold one training step into `before`; `tail` is the seconds of saving and sampling still to come after the steps.

    A step that is not ahead of the last one changes nothing but the time: a replayed log never walks the bar back.
    """
    if before.unit == "step" and step <= before.done:
        return replace(before, at=now)
    pace = before.seconds_per_step
    if before.unit == "step" and before.done:
        measured = (now - before.at).total_seconds() / (step - before.done)
        pace = measured if pace is None else pace + SMOOTH * (measured - pace)
    left = None if pace is None else pace * (total - step) + tail
    curve = before.curve if loss is None else thinned((*before.curve, (step, loss)))
    return Progress(
        at=now, phase="training", done=step, total=total, unit="step", loss=loss if loss is not None else before.loss,
        lr=lr if lr is not None else before.lr, seconds_per_step=pace, seconds_left=left, curve=curve,
    )  # fmt: skip


def thinned(curve: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    """Drop every other point of a curve that has grown too long; the newest stays."""
    return curve if len(curve) <= CURVE_POINTS else (*curve[:-1:2], curve[-1])
