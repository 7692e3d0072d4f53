"""The only door from foreign bytes to a sentence: what a box, a hub, a person or a model says becomes plain letters."""

import re
import unicodedata

_UNWANTED = re.compile(
    "["
    "\x00-\x09\x0b-\x1f\x7f-\x9f"  # C0 but newline, DEL, C1: escape codes lose their teeth
    "\xad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff\ufff9-\ufffb"  # zero width, marks that turn the line around
    "\U000e0000-\U000e007f"  # tags: letters nobody sees
    "\u202a-\u202e\u2066-\u2069"  # bidi overrides and isolates
    "\ud800-\udfff"  # lone surrogates
    "]"
)


def clean(said: str | bytes, most: int) -> str:
    """Return at most `most` plain characters of `said`: NFKC, newlines kept, everything that acts dropped.

    Never raises. Bytes are read as UTF-8; what is not becomes U+FFFD.
    """
    room = 4 * most + 64  # cut before the work, so that no megabyte is normalised for one line
    text = said[: 4 * room].decode("utf-8", "replace") if isinstance(said, bytes) else said[:room]
    plain = _UNWANTED.sub("", text.replace("\t", " "))
    return _UNWANTED.sub("", unicodedata.normalize("NFKC", plain))[:most]


def line(said: str | bytes, most: int = 200) -> str:
    """Return `said` as one clean line."""
    return " ".join(clean(said, most).split())
