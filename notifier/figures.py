"""The figures of a job, as one message shows them: how far, how fast, what it costs. Words come from `locales/`."""

from datetime import datetime, timedelta
from typing import Final

from notifier.view import JobView
from notifier.words import Words
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.progress import Progress
from pipeline.domain.stage import Stage
from pipeline.ports import Pace

QUIET: Final = timedelta(minutes=1)  # a silence longer than this is explained
TICK: Final = timedelta(seconds=15)  # the cost moves in these, so that waiting is not an edit every second
GIGA, MEGA = 10**9, 10**6


def bar(view: JobView, words: Words) -> tuple[float | None, str]:
    """How far the stage in hand is, 0..1, and the same as "n/total" with its unit."""
    progress = view.progress
    if progress is None or progress.total <= 0:
        training = view.stage is Stage.TRAIN
        return (view.step / view.steps, _count("step", view.step, view.steps, words)) if training else (None, "")
    done = min(progress.done, progress.total)
    return done / progress.total, _count(progress.unit, done, progress.total, words)


def _count(unit: str, done: int, total: int, words: Words) -> str:
    """As "12/30 steps": digits without grouping, for people's scripts read them."""
    if unit == "byte":
        scale, name = (GIGA, "gb") if total >= GIGA else (MEGA, "mb")
        return words.say(f"bar-{name}", done=f"{done / scale:.1f}", total=f"{total / scale:.1f}")
    key = f"bar-{unit}"
    return words.say(key if words.knows(key) else "bar-any", done=str(done), total=str(total))


def measures(view: JobView, words: Words, now: datetime, pace: Pace) -> tuple[tuple[str, str], ...]:
    """The figures of a running job; one that is not known yet is left out."""
    progress, quiet = view.progress, now - view.heard
    told = {
        "loss": words.number(view.loss, 3) if view.stage is Stage.TRAIN and view.loss is not None else "",
        "speed": _speed(progress, words) if progress else "",
        "left": words.duration(progress.seconds_left) if progress and progress.seconds_left is not None else "",
        "cost": _cost(view, words, now, pace),
        "gpu": words.say("gpu-rate", gpu=view.gpu, rate=words.usd(view.rate)) if view.gpu else "",
        "heard": words.say("ago", time=words.span(quiet)) if quiet > QUIET * pace.factor else "",
    }
    return tuple((words.say(f"field-{name}"), value) for name, value in told.items() if value)


def _speed(progress: Progress, words: Words) -> str:
    if progress.unit == "step" and progress.seconds_per_step is not None:
        return words.say("speed-step", seconds=words.number(progress.seconds_per_step, 3))
    if progress.bytes_per_second is not None:
        return words.say("speed-byte", size=words.size(progress.bytes_per_second))
    return ""


def _cost(view: JobView, words: Words, now: datetime, pace: Pace) -> str:
    """What the machines have cost the person so far, in points at the quote's own rate; never above the ceiling."""
    if not view.gpu and not view.spent:
        return ""
    tick = TICK * pace.factor
    run = max(now - view.metered, timedelta()) // tick * tick if view.metered else timedelta()
    cost = MicroUsd(view.spent + round(view.rate * pace.life(run.total_seconds()) / 3600))
    return words.say("cost", points=_points(cost, view), most=words.points(view.ceiling))


def _points(cost: MicroUsd, view: JobView) -> Points:
    """`cost` in points as the quote priced it: fee and rate are in its ceiling already."""
    if not view.ceiling_cost:
        return Points(0)
    return Points(min(view.ceiling, -(-cost * view.ceiling // view.ceiling_cost)))


def facts(view: JobView, words: Words) -> tuple[tuple[str, str], ...]:
    """The figures of a job that is over."""
    told = {
        "trigger": view.trigger if view.has_model else "",
        "steps": f"{view.step}/{view.steps}",
        "final": words.number(view.loss, 3) if view.loss is not None else "",
        "trained": words.span(view.trained) if view.trained else "",
        "gpu": view.gpu,
    }
    return tuple((words.say(f"field-{name}"), value) for name, value in told.items() if value)


def money(view: JobView, words: Words) -> str:
    """What was taken and what came back, exactly."""
    charged = view.charged or Points(0)
    returned = view.returned if view.returned is not None else Points(view.ceiling - charged)
    if not charged and not returned:
        return words.say("money-free")
    if not charged:
        return words.say("money-back", returned=words.points(returned))
    if not returned:
        return words.say("money-paid", charged=words.points(charged))
    return words.say("money-both", charged=words.points(charged), returned=words.points(returned))
