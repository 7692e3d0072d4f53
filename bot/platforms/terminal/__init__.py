"""The terminal as a chat platform: the embedded default. Ear and mouth on stdin and stdout."""

from bot.platforms.terminal.terminal import Terminal

__all__ = ["Terminal"]
