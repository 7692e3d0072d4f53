"""Whose fault is it? Every failure has exactly one owner, and the owner decides what happens next.

Fault
+-- UserFault       bad photos, empty wallet      -> explain, stop, nobody is paged
+-- OperatorFault   our key, our quota, our disk  -> apologise, refund, page a human
+-- HostFault       the rented machine or its net -> next machine, the person sees "moving"
    +-- HostSilent  it may yet answer             -> knock again within its grace
(anything else is a bug: refund, page with the traceback)

Superseded is no failure of anybody: another runner has moved the job on.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

Fact = str | int | float


class Blame(StrEnum):
    USER = "user"
    OPERATOR = "operator"
    HOST = "host"
    BUG = "bug"


class Fault(Exception):
    """An expected failure. `code` is a key in locales/ (`fault-<code>`), `facts` fill its blanks."""

    blame: ClassVar[Blame]

    def __init__(self, code: str, **facts: Fact) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts: Mapping[str, Fact] = facts


class UserFault(Fault):
    """The person can fix it."""

    blame = Blame.USER


class OperatorFault(Fault):
    """We can fix it."""

    blame = Blame.OPERATOR


class HostFault(Fault):
    """Another machine fixes it."""

    blame = Blame.HOST


class HostSilent(HostFault):
    """It may yet answer: knock again before giving the machine up."""


class Superseded(Exception):
    """The stored job is newer than ours: somebody else tells it now. Do nothing more."""


def blame(error: BaseException) -> Blame:
    """Name the owner of `error`; whatever we did not foresee is a bug."""
    return error.blame if isinstance(error, Fault) else Blame.BUG
