"""Injected faults by name: each strikes so many times, at the place that asks for it."""

from collections import Counter
from typing import Final

NAMES: Final = frozenset(
    {
        "offer-snatched",  # the next creates find their ask gone (410)
        "lost-create-reply",  # applied, then the socket closes before a status line
        "create-502",  # applied, answered by a proxy's HTML
        "destroy-500",  # not applied
        "destroy-500-applied",
        "list-html",  # 200 with a page
        "slow-listing",  # a new rental is not shown for 20 s of life
        "stuck-loading",  # the next rental never runs
        "429-text",  # too frequent, in plain text
    }
)


class Faults:
    """`set("offer-snatched", 3)`: the next three. Unknown names raise ValueError."""

    def __init__(self) -> None:
        self._left: Counter[str] = Counter()

    def set(self, name: str, times: int = 1) -> None:
        if name not in NAMES:
            raise ValueError(f"no fault {name}: there are {', '.join(sorted(NAMES))}")
        self._left[name] = times

    def take(self, name: str) -> bool:
        """Whether it strikes now."""
        if self._left[name] <= 0:
            return False
        self._left[name] -= 1
        return True
