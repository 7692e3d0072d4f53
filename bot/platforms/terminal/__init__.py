"""The terminal as a chat platform: the embedded default. Ear and mouth on stdin and stdout."""

from typing import Protocol, cast

from bot.platforms.terminal.terminal import Terminal

__all__ = ["Terminal", "build"]


class Configured(Protocol):
    """What the program's settings hold for us."""

    spoken: tuple[str, ...]


def build(settings: object) -> Terminal | None:
    """The terminal, where PLATFORMS names it."""
    return Terminal() if Terminal.name in cast("Configured", settings).spoken else None
