"""An account's points as one pure function: a state and a command in, the next state and an entry out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, TypeVar

from pipeline.domain.ids import AccountId
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.parts import Part, cut, total

MOST: Final = 10**15  # points in one command: sums stay far inside 64 bits
REFUND_WINDOW: Final = timedelta(days=30)  # after a capture; its lots are remembered that long


class KeyConflict(Exception):
    """A key was used again for another request: a bug of the caller, never something a person did."""


class Why(StrEnum):
    """Why a command changed nothing."""

    NOT_ENOUGH = "not-enough-points"
    NO_HOLD = "no-hold"
    ABOVE_HOLD = "above-hold"
    NO_CAPTURE = "no-capture"
    ABOVE_CAPTURE = "above-capture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Points come in. `rate` is the micro-dollars of real money behind each; None: a grant or a reward."""

    key: str
    points: Points
    source: str
    rate: int | None = None
    at: datetime
    kind: Literal["deposit"] = "deposit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Points are set aside for a job."""

    key: str
    points: Points
    job: str
    at: datetime
    kind: Literal["hold"] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Points of a hold are paid; the rest of it returns."""

    key: str
    points: Points
    hold: str
    at: datetime
    kind: Literal["capture"] = "capture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A hold returns whole."""

    key: str
    hold: str
    at: datetime
    kind: Literal["release"] = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Points of a capture come back, within REFUND_WINDOW."""

    key: str
    points: Points
    capture: str
    at: datetime
    kind: Literal["refund"] = "refund"


Command = Deposit | Hold | Capture | Release | Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What is left of one deposit, named by its key. `born` is the number of its entry: its age without a clock."""

    key: str
    points: Points
    left: Points
    rate: int | None
    source: str
    born: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    key: str
    parts: tuple[Part, ...]  # in the order of use
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A payment that may still be refunded."""

    key: str
    parts: tuple[Part, ...]
    refunded: Points
    at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    available: Points
    held: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One account. Its numbers of entries have no gaps: `seq` counts refusals too."""

    account: AccountId
    seq: int = 0
    lots: tuple[Lot, ...] = ()
    holds: tuple[Held, ...] = ()
    captures: tuple[Captured, ...] = ()

    @property
    def balance(self) -> Balance:
        return Balance(
            available=Points(sum(lot.left for lot in self.lots)),
            held=Points(sum(total(hold.parts) for hold in self.holds)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a command did: the journal, and the answer its key gets for ever."""

    account: AccountId
    seq: int
    command: Command
    why: Why | None  # None: done
    parts: tuple[Part, ...]  # what moved; empty when refused
    balance: Balance  # after it

    @property
    def ok(self) -> bool:
        return self.why is None

    @property
    def key(self) -> str:
        return self.command.key

    @property
    def points(self) -> Points:
        """How many points moved."""
        return total(self.parts)

    @property
    def worth(self) -> MicroUsd:
        """The real money behind the points that moved."""
        return MicroUsd(sum(part.points * (part.rate or 0) for part in self.parts))

    def answers(self, command: Command) -> bool:
        """Was this the answer to the same request, whenever it was made?"""
        return replace(command, at=self.command.at) == self.command


def apply(state: State, command: Command) -> tuple[State, Entry]:
    """Do `command`, or refuse it; either way it gets an entry. The caller makes sure that no key comes twice.

    Raises ValueError for points or a rate that are no amount (a bug of the caller).
    """
    _check(command)
    before = _expired(replace(state, seq=state.seq + 1), command.at)
    outcome = _outcome(before, command)
    after, parts, why = (before, (), outcome) if isinstance(outcome, Why) else (*outcome, None)
    after = _swept(after)
    entry = Entry(account=after.account, seq=after.seq, command=command, why=why, parts=parts, balance=after.balance)
    return after, entry


Keyed = TypeVar("Keyed", Held, Captured)
Outcome = tuple[State, tuple[Part, ...]] | Why


def _check(command: Command) -> None:
    if isinstance(command, Release):
        return
    least = 1 if isinstance(command, Deposit | Refund) else 0  # a free job holds and pays nothing
    if type(command.points) is not int or not least <= command.points <= MOST:
        raise ValueError(command.kind, command.points)
    if isinstance(command, Deposit) and command.rate is not None and command.rate < 1:
        raise ValueError(command.kind, command.rate)


def _outcome(state: State, command: Command) -> Outcome:
    match command:
        case Deposit():
            return _deposit(state, command)
        case Hold():
            return _hold(state, command)
        case Capture():
            return _capture(state, command)
        case Release():
            return _release(state, command)
        case Refund():
            return _refund(state, command)


def _deposit(state: State, command: Deposit) -> Outcome:
    lot = Lot(
        key=command.key, points=command.points, left=command.points, rate=command.rate, source=command.source,
        born=state.seq,
    )  # fmt: skip
    return replace(state, lots=(*state.lots, lot)), (Part(lot.key, lot.points, lot.rate),)


def _hold(state: State, command: Hold) -> Outcome:
    """Gifts first, then the cheapest money, then the oldest."""
    if command.points > state.balance.available:
        return Why.NOT_ENOUGH
    by_use = sorted(state.lots, key=lambda lot: (lot.rate or 0, lot.born))
    parts, _ = cut([Part(lot.key, lot.left, lot.rate) for lot in by_use], command.points)
    held = Held(key=command.key, parts=parts, job=command.job)
    return replace(state, lots=_moved(state.lots, parts, -1), holds=(*state.holds, held)), parts


def _capture(state: State, command: Capture) -> Outcome:
    held = _named(state.holds, command.hold)
    if held is None:
        return Why.NO_HOLD
    if command.points > total(held.parts):
        return Why.ABOVE_HOLD
    paid, rest = cut(held.parts, command.points)
    captured = Captured(key=command.key, parts=paid, refunded=Points(0), at=command.at)
    after = _returned(state, held, rest)
    return replace(after, captures=(*state.captures, captured) if paid else state.captures), paid


def _release(state: State, command: Release) -> Outcome:
    held = _named(state.holds, command.hold)
    return Why.NO_HOLD if held is None else (_returned(state, held, held.parts), held.parts)


def _refund(state: State, command: Refund) -> Outcome:
    """To the lots the points came from, the part used last first."""
    captured = _named(state.captures, command.capture)
    if captured is None:
        return Why.NO_CAPTURE
    if captured.refunded + command.points > total(captured.parts):
        return Why.ABOVE_CAPTURE
    _, owed = cut(captured.parts[::-1], captured.refunded)
    parts, _ = cut(owed, command.points)
    now = replace(captured, refunded=Points(captured.refunded + command.points))
    captures = tuple(now if one is captured else one for one in state.captures)
    return replace(state, lots=_moved(state.lots, parts, +1), captures=captures), parts


def _returned(state: State, held: Held, parts: Sequence[Part]) -> State:
    holds = tuple(hold for hold in state.holds if hold is not held)
    return replace(state, lots=_moved(state.lots, parts, +1), holds=holds)


def _moved(lots: Iterable[Lot], parts: Iterable[Part], sign: int) -> tuple[Lot, ...]:
    change = {part.lot: sign * part.points for part in parts}
    return tuple(replace(lot, left=Points(lot.left + change.get(lot.key, 0))) for lot in lots)


def _named(among: Iterable[Keyed], key: str) -> Keyed | None:
    return next((one for one in among if one.key == key), None)


def _expired(state: State, now: datetime) -> State:
    """Captures past their window can no longer be refunded."""
    return replace(state, captures=tuple(one for one in state.captures if now - one.at <= REFUND_WINDOW))


def _swept(state: State) -> State:
    """Spent lots that nothing may return to are forgotten."""
    named = [one.parts for one in state.holds] + [one.parts for one in state.captures]
    wanted = {part.lot for parts in named for part in parts}
    return replace(state, lots=tuple(lot for lot in state.lots if lot.left or lot.key in wanted))
