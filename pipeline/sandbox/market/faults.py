"""What can go wrong on the market when a test wants it to: armed by name, asked for where it strikes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KNOWN: Final[Mapping[str, str]] = {  # facts/vast.md 10; a fault is a line here and a question at its place
    "offer-snatched": "create: somebody was faster, 410",
    "lost-create-reply": "create: done, then the connection breaks before the status line",
    "create-502": "create: done, then a proxy answers 502 in HTML",
    "destroy-500": "destroy: 500, nothing was done",
    "destroy-500-applied": "destroy: done, the answer is 500",
    "list-html": "list: 200 with a page of HTML",
    "slow-listing": "create: for `seconds` neither the list nor a look by id shows the new instance",
    "stuck-loading": "create: the new instance loads for ever, its status text frozen",
    "429-text": "any call: 429 in plain text",
}


@dataclass(slots=True)
class Armed:
    times: float
    seconds: float


class Faults:
    """`arm` from a test; `strikes` from the market, which uses one up."""

    def __init__(self) -> None:
        self._armed: dict[str, Armed] = {}

    def arm(self, name: str, *, times: float = 1, seconds: float = 10.0) -> None:
        """`times`: how often it strikes (math.inf: until disarmed); `seconds`: of life, where it has a duration.

        Raises ValueError on an unknown name: a misspelt fault would prove nothing.
        """
        if name not in KNOWN:
            raise ValueError(f"the market knows {sorted(KNOWN)}, not {name!r}")
        self._armed[name] = Armed(times, seconds)

    def disarm(self, name: str) -> None:
        self._armed.pop(name, None)

    def strikes(self, name: str) -> bool:
        return self.lasts(name) is not None

    def lasts(self, name: str) -> float | None:
        """Seconds for which the fault now holds; None when it does not strike."""
        armed = self._armed.get(name)
        if armed is None or armed.times < 1:
            return None
        armed.times -= 0 if math.isinf(armed.times) else 1
        return armed.seconds
