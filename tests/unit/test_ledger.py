"""Points: the pure rules against a model made of single coins, and the ledger on a store that races and dies."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.audit import audited, fold
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId
from pipeline.domain.ledger import (
    REFUND_WINDOW,
    Balance,
    Capture,
    Command,
    Deposit,
    Entry,
    Hold,
    KeyConflict,
    Refund,
    Release,
    State,
    Why,
    apply,
)
from pipeline.domain.money import Points
from pipeline.flow.ledger import Ledger
from pipeline.flow.records import Book, book_doc, book_from, entry_doc, entry_from
from pipeline.ports import Store
from tests.support import virtual
from tests.support.dying import DyingStore
from tests.support.store import MemoryStore
from tests.support.world import ProcessDied

ANN = AccountId("ann")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Noon:
    def now(self) -> datetime:
        return NOON


def ledger(store: Store, seed: int = 0) -> Ledger:
    return Ledger(store, Noon(), random.Random(seed))


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


# --- the rules


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


# --- on a store


def test_a_key_is_done_once_however_often_it_is_asked() -> None:
    async def story() -> None:
        mine = ledger(MemoryStore())
        async with asyncio.TaskGroup() as group:
            same = [group.create_task(mine.deposit(ANN, "d", 9, source="test")) for _ in range(20)]
        assert len({task.result().seq for task in same}) == 1
        assert await mine.balance(ANN) == Balance(p(9), p(0))

    virtual.run(story())


def test_a_key_used_for_another_request_is_a_bug_and_changes_nothing() -> None:
    async def story() -> None:
        mine = ledger(MemoryStore())
        await mine.deposit(ANN, "d", 9, source="test")
        for _ in range(2):  # from the outbox, then from the entries
            with pytest.raises(KeyConflict):
                await mine.deposit(ANN, "d", 8, source="test")
            with pytest.raises(KeyConflict):
                await mine.hold(ANN, "d", 9, job="job")
            await mine.drain()
        assert await mine.balance(ANN) == Balance(p(9), p(0))

    virtual.run(story())


def test_the_same_key_means_two_things_on_two_accounts() -> None:
    async def story() -> None:
        mine, bob = ledger(MemoryStore()), AccountId("bob")
        await mine.deposit(ANN, "d", 9, source="test")
        await mine.deposit(bob, "d", 4, source="test")
        assert (await mine.balance(bob)).available == 4
        assert (await mine.audit()).deposited == 13

    virtual.run(story())


def test_a_refused_hold_says_what_is_missing_and_stays_refused() -> None:
    async def story() -> None:
        mine = ledger(MemoryStore())
        await mine.deposit(ANN, "d1", 9, source="test")
        for _ in range(2):
            with pytest.raises(UserFault) as refused:
                await mine.hold(ANN, "h", 10, job="job")
            assert (refused.value.code, refused.value.facts) == ("not-enough-points", {"have": 9, "need": 10})
            await mine.deposit(ANN, "d2", 9, source="test")
        assert [entry.key for entry in await mine.entries(ANN)] == ["d2", "h", "d1"]

    virtual.run(story())


def test_entries_are_the_newest_first_wherever_they_lie() -> None:
    async def story() -> None:
        mine = ledger(MemoryStore())
        for n in range(30):
            await mine.deposit(ANN, f"d{n}", 1, source="test")
        assert [entry.seq for entry in await mine.entries(ANN)] == [*range(30, 10, -1)]
        assert [entry.seq for entry in await mine.entries(ANN, limit=3)] == [30, 29, 28]
        await mine.drain()
        assert [entry.seq for entry in await mine.entries(ANN, limit=50)] == [*range(30, 0, -1)]

    virtual.run(story())


def test_an_account_nobody_heard_of_is_empty() -> None:
    async def story() -> None:
        mine = ledger(MemoryStore())
        assert await mine.balance(ANN) == Balance(p(0), p(0))
        assert await mine.entries(ANN) == []
        assert await mine.entry(ANN, "d") is None
        assert (await mine.audit()).sound

    virtual.run(story())


def test_200_holds_at_once_from_two_processes_on_137_points_grant_137() -> None:
    async def tried(of: Ledger, key: str) -> bool:
        try:
            return (await of.hold(ANN, key, 1, job="job")).ok
        except UserFault:
            return False

    async def story() -> None:
        store = MemoryStore()
        ours, theirs = ledger(store, 1), ledger(store, 2)  # they share no lock: the compare-and-set decides
        await ours.deposit(ANN, "d", 137, source="test")
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(tried((ours, theirs)[n % 2], f"h{n}")) for n in range(200)]
        assert sum(task.result() for task in tries) == 137
        assert await ours.balance(ANN) == Balance(p(0), p(137))
        assert (await ours.audit()).sound

    virtual.run(story())


@pytest.mark.parametrize("seed", range(8))
def test_processes_that_repeat_each_others_commands_while_outboxes_drain_do_each_once(seed: int) -> None:
    async def story() -> None:
        dice = random.Random(seed)
        store = MemoryStore(dice=dice)
        many = [ledger(store, n) for n in range(4)]
        async with asyncio.TaskGroup() as group:
            for mine in many:
                for key in dice.sample(range(40), 40):
                    group.create_task(mine.deposit(ANN, str(key), 1, source="test"))
                group.create_task(mine.drain())
        assert await many[0].balance(ANN) == Balance(p(40), p(0))
        audit = await many[0].audit()
        assert audit.sound
        assert audit.deposited == 40

    virtual.run(story())


class Interrupted(MemoryStore):
    """Lets somebody else in just before its `n`-th call from now."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0

    def interrupt(self, n: int, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._left, self._meanwhile = n, meanwhile

    async def _of(self, coll: str) -> dict[str, str]:
        self._left -= 1
        if self._left == 0:
            await self._meanwhile()
        return await super()._of(coll)


@pytest.mark.parametrize("before", [0, 8], ids=["new account", "outbox full"])
def test_somebody_who_does_the_same_and_drains_between_any_two_of_our_calls_does_it_instead_of_us(before: int) -> None:
    async def story() -> None:
        for n in range(1, 16):
            store = Interrupted()
            ours, theirs = ledger(store, 1), ledger(store, 2)
            for i in range(before):
                await theirs.deposit(ANN, f"before-{i}", 1, source="test")

            async def meanwhile(theirs: Ledger = theirs) -> None:
                await theirs.deposit(ANN, "d", 100, source="test")
                await theirs.drain()

            store.interrupt(n, meanwhile)
            await ours.deposit(ANN, "d", 100, source="test")
            assert (await ours.balance(ANN)).available == 100 + before, n
            assert (await ours.audit()).sound

    virtual.run(story())


async def _life(mine: Ledger) -> None:
    """A month of one account: all commands, both kinds of refusal, several full outboxes."""
    await mine.deposit(ANN, "welcome", 50, source="welcome")
    await mine.deposit(ANN, "stars", 500, source="stars", rate=80)
    for job in range(6):
        await mine.hold(ANN, f"{job}:hold", 70, job=str(job))
        if job % 3:
            await mine.capture(ANN, f"{job}:capture", f"{job}:hold", 40 + job)
        await mine.release(ANN, f"{job}:release", f"{job}:hold")
        await mine.drain()
    await mine.refund(ANN, "r", "4:capture", 30)
    with pytest.raises(UserFault):
        await mine.hold(ANN, "too-much", 10_000, job="x")


async def _told(store: Store) -> tuple[Balance, list[Entry]]:
    mine = ledger(store)
    await mine.drain()
    audit = await mine.audit()
    assert audit.sound
    assert audit.total == 0
    return await mine.balance(ANN), await mine.entries(ANN, limit=100)


def test_a_death_before_or_after_any_write_leaves_the_same_money_after_a_replay() -> None:
    async def story() -> None:
        whole = DyingStore(MemoryStore())
        await _life(ledger(whole))
        moments = whole.writes
        assert moments > 40
        expected = await _told(whole)
        for n in range(1, moments + 1):
            for after in (False, True):
                store = MemoryStore()
                with pytest.raises(ProcessDied):
                    await _life(ledger(DyingStore(store, **{"after" if after else "before": n})))
                await _life(ledger(store))
                assert await _told(store) == expected, (n, after)

    virtual.run(story())
