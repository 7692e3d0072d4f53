"""/upload: a page of ours for what a chat cannot carry."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.talk.effects import Effect, Known, Page, Show
from notifier.card import Button, Card
from notifier.words import Words


def upload(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.UPLOAD),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"upload": upload}


def upload_card(link: str | None, words: Words) -> Card:
    """A way to the page; `link` None: this house has none."""
    if link is None:
        return Card(title="", lines=(words.say("chat-upload-none"),), final=True)
    button = Button(words.say("chat-button-upload"), "", link=link, app=True)
    return Card(title=words.say("chat-upload"), lines=(words.say("chat-upload-how"),), buttons=(button,), final=True)
