"""A card: what is shown in one message, on any platform. Its words are already in the reader's language; no markup."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Tone(StrEnum):
    """How a platform may colour it."""

    PLAIN = "plain"
    BUSY = "busy"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Button:
    """`action`: a verb and an id of ours ("stop:k3v9..."), at most 64 bytes; its owner is looked up, never believed."""

    label: str
    action: str
    link: str = ""  # an https address to open instead; what only this person may see
    app: bool = False  # `link` is a page that platforms may open inside themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    title: str
    lines: tuple[str, ...] = ()  # paragraphs
    code: str = ""  # lines of a program, as they are; what does not fit is cut at the beginning
    bar: float | None = None  # 0..1 of the stage in hand
    bar_label: str = ""  # "30/30 steps"
    fields: tuple[tuple[str, str], ...] = ()  # label, value
    picture: Path | None = None
    shared: bool = False  # its owner said the picture may be seen by a group
    buttons: tuple[Button, ...] = ()
    tone: Tone = Tone.PLAIN
    final: bool = False  # nothing will change it any more
