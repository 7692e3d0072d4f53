"""/dataset and pictures on arrival: the draft, counted and looked through."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.talk import phrases
from bot.talk.effects import ClearDraft, DropPicture, Effect, Known, Page, Show, Tell
from notifier.card import Button, Card
from notifier.words import Words
from pipeline.domain.dataset import FEWEST, Picture
from pipeline.domain.draft import Draft

SMALLEST: Final = 3  # pictures named as the worst
ORDINAL: Final = 4  # digits: more than any draft has pictures


def dataset(words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    match [word.lower() for word in words]:
        case []:
            return (Show(Page.DRAFT),)
        case ["clear"]:
            return (ClearDraft(),)
        case ["drop", ordinal] if ordinal.isdecimal() and len(ordinal) <= ORDINAL:
            return (DropPicture(int(ordinal)),)
        case _:
            return (Tell("chat-dataset-usage"),)


def clear(_of: str, _known: Known) -> tuple[Effect, ...]:
    return (ClearDraft(),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"dataset": dataset}
BUTTONS: Final[Mapping[str, Callable[[str, Known], tuple[Effect, ...]]]] = {"clear": clear}


def counted_card(draft: Draft, words: Words) -> Card:
    """The one message that counts pictures as they arrive."""
    have = len(draft.pictures)
    following = words.say("chat-draft-more", need=FEWEST - have) if have < FEWEST else words.say("chat-draft-ready")
    return Card(
        title=words.say("chat-draft-count", count=have),
        lines=(*phrases.found(draft.findings, words), following),
        final=True,
    )


def draft_card(draft: Draft, words: Words) -> Card:
    """The draft looked through: how many, how large, which are the worst, how many have captions."""
    if not draft.pictures:
        return Card(
            title=words.say("chat-draft-count", count=0),
            lines=(*phrases.found(draft.findings, words), words.say("chat-draft-empty", need=FEWEST)),
            final=True,
        )
    captions = sum(bool(picture.caption) for picture in draft.pictures)
    return Card(
        title=words.say("chat-draft-count", count=len(draft.pictures)),
        lines=(
            *phrases.found(draft.findings, words),
            "\n".join([words.say("chat-draft-smallest"), *_smallest(draft.pictures, words)]),
            words.say("chat-dataset-usage"),
        ),
        fields=(
            (words.say("chat-draft-size"), words.size(draft.size)),
            (words.say("chat-draft-sides"), _sides(draft.pictures)),
            (
                words.say("chat-draft-captions"),
                words.say("chat-draft-captioned", have=captions, all=len(draft.pictures)),
            ),
        ),
        buttons=(Button(words.say("chat-button-clear"), "clear:draft"),),
    )


def _smallest(pictures: Sequence[Picture], words: Words) -> list[str]:
    """The pictures with the shortest sides, by the ordinal that `drop` takes."""
    numbered = sorted(enumerate(pictures, 1), key=lambda one: min(one[1].width, one[1].height))
    return [_picture(n, picture, words) for n, picture in numbered[:SMALLEST]]


def _picture(n: int, picture: Picture, words: Words) -> str:
    size = f"{picture.width} × {picture.height}"
    return words.say("chat-draft-picture", ordinal=n, size=size, name=words.foreign(picture.name, 60))


def _sides(pictures: Sequence[Picture]) -> str:
    short = [min(picture.width, picture.height) for picture in pictures]
    return f"{min(short)}–{max(short)} px"
