"""A card as Discord shows it: an embed with its picture, and buttons. Its limits are kept by construction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import discord

from bot.platforms.discord.buttons import Press
from bot.platforms.discord.ink import ink, units
from notifier.card import Button, Card, Tone
from pipeline.domain.text import clean

TITLE, DESCRIPTION, NAME, VALUE, TOTAL = 256, 4096, 256, 1024, 6000  # letters; TOTAL: of all of one message
CODE: Final = 3000  # letters of what a program said
FIELDS: Final = 25
FIELDS_MOST: Final = 3400  # letters of all fields together, so that the words above them always have room
LABEL: Final = 80
BUTTONS: Final = 25  # five rows of five
BAR: Final = 16  # blocks
NOTHING: Final = "\u200b"  # an empty name or value is refused
PICTURE: Final = "card.png"  # our own name for it: nobody else's letters go into a file name
PICTURE_MOST: Final = 8 * 10**6  # bytes
COLOUR: Final[Mapping[Tone, int]] = {
    Tone.PLAIN: 0x4E5D94, Tone.BUSY: 0x3498DB, Tone.GOOD: 0x2ECC71, Tone.BAD: 0xE74C3C,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Face:
    """What one message is made of."""

    embed: discord.Embed
    buttons: tuple[Button, ...] = ()
    picture: Path | None = None

    def sent(self) -> dict[str, Any]:
        """Arguments of a call that sends it."""
        parts: dict[str, Any] = {"embed": self.embed}
        if self.buttons:
            parts["view"] = _view(self.buttons)
        if self.picture is not None:
            parts["file"] = discord.File(self.picture, filename=PICTURE)
        return parts

    def edited(self, *, keep_picture: bool = False) -> dict[str, Any]:
        """Arguments of a call that edits a message into it. What was said outside the embed stays there.

        `keep_picture`: the picture that is there stays, too.
        """
        parts: dict[str, Any] = {"embeds": [self.embed], "view": _view(self.buttons)}
        if not (keep_picture and self.picture is not None):
            parts["attachments"] = [discord.File(self.picture, filename=PICTURE)] if self.picture is not None else []
        return parts


def face(card: Card, picture: Path | None = None) -> Face:
    """Draw `card` with `picture`. What does not fit is cut where it says so."""
    picture = picture if picture is not None and _small(picture) else None
    embed = discord.Embed(title=ink(card.title, TITLE) or None, colour=COLOUR[card.tone])
    fields = _fitting(card.fields)
    for name, value in fields:
        embed.add_field(name=name, value=value, inline=units(value) < NAME // 4)
    left = TOTAL - units(embed.title or "") - sum(units(name) + units(value) for name, value in fields)
    embed.description = _words(card, min(DESCRIPTION, left)) or None
    if not embed.title and not embed.description and not fields:
        embed.description = NOTHING
    if picture is not None:
        embed.set_image(url=f"attachment://{PICTURE}")
    return Face(embed, card.buttons[:BUTTONS], picture)


def _words(card: Card, most: int) -> str:
    """Paragraphs, then what a program said and the bar under them, which are never cut away."""
    bar = "\n\n".join(filter(None, (_fenced(card.code), _bar(card))))
    words = ink("\n\n".join(filter(None, card.lines)), most - units(bar) - 2)
    return "\n\n".join(filter(None, (words, bar)))


def _fenced(code: str) -> str:
    """The last lines that fit, in a block that nothing in them can end."""
    kept = clean(code, len(code) + 1).replace("`", "\u02cb").splitlines()
    while kept and units("\n".join(kept)) > CODE:
        del kept[0]
    return "\n".join(("```", *kept, "```")) if kept else ""


def _bar(card: Card) -> str:
    if card.bar is None:
        return ""
    full = round(BAR * max(0.0, min(1.0, card.bar)))
    return f"{'▰' * full}{'▱' * (BAR - full)} {ink(card.bar_label, NAME)}".rstrip()


def _fitting(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """As many fields as there may be, each as long as it may be."""
    fitting, left = list[tuple[str, str]](), FIELDS_MOST
    for name, value in fields[:FIELDS]:
        one = ink(name, NAME) or NOTHING, ink(value, VALUE) or NOTHING
        left -= units(one[0]) + units(one[1])
        if left < 0:
            break
        fitting.append(one)
    return fitting


def _view(buttons: Sequence[Button]) -> discord.ui.View | None:
    if not buttons:
        return None
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(_item(button))
    return view


def _item(button: Button) -> discord.ui.Item[Any]:
    label = (button.label or NOTHING)[:LABEL]
    return discord.ui.Button(label=label, url=button.link) if button.link else Press.of(button.action, label)


def _small(picture: Path) -> bool:
    try:
        return 0 < picture.stat().st_size <= PICTURE_MOST
    except OSError:
        return False
