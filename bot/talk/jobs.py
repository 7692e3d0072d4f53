"""/status, /jobs, /stop, /cancel: looking at trainings and wishing them to end."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.talk.effects import Effect, Known, MakeWish, Page, Show
from notifier.card import Card
from notifier.words import Words
from pipeline.domain.job import Job
from pipeline.domain.stage import Wish
from pipeline.domain.text import line


def status(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.STATUS, _job(words)),)


def jobs(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.JOBS),)


def log(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.LOG, _job(words)),)


def pressed_log(job: str, _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.LOG, _pressed(job)),)


def stop(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (MakeWish(Wish.STOP, _job(words)),)


def cancel(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (MakeWish(Wish.CANCEL, _job(words)),)


def pressed_stop(job: str, _known: Known) -> tuple[Effect, ...]:
    return (MakeWish(Wish.STOP, _pressed(job), aloud=False),)


def pressed_cancel(job: str, _known: Known) -> tuple[Effect, ...]:
    return (MakeWish(Wish.CANCEL, _pressed(job), aloud=False),)


def pressed_keep(job: str, _known: Known) -> tuple[Effect, ...]:
    return (MakeWish(Wish.KEEP, _pressed(job), aloud=False),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {
    "status": status,
    "jobs": jobs,
    "log": log,
    "stop": stop,
    "cancel": cancel,
}
BUTTONS: Final[Mapping[str, Callable[[str, Known], tuple[Effect, ...]]]] = {
    "stop": pressed_stop,
    "cancel": pressed_cancel,
    "keep": pressed_keep,
    "log": pressed_log,
}


def _job(words: Sequence[str]) -> str:
    return line(words[0].lower(), 40) if words else ""


def _pressed(job: str) -> str:
    return job or "-"  # a button that names no job must not mean the newest one


def glance(card: Card, *, over: bool) -> Card:
    """What others may see of somebody's training: how far it is. No money, no pictures, no buttons, no reasons."""
    return Card(
        title=card.title,
        lines=() if over else card.lines[:1],
        bar=card.bar,
        bar_label=card.bar_label,
        tone=card.tone,
        final=True,
    )


def log_card(job: Job, said: Sequence[str], words: Words) -> Card:
    """What the trainer said last."""
    title = words.say("chat-log", slug=job.slug or job.recipe.slug)
    lines = () if said else (words.say("chat-log-none"),)
    return Card(title=title, lines=lines, code="\n".join(said), final=True)


def jobs_card(trainings: Sequence[Job], words: Words, now: datetime) -> Card:
    """The latest trainings, a row each."""
    if not trainings:
        return Card(title=words.say("chat-jobs"), lines=(words.say("chat-jobs-none"),), final=True)
    return Card(
        title=words.say("chat-jobs"),
        fields=tuple((job.id, _row(job, words, now)) for job in trainings),
        lines=(words.say("chat-jobs-hint"),),
        final=True,
    )


def _row(job: Job, words: Words, now: datetime) -> str:
    return words.say(
        "chat-jobs-row",
        slug=job.slug or job.recipe.slug,
        state=words.say(f"end-{job.ending.end}" if job.ending else f"stage-{job.stage}"),
        steps=words.number(job.recipe.steps),
        ago=words.duration((now - job.created_at).total_seconds()),
    )
