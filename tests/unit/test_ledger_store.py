"""The ledger on a store that races, drains and dies: every key is done once, and the money is the same."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId
from pipeline.domain.ledger import Balance, Entry, KeyConflict
from pipeline.domain.money import Points
from pipeline.flow.ledger import Ledger
from pipeline.ports import Store
from tests.support import virtual
from tests.support.dying import DyingStore, ProcessDied
from tests.support.store import MemoryStore

ANN = AccountId("ann")


class Noon:
    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC)


def p(points: int) -> Points:
    return Points(points)


def ledger(store: Store, seed: int = 0) -> Ledger:
    return Ledger(store, Noon(), random.Random(seed))


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
