"""A card as a terminal shows it: a panel for eyes, a block of plain lines for pipes."""

from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from notifier.card import Card, Tone
from pipeline.domain.text import clean

WIDEST: Final = 92  # columns: longer lines are hard to read
MOST: Final = 8000  # letters of one paragraph
BAR: Final = 30  # columns of a plain bar
COLOUR: Final[Mapping[Tone, str]] = {Tone.PLAIN: "white", Tone.BUSY: "cyan", Tone.GOOD: "green", Tone.BAD: "red"}

Numbers = Mapping[str, int]  # a button's action -> the number that presses it


def panel(card: Card, numbers: Numbers) -> RenderableType:
    """The card in a frame, coloured by its tone; a lone sentence needs no frame."""
    parts: list[RenderableType] = [plain(line) for line in card.lines]
    if card.code:
        parts.append(plain(card.code))
    if not card.title and not card.fields and not card.buttons and card.bar is None:
        return Padding(Group(*parts), (0, 2), style="red" if card.tone is Tone.BAD else "")
    if card.bar is not None:
        parts.append(_bar(card.bar, card.bar_label))
    if card.fields:
        parts.append(_fields(card))
    if card.picture is not None:
        parts.append(plain(str(card.picture), "dim"))
    if card.buttons:
        parts.append(_buttons(card, numbers))
    title = plain(card.title, "bold") if card.title else None
    spaced = [Padding(part, (0, 0, 0 if part is parts[-1] else 1, 0)) for part in parts]
    return Panel(
        Group(*spaced), title=title, title_align="left", border_style=COLOUR[card.tone], box=box.ROUNDED, padding=(0, 1)
    )


def summary(card: Card) -> RenderableType:
    """One line of a card there is no room for."""
    return plain(f"{card.title}  {card.bar_label}", COLOUR[card.tone])


def block(card: Card, numbers: Numbers) -> str:
    """The card in plain lines, for pipes and files. Nothing in it can act on a terminal."""
    lines = [card.title, *card.lines, *card.code.splitlines()]
    if card.bar is not None:
        full = round(BAR * max(0.0, min(1.0, card.bar)))
        lines.append(f"[{'#' * full}{'-' * (BAR - full)}] {card.bar_label}".rstrip())
    lines += [f"{label}: {value}" for label, value in card.fields]
    lines += [str(card.picture)] if card.picture else []
    lines.append("  ".join(f"{numbers[button.action]} {button.label}" for button in card.buttons))
    return "\n".join(clean(line, MOST) for line in lines if line)


def plain(said: str, style: str = "") -> Text:
    """Foreign letters as letters: no markup is read, no escape code survives."""
    return Text(clean(said, MOST), style=style, overflow="fold")


def _bar(done: float, label: str) -> RenderableType:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    row.add_row(ProgressBar(total=1.0, completed=max(0.0, min(1.0, done))), plain(label))
    return row


def _fields(card: Card) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for label, value in card.fields:
        table.add_row(plain(label, "dim"), plain(value))
    return table


def _buttons(card: Card, numbers: Numbers) -> RenderableType:
    line = Text()
    for button in card.buttons:
        line.append(f" {numbers[button.action]} ", "reverse bold")
        line.append_text(plain(f" {button.label}   "))
    return line
