"""May a rented box have this hub token? Its owner reads whatever lies there, so only one that is worth little goes."""

from collections.abc import Mapping
from typing import Any, Final, cast

from pipeline.domain.faults import OperatorFault

SWITCH: Final = "canReadGatedRepos"


def check(said: object) -> None:
    """Judge an answer of /api/whoami-v2 (its shape: facts/publish.md 1.7).

    The rule is the strictest that such a token can meet: fine-grained, the switch for public gated repos on, and no
    other right anywhere, be it only to read: reading gated repos needs no scope, and a scope to read opens what is
    private. A field that we do not know and that holds anything counts as a right.
    Raises OperatorFault: "host-token-wide", "host-token-dead" (switch off), "hub-down" (unreadable).
    """
    try:
        token = cast("Any", said)["auth"]["accessToken"]
        role, rights = token["role"], token.get("fineGrained")
        if role != "fineGrained":
            raise OperatorFault("host-token-wide", role=str(role)[:20])
        others = {name: held for name, held in rights.items() if name != SWITCH and _opens(name, held)}
        on = rights[SWITCH]
    except (TypeError, KeyError, AttributeError):
        raise OperatorFault("hub-down", why="unreadable") from None
    if others:
        raise OperatorFault("host-token-wide", where=", ".join(sorted(others))[:80])
    if on is not True:
        raise OperatorFault("host-token-dead", why=SWITCH)


def _opens(name: str, held: Any) -> bool:
    """Whether a field grants anything: an entity that is listed without a permission does not."""
    if name == "scoped" and isinstance(held, list):
        return any(not isinstance(one, Mapping) or one.get("permissions") != [] for one in held)
    return bool(held)
