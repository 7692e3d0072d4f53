"""A card as Telegram's HTML: escaped, foreign words in code spans, cut where it ends well. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Final

from notifier.card import Card, Tone
from pipeline.domain.text import clean

TEXT, CAPTION = 4096, 900  # UTF-16 units after the markup is read; a caption may be 1024
CODE: Final = 3000  # units of it that leave room for the words around
BAR: Final = 12
CUT: Final = "…"
SHORTEST: Final = 40  # units: less of a paragraph is no help
FOREIGN: Final = re.compile("\u2068([^\u2068\u2069]*)\u2069")  # how words mark what is not ours
LIVE: Final = re.compile(  # what a client would make alive by itself, and no sentence of ours means to
    r"<lora:[^<>\n]{1,200}>"  # to be tapped and copied
    r"|(?<![\w/@.])@[A-Za-z]\w{2,}"
    r"|(?<![\w/@.:-])(?!https?://)(?:[a-z]{2,6}://)?(?:[\w-]+\.)+(?:com|org|net|me|io|dev|app|info|ai|co|ru|de|xyz|link|site)\b(?:/\S*)?"
    r"|[\w.+-]+@[\w-]+\.[\w.]+\w"
    r"|(?<!\w)\#(?=\w*[^\W\d])\w+",
    re.IGNORECASE,
)
HOME: Final = re.compile(r"https?://\S+")
MARK: Final = {Tone.GOOD: "✅ ", Tone.BAD: "⚠️ "}


@dataclass(frozen=True, slots=True)
class Bit:
    """Some text, and the tag around it ("b", "code", "pre", or none)."""

    text: str
    tag: str = ""

    @property
    def html(self) -> str:
        inner = escape(self.text, quote=False)
        return f"<{self.tag}>{inner}</{self.tag}>" if self.tag and self.text else inner


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, or a row below the one before."""

    bits: tuple[Bit, ...]
    gap: str = "\n\n"

    @property
    def units(self) -> int:
        return sum(units(bit.text) for bit in self.bits)


def html(card: Card, most: int = TEXT) -> str:
    """`card` in at most `most` units, as the reader sees them."""
    kept = [block for block in _fitting(_blocks(card), most) if block.units]
    parts = ["".join(bit.html for bit in block.bits) for block in kept]
    whole = "".join(f"{block.gap if n else ''}{part}" for n, (block, part) in enumerate(zip(kept, parts, strict=True)))
    return whole if whole.strip() else CUT


def units(text: str) -> int:
    """Length as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _blocks(card: Card) -> list[Block]:
    blocks = [Block((Bit(MARK.get(card.tone, "")), *_bold(card.title)))] if card.title else []
    blocks += [Block(bits(line)) for line in card.lines if line]
    if card.code:
        blocks.append(Block((Bit(_end(clean(card.code, len(card.code) + 1), CODE), "pre"),)))
    if card.bar is not None:
        full = round(BAR * max(0.0, min(1.0, card.bar)))
        blocks.append(Block((Bit(f"{'▰' * full}{'▱' * (BAR - full)} "), *bits(card.bar_label))))
    for n, (label, value) in enumerate(card.fields):
        named = bits(label) if label.startswith("/") else (*_bold(label), Bit(":", "b"))
        blocks.append(Block((*named, Bit(" "), *bits(value)), "\n" if n else "\n\n"))
    return blocks


def _bold(said: str) -> tuple[Bit, ...]:
    return tuple(replace(bit, tag=bit.tag or "b") for bit in bits(said))


def bits(said: str) -> tuple[Bit, ...]:
    """Words of ours as they are, words of others as code: nothing in them is a link, a mention or a command."""
    found: list[Bit] = []
    for n, part in enumerate(FOREIGN.split(said)):
        text = clean(part, len(part) + 1)
        found += [Bit(text, "code")] if n % 2 else _ours(text)
    return tuple(bit for bit in found if bit.text)


def _ours(text: str) -> list[Bit]:
    found, at = list[Bit](), 0
    links = [match.span() for match in HOME.finditer(text)]
    for match in LIVE.finditer(text):
        if any(start <= match.start() < end for start, end in links):
            continue
        found += [Bit(text[at : match.start()]), Bit(match[0], "code")]
        at = match.end()
    return [*found, Bit(text[at:])]


def _end(code: str, most: int) -> str:
    """The last lines that fit."""
    kept = code.splitlines()
    while len(kept) > 1 and units("\n".join(kept)) > most:
        del kept[0]
    return "\n".join(kept)


def _fitting(blocks: Sequence[Block], most: int) -> list[Block]:
    """As many blocks as there is room for; the last one is cut between two words."""
    kept, room = list[Block](), most
    for n, block in enumerate(blocks):
        gap = units(block.gap) if kept else 0
        reserve = units(CUT) + 1 if n + 1 < len(blocks) else 0
        if block.units + gap + reserve <= room or (block.units + gap <= room and n + 1 == len(blocks)):
            kept.append(block)
            room -= block.units + gap
            continue
        if room - gap - 1 >= SHORTEST:
            kept.append(replace(block, bits=_short(block.bits, room - gap)))
        elif kept:
            kept.append(Block((Bit(CUT),), "\n"))
        break
    return kept


def _short(bits_: Sequence[Bit], most: int) -> tuple[Bit, ...]:
    """The beginning of a paragraph in `most` units, the sign of the cut among them."""
    kept, room = list[Bit](), most - 1
    for bit in bits_:
        if units(bit.text) <= room:
            kept.append(bit)
            room -= units(bit.text)
            continue
        head = bit.text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")
        whole, _, _ = head.rpartition(" ")
        kept.append(Bit(whole or head, bit.tag))
        break
    return (*kept, Bit(CUT))
