"""/start and /help: what this is, and what can be said to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.talk import options
from bot.talk.effects import Effect, Known, Page, Show
from notifier.card import Button, Card
from notifier.words import Words
from pipeline.domain.recipe import BOUNDS, MOST_PROMPTS, Publish, Recipe

LISTED: Final = (
    "train", "dataset", "status", "jobs", "log", "stop", "cancel", "models", "model", "balance", "receipts", "settings",
    "upload", "help",
)  # fmt: skip
IN_GROUPS: Final = ("train", "status", "models")  # listed where others read along


def start(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.START),)


def help_(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.HELP),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"start": start, "help": help_}


def start_card(words: Words) -> Card:
    return Card(
        title=words.say("chat-start"), lines=(words.say("chat-start-how"), words.say("chat-start-first")), final=True
    )


def aside_card(words: Words, name: str) -> Card:
    """Before others, in place of an answer: a way to where this person is alone with us."""
    return Card(
        title="",
        lines=(words.say("chat-aside"),),
        buttons=(Button(words.say("chat-button-aside"), f"private:{name}"),),
        final=True,
    )


def help_card(words: Words, publish: Publish) -> Card:
    """Every command that works, then every option of /train, one line each."""
    commands = [(f"/{name}", words.say(f"chat-help-{name}")) for name in LISTED]
    return Card(
        title=words.say("chat-help"),
        lines=(words.say("chat-help-options"),),
        fields=(*commands, *_options(words, publish)),
        final=True,
    )


def _options(words: Words, publish: Publish) -> list[tuple[str, str]]:
    """Each option as it is typed, at its default, and what it does within which bounds."""
    rows = []
    for key, value in options.written(Recipe(trigger="", publish=publish)).items():
        low, high = BOUNDS.get(key, (0, 0))
        bounds = {"low": words.number(low), "high": words.number(high)}
        rows.append((f"{key}={value}", words.say(f"chat-option-{key.replace('_', '-')}", **bounds)))
    rows.append((f"{options.LINK}=https://…", words.say("chat-option-url")))
    return [*rows, ('prompt="…"', words.say("chat-option-prompt", most=MOST_PROMPTS))]
