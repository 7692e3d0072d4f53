"""/settings: where a training is told, on platforms where others read along."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.talk.effects import Choose, Effect, Known, Page, Show
from notifier.card import Card
from notifier.words import Words
from pipeline.domain.account import Room
from pipeline.domain.faults import UserFault


def settings(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    """`progress=dm` or `progress=here`; nothing shows what is chosen. Raises UserFault."""
    if not words:
        return (Show(Page.SETTINGS),)
    for word in words:
        option, _, value = word.lower().partition("=")
        if option != "progress":
            raise UserFault("option-unknown", option=option[:40], known="progress")
        if value not in set(Room):
            raise UserFault("choice-bad", option=option, got=value[:40], known=", ".join(Room))
    return (Choose(Room(words[-1].lower().partition("=")[2])), Show(Page.SETTINGS))


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"settings": settings}


def settings_card(room: Room, words: Words) -> Card:
    return Card(
        title=words.say("chat-settings"),
        lines=(words.say(f"chat-settings-{room}"), words.say("chat-settings-usage")),
        final=True,
    )
