"""Plain words as Discord's Markdown shows them: every mark escaped, nothing formats, mentions or links by itself."""

import re
from collections.abc import Iterator
from typing import Final

from pipeline.domain.text import clean

MORE: Final = "…"
FOREIGN: Final = 300  # letters of somebody else's words in one sentence
_PIECES: Final = re.compile(
    "\u2068(?P<foreign>[^\u2068\u2069]*)\u2069"  # how our words mark what is not ours: a code span
    r"|(?P<tag><lora:[^<>`\s]{1,150}>)"  # to be copied: a code span, with no mark of ours inside
    r"|(?P<link>^https?://[^\s<>|`\\]{1,500}$)"  # alone on its line: a link that we put there
    r"|(?P<scheme>://)"
    r"|(?P<mark>[\\*_~`|\[\]<>#@]|^[ ]*[-+])"
    "|(?P<turn>[\u202a-\u202e\u2066-\u2069])"  # would turn the line around
    r"|(?P<plain>[\s\S])",
    re.MULTILINE,
)


def ink(said: str, most: int) -> str:
    """Return `said` escaped, at most `most` UTF-16 units long (Discord's own count is never more); cut it says so."""
    room, kept = most - units(MORE), list[str]()
    used, whole = 0, list(_pieces(said))
    if sum(map(units, whole)) <= most:
        return "".join(whole)
    for piece in whole:
        used += units(piece)
        if used > room:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + MORE


def _code(said: str) -> str:
    """A code span: nothing in it acts, and nothing in it can end it."""
    plain = clean(said, FOREIGN).replace("`", "\u02cb").strip()
    return f"`{plain}`" if plain else ""


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def _pieces(said: str) -> Iterator[str]:
    """What must not be cut apart: a mark and its backslash, a code span, a link."""
    for found in _PIECES.finditer(said):
        piece = found[0]
        match found.lastgroup:
            case "foreign":
                yield _code(found["foreign"])
            case "turn":
                yield ""
            case "tag":
                yield f"`{piece}`"
            case "scheme":
                yield r":\//"
            case "mark":
                yield f"{piece[:-1]}\\{piece[-1]}"
            case _:
                yield piece
