"""What can go wrong on the market when somebody wants it to: armed by name, asked for where it strikes.

A rental may also draw a trainer that goes wrong: those faults are the stand-in's modes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pipeline.sandbox.toolkit.standin.modes import MODES


class At(Enum):
    """Where a fault strikes."""

    CALL = auto()  # instead of an answer, or after it: troubles.py
    LOT = auto()  # at the birth of a rental, whose lot it is for life: lies.py, plots.py
    PLACE = auto()  # where the thing is done


@dataclass(frozen=True, slots=True)
class Known:
    """`row` is its number in facts/vast.md 10; 0: no row of its own. `seconds` are the box's, not the trainer's."""

    row: int
    at: At
    says: str
    seconds: float = 10.0  # of life, unless it is armed with others


CALL, LOT, PLACE = At

KNOWN: Final[Mapping[str, Known]] = {
    "offer-snatched": Known(1, PLACE, "create: somebody was faster, 410 no_such_ask"),
    "offer-snatched-404": Known(1, PLACE, "create: the same as 404 invalid_args"),
    "offer-snatched-400": Known(1, PLACE, "create: the same as 400 no_such_ask"),
    "lost-create-reply": Known(2, CALL, "create: done, then the connection breaks before the status line"),
    "create-502": Known(3, CALL, "create: done, then a proxy answers 502 in HTML"),
    "create-504": Known(3, CALL, "create: done, then a proxy answers 504 after `seconds`", 35),
    "create-stopped": Known(4, PLACE, "create: 200 success:false, and a stopped rental that bills its disk"),
    "no-credit": Known(5, CALL, "create: 400 insufficient_credit"),
    "429-text": Known(6, CALL, "any call: 429 in plain text"),
    "429-detail": Known(6, CALL, 'any call: 429 as {"detail"}'),
    "429-body": Known(6, CALL, 'any call: 429 with {"retry_after": 2}'),
    "429-header": Known(6, CALL, "any call: 429 with Retry-After: 2"),
    "search-quota": Known(7, CALL, "search: 429, no more searches until midnight"),
    "list-deprecated": Known(8, CALL, "list: 410 deprecated_endpoint, as the old list always answers"),
    "key-unknown": Known(9, CALL, "any call: 404 Invalid user key"),
    "key-missing": Known(9, CALL, "any call: 403 This action requires login"),
    "key-expired": Known(9, CALL, "any call: 404 Session expired"),
    "key-scoped": Known(9, CALL, "any call: 403, this key may not"),
    "slow-listing": Known(10, LOT, "for `seconds` neither the list nor a look by id shows the new rental", 15),
    "stuck-loading": Known(11, LOT, "the rental loads for ever, its status text frozen"),
    "slow-loading": Known(11, LOT, "its status text is frozen for `seconds`, and it comes up all the same", 900),
    "pull-error": Known(12, LOT, "loading for ever: the image's manifest is unknown"),
    "oci-error": Known(12, LOT, "created for ever: OCI runtime create failed"),
    "ports-null": Known(13, LOT, "running, ports null for ever"),
    "ports-late": Known(13, LOT, "running, ports only after `seconds`", 60),
    "ports-other": Known(13, LOT, "running, ports without 22/tcp for ever: only the proxy leads in"),
    "port-black-hole": Known(14, LOT, "running, the direct port swallows every packet"),
    "port-refuses": Known(14, LOT, "running, both ports refuse for `seconds`", 60),
    "proxy-refuses": Known(14, LOT, "running, the proxy refuses for ever, the direct port is open"),
    "login-refused": Known(15, LOT, "SSH is up and refuses every key for `seconds`", 60),
    "login-wiped": Known(15, LOT, "after `seconds` of running the rental's own keys are wiped", 900),
    "host-exited": Known(16, LOT, "after `seconds` of running the container has exited", 600),
    "host-offline": Known(16, LOT, "after `seconds` of running the host is offline for ever", 600),
    "host-unknown": Known(16, LOT, "after `seconds` of running the host's heartbeat is lost, the box runs on", 600),
    "host-moves": Known(16, LOT, "after `seconds` offline, and soon back at another address and port", 600),
    "outbid": Known(17, LOT, "after `seconds` of running all three states are stopped", 600),
    "outbid-resumed": Known(17, LOT, "the same, and later it resumes by itself", 600),
    "start-queued": Known(18, PLACE, "start: 200 success:false, and after `seconds` it runs and bills", 3600),
    "destroy-429": Known(19, CALL, "destroy: 429, nothing was done"),
    "destroy-500": Known(19, CALL, "destroy: 500, nothing was done"),
    "destroy-500-applied": Known(19, CALL, "destroy: done, the answer is 500"),
    "destroy-timeout": Known(19, CALL, "destroy: silence for `seconds`, then the line breaks; nothing was done", 30),
    "destroy-timeout-applied": Known(19, CALL, "destroy: done, silence for `seconds`, then the line breaks", 30),
    "destroy-refused": Known(19, CALL, "destroy: 200 success:false, nothing was done"),
    "destroy-lingers": Known(19, LOT, "once destroyed, the row lingers for `seconds`", 60),
    "destroy-undone": Known(19, PLACE, "destroy: 200, gone from sight for `seconds`, then it is back and bills", 60),
    "destroy-not-found": Known(20, CALL, "destroy: done, the answer is 404 not_found, as to a second call"),
    "list-insert": Known(21, PLACE, "list: before a page that follows another, a new rental appears"),
    "list-bad-token": Known(21, CALL, "list: 400 invalid_token"),
    "list-null": Known(21, PLACE, "list: instances null, though it counts them"),
    "list-short": Known(21, PLACE, "list: the last row is missing, though it counts it"),
    "list-html": Known(21, CALL, "list: 200 with a page of HTML"),
    "look-empty": Known(21, PLACE, "look at one that is gone: []"),
    "look-hollow": Known(21, PLACE, "look at one that is gone: [{}]"),
    "search-unfiltered": Known(22, PLACE, "search: no filter is applied"),
    "search-nulls": Known(22, PLACE, "search: every field but ids and prices is null in every second offer"),
    "search-crowded": Known(22, PLACE, "search: many more good machines than one answer holds"),
    "disk-short": Known(23, LOT, "the disk is half of what was asked for"),
    "gpu-differs": Known(23, LOT, "the GPU is another one than offered, in the box and in its row"),
    "gpu-lies": Known(23, LOT, "the GPU is another one than offered, only the box shows it"),
    "gpu-count": Known(23, LOT, "the row counts two GPUs where one was rented"),
    "slow-line": Known(23, LOT, "a tenth of the claimed bandwidth"),
    "credit-gone": Known(24, LOT, "after `seconds` of running the account has no credit: everything stops", 600),
    "rental-expired": Known(24, LOT, "after `seconds` of running its end_date passes", 600),
    "answer-truncated": Known(25, CALL, "any call: done, the JSON is cut in half"),
    "answer-broken": Known(25, CALL, "any call: done, the line breaks in the middle of the body"),
    "answer-html": Known(25, CALL, "any call: 200 with a page of HTML"),
    "answer-empty": Known(25, CALL, "any call: done, the body is empty"),
    "answer-huge": Known(25, CALL, "any call: done, 5 MB of blanks before the body"),
    "answer-charset": Known(25, CALL, "any call: done, the content type names a charset"),
    "log-late": Known(26, PLACE, "a log can be fetched only after `seconds`", 9),
    "log-never": Known(26, PLACE, "a log is 404 for ever"),
    "clock-ahead": Known(27, LOT, "start_date lies an hour ahead"),
    "row-strings": Known(27, LOT, "every number of the row is a string"),
    "row-extra": Known(27, LOT, "the row has keys nobody knows, deep ones among them"),
    "row-strange": Known(27, LOT, "its actual_status is a word nobody knows, until it runs"),
    "host-key-changed": Known(0, LOT, "after `seconds` of running the box shows another host key", 600),
    "vanishes-running": Known(0, LOT, "half of the steps and `seconds` later the box is gone; its row says running", 0),
    "vanishes-exited": Known(0, LOT, "half of the steps and `seconds` later the box is gone; its row says exited", 0),
    **{name: Known(0, LOT, f"trainer: {says}") for name, says in MODES.items()},
}
LOTS: Final = tuple(name for name, known in KNOWN.items() if known.at is LOT)


@dataclass(slots=True)
class Armed:
    times: float
    seconds: float
    op: str


class Faults:
    """`arm` from a test or the command line; `strikes` from the market, which uses one up."""

    def __init__(self) -> None:
        self._armed: dict[str, Armed] = {}

    def arm(self, name: str, *, times: float = 1, seconds: float | None = None, op: str = "") -> None:
        """`times`: how often it strikes (math.inf: until disarmed); `seconds`: of life, where it has a duration.

        `op`: of the calls it could strike, only this one: user, search, rent, list, look, change, destroy.

        Raises ValueError on an unknown name: a misspelt fault would prove nothing.
        """
        if name not in KNOWN:
            raise ValueError(f"the market knows {sorted(KNOWN)}, not {name!r}")
        self._armed[name] = Armed(times, KNOWN[name].seconds if seconds is None else seconds, op)

    def disarm(self, name: str) -> None:
        self._armed.pop(name, None)

    def armed(self, name: str, op: str = "") -> bool:
        """Whether it would strike, in operation `op`. Uses nothing up."""
        armed = self._armed.get(name)
        return armed is not None and armed.times >= 1 and armed.op in {"", op}

    def strikes(self, name: str) -> bool:
        return self.lasts(name) is not None

    def lasts(self, name: str) -> float | None:
        """Seconds for which the fault now holds; None when it does not strike."""
        armed = self._armed.get(name)
        if armed is None or armed.times < 1:
            return None
        armed.times -= 0 if math.isinf(armed.times) else 1
        return armed.seconds

    def lot(self) -> dict[str, float]:
        """What befalls the rental that is born now, each with its seconds."""
        drawn = {name: self.lasts(name) for name in LOTS}
        return {name: seconds for name, seconds in drawn.items() if seconds is not None}
