"""/models and /model: what was trained, and how to use it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bot.talk.effects import Deliver, Effect, Known, Page, Show, ShowSamples, Take, Tell
from notifier.card import Button, Card
from notifier.words import Words
from pipeline.domain.catalogue import Model
from pipeline.domain.checkpoint import Kept
from pipeline.domain.ids import AccountId
from pipeline.domain.text import line

MOST: Final = 20  # rows of one card
STEP_DIGITS: Final = 6


def models(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.MODELS),)


def model(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.MODEL, line(words[0], 80)) if words else Tell("chat-model-usage"),)


def download(job: str, _known: Known) -> tuple[Effect, ...]:
    return (Deliver(job or "-"),)


def samples(job: str, _known: Known) -> tuple[Effect, ...]:
    return (ShowSamples(job or "-"),)


def take(which: str, _known: Known) -> tuple[Effect, ...]:
    job, _, step = which.partition("-")
    there = step.isascii() and step.isdecimal() and len(step) <= STEP_DIGITS
    return (Take(job or "-", int(step)),) if there else (Tell("chat-button-gone"),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"models": models, "model": model}

BUTTONS: Final[Mapping[str, Callable[[str, Known], tuple[Effect, ...]]]] = {
    "download": download, "samples": samples, "take": take,
}  # fmt: skip


def models_card(found: Sequence[Model], account: AccountId, words: Words) -> Card:
    if not found:
        return Card(title=words.say("chat-models"), lines=(words.say("chat-models-none"),), final=True)
    more = len(found) - MOST
    return Card(
        title=words.say("chat-models"),
        fields=tuple((one.slug, _row(one, account, words)) for one in found[:MOST]),
        lines=(*([words.say("chat-models-more", count=more)] if more > 0 else []), words.say("chat-models-hint")),
        final=True,
    )


def download_card(link: str | None, url: str, words: Words) -> Card:
    """Where the file is that the chat does not carry."""
    if link is None:
        return Card(title="", lines=(words.say("chat-download-none"), url), final=True)
    button = Button(words.say("chat-button-download"), "", link=link)
    return Card(title="", lines=(words.say("chat-download-link"),), buttons=(button,), final=True)


def shared_card(one: Model, words: Words, spool: Path, *, own: bool) -> Card:
    """A model before others: its samples are shown when its owner taps, and nothing is handed out."""
    card = replace(model_card(one, words, spool), picture=None)
    show = Button(words.say("chat-button-samples"), f"samples:{one.job}")
    return replace(card, buttons=(show,)) if own and one.sheet else card


def model_card(one: Model, words: Words, spool: Path, *, own: bool = False, kept: Sequence[Kept] = ()) -> Card:
    """One model: how to call it in a prompt, where it is, how it was trained. `spool`: where our files are.

    `own`: it is shown to its owner, who may have the file, and another of the checkpoints that are `kept`.
    """
    return Card(
        title=words.foreign(one.name) or one.slug,
        lines=(
            words.say("chat-model-use", tag=f"<lora:{one.slug}:0.8>", trigger=one.trigger),
            *([words.say("chat-model-incomplete", step=words.number(one.step))] if one.incomplete else []),
            *([one.url] if one.url else []),
            *([words.say("chat-model-kept", until=words.day(kept[0].until))] if own and len(kept) > 1 else []),
        ),
        fields=(
            (words.say("chat-model-base"), one.base),
            (
                words.say("chat-model-steps"),
                words.say("chat-model-of", step=words.number(one.step), steps=words.number(one.steps)),
            ),
            (words.say("chat-model-pictures"), words.number(one.pictures)),
            (words.say("chat-model-rank"), words.say("chat-model-rank-lr", rank=one.rank, lr=f"{one.lr:g}")),
            (words.say("chat-model-size"), words.size(one.size)),
            (words.say("chat-model-seen"), words.say("chat-model-public" if one.public else "chat-model-private")),
            ("sha256", one.sha256),
        ),
        picture=spool / one.sheet if one.sheet else None,
        buttons=(Button(words.say("chat-button-download"), f"download:{one.job}"), *_others(kept, words))
        if own
        else (),
        final=True,
    )


def _others(kept: Sequence[Kept], words: Words) -> tuple[Button, ...]:
    """The checkpoints it could be instead."""
    others = [each for each in kept if not each.current]
    return tuple(
        Button(words.say("chat-button-take", step=words.number(step)), f"take:{each.training}-{step}")
        for each in others
        for step in [each.checkpoint.step]
    )


def _row(one: Model, account: AccountId, words: Words) -> str:
    whose = words.say("chat-models-own") if one.account == account else words.say("chat-models-public")
    return words.say("chat-models-row", trigger=one.trigger, base=one.base, step=words.number(one.step), whose=whose)
