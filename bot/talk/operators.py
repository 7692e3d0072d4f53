"""/grant: what only operators may say. To everybody else it is a word we do not know."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.talk.effects import Effect, Grant, Known, Tell
from pipeline.domain.ids import Identity
from pipeline.domain.text import line

IDENTITY: Final = re.compile(r"(telegram|discord|terminal):[A-Za-z0-9_-]{1,40}")  # never a name
DIGITS: Final = 9


def grant(words: Sequence[str], known: Known) -> tuple[Effect, ...]:
    """`/grant telegram:7 5000 for a bug report`."""
    if not known.operator:
        return (Tell("chat-unknown-command", {"command": "/grant"}),)
    match words:
        case [who, points, *reason] if IDENTITY.fullmatch(who) and re.fullmatch(rf"[1-9]\d{{0,{DIGITS - 1}}}", points):
            return (Grant(Identity(who), int(points), line(" ".join(reason), 80) or "grant"),)
        case _:
            return (Tell("chat-grant-usage"),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"grant": grant}
