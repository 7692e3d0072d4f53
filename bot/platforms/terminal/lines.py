"""Lines from a file descriptor without blocking the loop, and the files that are named in a line."""

import asyncio
import os
import re
import shlex
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

LONGEST: Final = 64 * 1024  # bytes of a line
COMMAND: Final = re.compile(r"/[A-Za-z_]+")
FILE_LIKE: Final = re.compile(r".+\.(zip|jpe?g|png|webp|heic|heif|gif|bmp|tiff?)", re.IGNORECASE)


async def lines_of(fd: int) -> AsyncIterator[str]:
    """Each line read from `fd`, until its end.

    A daemon thread reads the descriptor itself: an executor's thread would hold up the end of the program until
    somebody presses Enter, and one inside `sys.stdin` would abort it.
    """
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        more = True
        while more:
            try:
                more = bool(chunk := os.read(fd, LONGEST))
                loop.call_soon_threadsafe(queue.put_nowait, chunk)
            except (OSError, RuntimeError):  # the descriptor or the loop is closed
                return

    threading.Thread(target=read, name="terminal-lines", daemon=True).start()
    rest = b""
    while chunk := await queue.get():
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[-LONGEST:]
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def parted(said: str, here: Path) -> tuple[str, tuple[Path, ...]]:
    """Part a typed line into its words and the files it names (relative to `here`).

    A word is a file when it exists, or looks so much like one that its absence is worth a word. What follows a
    command is its argument, unless it looks like a path: `/train cat` is a trigger even beside a folder "cat".
    """
    words = _split(said)
    commanded = bool(words) and COMMAND.fullmatch(words[0]) is not None
    kept, files = list(words[:1] if commanded else ()), []
    for place, word in enumerate(words[len(kept) :]):
        path = here / Path(word).expanduser()
        if _looks_like_a_path(word) or (_exists(path) and not (commanded and place == 0)):
            files.append(path)
        else:
            kept.append(word)
    return (" ".join(map(_quoted, kept)) if files else said), tuple(files)


def _quoted(word: str) -> str:
    """A word with its quotes again, where it has spaces in it."""
    key, equals, value = word.partition("=")
    if " " not in word:
        return word
    return f'{key}="{value}"' if equals and " " not in key else f'"{word}"'


def _looks_like_a_path(word: str) -> bool:
    if "=" in word or "://" in word:
        return False
    whole = word.startswith("/") and word.count("/") > 1
    return whole or word.startswith(("~/", "./", "../")) or FILE_LIKE.fullmatch(word) is not None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, a NUL in it
        return False


def _split(said: str) -> Sequence[str]:
    try:
        return shlex.split(said)
    except ValueError:  # an apostrophe in a sentence
        return said.split()
