"""When is a training that has not failed given up? Functions over what we saw of it, and now. Pure.

A run that only has to draw its last samples is never given up: its model is saved, and the job's deadline is near.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

STALLED: Final = "trainer-stalled"
SLOW: Final = "trainer-slow"
WINDOW: Final = 30 * 60.0  # seconds over which the ETA has to fall
GRAIN: Final = 60.0  # seconds between two signs that are kept
GROWN: Final = 2.0  # times as long to go as a window ago: it does not come nearer
SILENT: Final = 30 * 60.0  # seconds without a byte of log, outside of training
MUTE: Final = 15 * 60.0  # the same while training: a step takes seconds
STUCK: Final = 20 * 60.0  # seconds of training, chatter or not, without a step
PHASES: Final = {"": 30 * 60.0, "loading": 45 * 60.0, "quantizing": 45 * 60.0}  # seconds they may take in all
MEASURED: Final = 10 * 60.0  # seconds of steps before a host's speed is judged
SLOWER: Final = 2.0  # times the quoted pace
WORTH: Final = 1.25  # starting anew elsewhere must be so much shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One look at a run. Times by our own clock."""

    at: datetime
    since: datetime  # when its phase began
    heard: datetime  # when the log last grew
    moved: datetime  # when the last new step was seen
    phase: str = ""
    done: int = 0  # steps
    total: int = 0
    left: float | None = None  # seconds to the end
    pace: float | None = None  # seconds a step
    measured: float = 0.0  # seconds that `pace` comes from


History = tuple[Sign, ...]  # the oldest first


@dataclass(frozen=True, slots=True)
class Promise:
    """What the quote said: seconds a step, and seconds until another machine would train."""

    step: float
    start: float
    kept: int = 0  # steps that another machine need not take: a checkpoint of them is at home


def noted(history: History, now: datetime, sign: Sign, *, factor: float = 1.0) -> History:
    """`history` with one more look; `sign` brings what was read, its times come from what went before.

    Bounded: a sign a minute, over the last window.
    """
    if history:
        last = history[-1]
        sign = replace(
            sign,
            since=last.since if sign.phase == last.phase else now,
            moved=last.moved if sign.done <= last.done and sign.phase == last.phase else now,
        )
    if len(history) > 1 and (now - history[-2].at).total_seconds() < GRAIN * factor:
        history = history[:-1]
    oldest = now - timedelta(seconds=(WINDOW + 2 * GRAIN) * factor)
    return (*(each for each in history if each.at >= oldest), sign)


def stalled(history: History, now: datetime, *, factor: float = 1.0) -> str | None:
    """STALLED when the run does not come nearer to its end, else None. `factor` shortens every wait (a sandbox's)."""
    if not history or _over(history[-1]):
        return None
    last = history[-1]
    silent, there, still = ((now - each).total_seconds() / factor for each in (last.heard, last.since, last.moved))
    if last.phase == "training":
        lost = silent > MUTE or still > STUCK or _receding(history, now, factor)
    else:
        lost = silent > SILENT or there > PHASES.get(last.phase, float("inf"))
    return STALLED if lost else None


def slow(history: History, promise: Promise, *, factor: float = 1.0) -> str | None:
    """SLOW when the host is far slower than quoted, and starting anew elsewhere would be done sooner; else None."""
    if not history or _over(history[-1]):
        return None
    last = history[-1]
    if last.pace is None or last.left is None or last.measured < MEASURED * factor:
        return None
    anew = promise.start + promise.step * max(0, last.total - promise.kept)
    return SLOW if last.pace > SLOWER * promise.step and last.left > WORTH * anew else None


def _over(sign: Sign) -> bool:
    """All steps are done, or all but one: an old toolkit's bar stops there (facts/aitoolkit.md 3.3)."""
    return sign.total > 0 and sign.done >= sign.total - 1


def _receding(history: History, now: datetime, factor: float) -> bool:
    """The time to go has grown twofold over a window, though a window has passed."""
    past = [each for each in history if (now - each.at).total_seconds() >= WINDOW * factor and each.left]
    left = history[-1].left
    return bool(past) and left is not None and left > GROWN * (past[-1].left or 0.0)
