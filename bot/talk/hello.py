"""/start and /help: what this is, and what can be said to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.talk.effects import Effect, Known, Page, Show
from notifier.card import Card
from notifier.words import Words

LISTED: Final = (
    "train", "dataset", "status", "jobs", "stop", "cancel", "models", "model", "balance", "receipts", "help",
)  # fmt: skip


def start(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.START),)


def help_(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.HELP),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"start": start, "help": help_}


def start_card(words: Words) -> Card:
    return Card(
        title=words.say("chat-start"), lines=(words.say("chat-start-how"), words.say("chat-start-first")), final=True
    )


def help_card(words: Words) -> Card:
    """Every command that works, with one line each; then the options of /train."""
    return Card(
        title=words.say("chat-help"),
        fields=tuple((f"/{name}", words.say(f"chat-help-{name}")) for name in LISTED),
        lines=(words.say("chat-help-options"),),
        final=True,
    )
