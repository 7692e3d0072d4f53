"""Stdout. The log is this program's product, so its one way out has a name."""

import sys


def say(text: str = "") -> None:
    """Write a line. Not flushed here: without PYTHONUNBUFFERED the real one holds its words back too (facts 0.3)."""
    sys.stdout.write(f"{text}\n")
