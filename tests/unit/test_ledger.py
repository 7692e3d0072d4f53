"""Points: the pure rules against a model made of single coins."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.audit import audited, fold
from pipeline.domain.ids import AccountId
from pipeline.domain.ledger import (
    REFUND_WINDOW,
    Balance,
    Capture,
    Command,
    Deposit,
    Entry,
    Hold,
    Refund,
    Release,
    State,
    Why,
    apply,
)
from pipeline.domain.money import Points
from pipeline.flow.records import Book, book_doc, book_from, entry_doc, entry_from

ANN = AccountId("ann")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def p(points: int) -> Points:
    return Points(points)


def lived(*commands: Command) -> tuple[State, list[Entry]]:
    state, entries = State(account=ANN), []
    for command in commands:
        state, entry = apply(state, command)
        entries.append(entry)
    return state, entries


def deposit(key: str, points: int, rate: int | None = None) -> Deposit:
    return Deposit(key=key, points=p(points), source="test", rate=rate, at=NOON)


def hold(key: str, points: int) -> Hold:
    return Hold(key=key, points=p(points), job="job", at=NOON)


def capture(key: str, of: str, points: int, at: datetime = NOON) -> Capture:
    return Capture(key=key, hold=of, points=p(points), at=at)


def release(key: str, of: str) -> Release:
    return Release(key=key, hold=of, at=NOON)


def refund(key: str, of: str, points: int, at: datetime = NOON) -> Refund:
    return Refund(key=key, capture=of, points=p(points), at=at)


def moved(entry: Entry) -> list[tuple[str, int]]:
    return [(part.lot, part.points) for part in entry.parts]


def test_gifts_go_first_then_the_cheapest_money_then_the_oldest() -> None:
    lots = [("dear", 9, 100), ("cheap", 9, 80), ("gift", 9, None), ("cheap-later", 9, 80)]
    _, entries = lived(*(deposit(*lot) for lot in lots), hold("h", 30))
    assert moved(entries[-1]) == [("gift", 9), ("cheap", 9), ("cheap-later", 9), ("dear", 3)]


def test_what_a_capture_leaves_returns_to_the_lots_it_came_from() -> None:
    state, entries = lived(deposit("gift", 10), deposit("paid", 10, 90), hold("h", 15), capture("c", "h", 12))
    assert moved(entries[-1]) == [("gift", 10), ("paid", 2)]
    assert entries[-1].worth == 180
    assert {lot.key: lot.left for lot in state.lots} == {"gift": 0, "paid": 8}
    assert state.balance == Balance(p(8), p(0))


def test_a_refund_returns_to_its_lots_the_part_used_last_first() -> None:
    state, entries = lived(
        deposit("gift", 10), deposit("paid", 10, 90), hold("h", 15), capture("c", "h", 15),
        refund("r1", "c", 3), refund("r2", "c", 6), refund("r3", "c", 7), refund("r4", "c", 6),
    )  # fmt: skip
    assert [moved(entry) for entry in entries[-4:]] == [[("paid", 3)], [("paid", 2), ("gift", 4)], [], [("gift", 6)]]
    assert entries[-2].why is Why.ABOVE_CAPTURE
    assert {lot.key: lot.left for lot in state.lots} == {"gift": 10, "paid": 10}


def test_a_hold_is_captured_or_released_and_never_both() -> None:
    _, entries = lived(deposit("d", 9), hold("h", 9), capture("c", "h", 4), release("r", "h"))
    assert [entry.why for entry in entries] == [None, None, None, Why.NO_HOLD]
    _, entries = lived(deposit("d", 9), hold("h", 9), release("r", "h"), capture("c", "h", 4))
    assert [entry.why for entry in entries] == [None, None, None, Why.NO_HOLD]


def test_a_refusal_moves_nothing_and_is_an_entry() -> None:
    before, _ = lived(deposit("d", 9), hold("h", 5))
    for command in (hold("h2", 5), capture("c", "h", 6), capture("c", "x", 1), release("r", "x"), refund("f", "x", 1)):
        after, entry = apply(before, command)
        assert not entry.ok
        assert entry.points == 0
        assert after == replace(before, seq=3)


def test_a_free_job_holds_and_pays_nothing() -> None:
    state, entries = lived(hold("h", 0), capture("c", "h", 0))
    assert all(entry.ok for entry in entries)
    assert state == State(account=ANN, seq=2)


@pytest.mark.parametrize("points", [0, -1, 10**15 + 1, 1.5, True])
def test_points_that_are_no_amount_are_a_bug(points: int) -> None:
    with pytest.raises(ValueError, match="deposit"):
        apply(State(account=ANN), deposit("d", points))


def test_a_rate_that_is_no_money_is_a_bug() -> None:
    with pytest.raises(ValueError, match="deposit"):
        apply(State(account=ANN), deposit("d", 1, rate=0))


def test_spent_lots_are_forgotten_when_nothing_can_return_to_them() -> None:
    state, _ = lived(deposit("d", 9), hold("h", 9), capture("c", "h", 9))
    assert [lot.key for lot in state.lots] == ["d"]
    later = NOON + REFUND_WINDOW + timedelta(seconds=1)
    state, entry = apply(state, refund("r", "c", 1, at=later))
    assert (state.lots, state.captures, entry.why) == ((), (), Why.NO_CAPTURE)


class Coins:
    """Every point is a coin that knows its lot. Slow, and too simple to be wrong."""

    def __init__(self) -> None:
        self.free: list[tuple[bool, int, int, str]] = []
        self.held: dict[str, list[tuple[bool, int, int, str]]] = {}
        self.paid: dict[str, list[tuple[bool, int, int, str]]] = {}
        self.born = 0

    def does(self, command: Command) -> bool:
        self.born += 1
        self.free.sort()
        match command:
            case Deposit(key=key, points=n, rate=rate):
                self.free += [(rate is not None, rate or 0, self.born, key)] * n
            case Hold(key=key, points=n) if n <= len(self.free):
                self.held[key], self.free = self.free[:n], self.free[n:]
            case Capture(key=key, hold=of, points=n) if of in self.held and n <= len(self.held[of]):
                coins = self.held.pop(of)
                self.paid[key], self.free = coins[:n], self.free + coins[n:]
            case Release(hold=of) if of in self.held:
                self.free += self.held.pop(of)
            case Refund(capture=of, points=n) if n <= len(self.paid.get(of, [])):
                self.free += self.paid[of][-n:]
                self.paid[of] = self.paid[of][:-n]
            case _:
                return False
        return True


@st.composite
def histories(draw: st.DrawFn) -> list[Command]:
    """Commands that name earlier ones more often than not."""
    made: list[Command] = []
    for i in range(draw(st.integers(1, 25))):
        n, key, of = draw(st.integers(1, 9)), str(i), str(draw(st.integers(0, i)))
        rate = draw(st.sampled_from([None, 80, 90]))
        one_of: list[Command] = [
            deposit(key, n, rate),
            hold(key, n),
            capture(key, of, n - 1),
            release(key, of),
            refund(key, of, n),
        ]
        made.append(draw(st.sampled_from(one_of)))
    return made


@given(histories())
@settings(max_examples=200, deadline=None)
def test_every_history_agrees_with_a_purse_of_coins(history: list[Command]) -> None:
    state, coins = State(account=ANN), Coins()
    for command in history:
        state, entry = apply(state, command)
        assert entry.ok is coins.does(command)
        assert {lot.key: lot.left for lot in state.lots if lot.left} == Counter(coin[-1] for coin in coins.free)
        assert {held.key: Counter({part.lot: part.points for part in held.parts}) for held in state.holds} == {
            key: Counter(coin[-1] for coin in held) for key, held in coins.held.items()
        }
        assert all(0 <= lot.left <= lot.points for lot in state.lots)


@given(histories())
@settings(max_examples=100, deadline=None)
def test_every_history_sums_and_can_be_lived_again_from_its_documents(history: list[Command]) -> None:
    state, entries = lived(*history)
    assert audited(state, entries).sound
    assert [entry_from(entry_doc(entry)) for entry in entries] == entries
    book = Book(state=state, outbox=tuple(entries), version=3)
    assert book_from({**book_doc(book), "version": 3}) == book
    assert fold(ANN, entries) == state


def test_an_audit_sees_points_made_from_nothing_and_entries_that_are_missing() -> None:
    state, entries = lived(deposit("d", 9), hold("h", 4))
    rich = replace(state, lots=(replace(state.lots[0], left=p(6)),))
    assert audited(rich, entries).total == -1
    assert audited(rich, entries).astray == (ANN,)
    assert not audited(state, entries[:1]).sound
    assert not audited(state, [entries[0], replace(entries[1], seq=3)]).sound
