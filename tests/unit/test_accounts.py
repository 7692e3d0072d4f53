"""Who is speaking, and the welcome they get once."""

import asyncio
import random
from collections.abc import Sequence

from pipeline.domain.ids import AccountId, Identity
from pipeline.domain.money import Points
from pipeline.flow.accounts import Accounts
from pipeline.flow.ledger import Ledger
from pipeline.ports import Store
from tests.support import virtual
from tests.support.dying import DyingStore, ProcessDied
from tests.support.store import MemoryStore

ANN, BOB = Identity("telegram:7"), Identity("discord:7")


def accounts(store: Store, welcome: int = 500, seed: int = 0) -> Accounts:
    clock, dice = virtual.VirtualClock(), random.Random(seed)
    return Accounts(store, ledger(store), clock, dice, Points(welcome))


def ledger(store: Store) -> Ledger:
    return Ledger(store, virtual.VirtualClock(), random.Random(0))


async def points(store: Store, account: AccountId) -> int:
    return (await ledger(store).balance(account)).available


def test_the_first_word_makes_an_account_and_welcomes_once() -> None:
    async def story() -> None:
        store = MemoryStore()
        first = [await accounts(store, seed=n).of(ANN) for n in range(3)]
        assert len(set(first)) == 1
        assert await points(store, first[0]) == 500

    virtual.run(story())


def test_the_same_number_on_another_platform_is_another_person() -> None:
    async def story() -> None:
        store = MemoryStore()
        house = accounts(store)
        assert await house.of(ANN) != await house.of(BOB)
        assert await house.known(ANN) == await house.of(ANN)
        assert await house.known(Identity("telegram:8")) is None

    virtual.run(story())


def test_first_words_that_race_are_one_person_with_one_welcome() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with asyncio.TaskGroup() as group:
            words = [group.create_task(accounts(store, seed=n).of(ANN)) for n in range(20)]
        found = {word.result() for word in words}
        assert len(found) == 1
        assert await points(store, found.pop()) == 500

    virtual.run(story())


def test_a_grant_before_the_first_word_does_not_spoil_the_welcome() -> None:
    async def story() -> None:
        store = MemoryStore()
        house = accounts(store)
        account = await house.made(ANN)
        await ledger(store).deposit(account, "grant-1", 100_000, source="grant")
        assert await points(store, account) == 100_000
        assert await house.of(ANN) == account
        assert await points(store, account) == 100_500

    virtual.run(story())


def test_who_was_met_without_a_welcome_gets_none_later() -> None:
    async def story() -> None:
        store = MemoryStore()
        account = await accounts(store, welcome=0).of(ANN)
        await accounts(store, welcome=500).of(ANN)
        assert await points(store, account) == 0

    virtual.run(story())


async def _dies(store: Store, n: int, *, after: bool) -> None:
    try:
        await accounts(DyingStore(store, **{"after" if after else "before": n})).of(ANN)
    except ProcessDied:
        return
    raise AssertionError(n, after)


def test_a_death_at_any_write_of_the_first_word_costs_nobody_a_welcome_even_if_its_amount_changed() -> None:
    async def left(n: int, *, after: bool) -> int:
        store = MemoryStore()
        await _dies(store, n, after=after)
        account = await accounts(store, welcome=300, seed=1).of(ANN)
        await accounts(store, welcome=200, seed=2).of(ANN)
        return await points(store, account)

    async def story() -> Sequence[int]:
        return [await left(n, after=after) for n in (1, 2, 3) for after in (False, True)]

    assert virtual.run(story()) == [300, 300, 300, 500, 500, 500]
