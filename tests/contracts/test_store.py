"""What every store promises, held against the fake in memory and every adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.adapters import stores
from pipeline.adapters.discover import plugins
from pipeline.ports import Store
from tests.support.store import MemoryStore

COLLECTIONS: Final[Mapping[str, Sequence[str]]] = {"things": ("owner", "size", "open"), "others": ()}

Open = Callable[[Path], Awaitable[Store]]


async def _memory(_folder: Path) -> Store:
    return MemoryStore(COLLECTIONS)


async def _sqlite(folder: Path) -> Store:
    adapter = import_module("pipeline.adapters.stores.sqlite")
    store: Store = await adapter.open_store(adapter.Settings(path=folder / "store.db", collections=COLLECTIONS))
    return store


OPENERS: Final[Mapping[str, Open]] = {"memory": _memory, "sqlite": _sqlite}


@pytest.fixture(params=["memory", *plugins(stores)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """A fresh store of each kind. A new adapter needs one line in OPENERS, and fails here until it has it."""

    @asynccontextmanager
    async def fresh() -> AsyncIterator[Store]:
        store = await OPENERS[request.param](tmp_path)
        try:
            yield store
        finally:
            await store.close()

    return fresh


Opened = Callable[[], Any]


def test_what_was_created_is_read_back_with_its_version(opened: Opened) -> None:
    doc = {"text": "naïve \u0000 ✓", "n": 2**53, "f": 0.5, "none": None, "list": [1, {"a": True}], "deep": {"x": {}}}

    async def story() -> None:
        async with opened() as store:
            assert await store.create("things", "a|b:c/ü", doc)
            assert await store.get("things", "a|b:c/ü") == {**doc, "version": 0}
            assert await store.get("others", "a|b:c/ü") is None

    asyncio.run(story())


def test_a_key_is_created_once(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as store:
            assert await store.create("things", "a", {"n": 1})
            assert not await store.create("things", "a", {"n": 2})
            assert await store.get("things", "a") == {"n": 1, "version": 0}

    asyncio.run(story())


def test_one_of_many_racing_creations_wins(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as store, asyncio.TaskGroup() as group:
            tries = [group.create_task(store.create("things", "a", {"by": n})) for n in range(20)]
            wins = [await attempt for attempt in tries]
            doc = await store.get("things", "a")
        assert wins.count(True) == 1
        assert doc["by"] == wins.index(True)

    asyncio.run(story())


def test_a_replacement_needs_the_exact_version(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as store:
            assert not await store.cas("things", "a", 0, {"n": 0})
            await store.create("things", "a", {"n": 1, "version": 77})
            assert not await store.cas("things", "a", 1, {"n": 2})
            assert await store.cas("things", "a", 0, {"n": 3, "version": 77})
            assert not await store.cas("things", "a", 0, {"n": 4})
            assert await store.get("things", "a") == {"n": 3, "version": 1}

    asyncio.run(story())


def test_racing_counters_lose_no_step(opened: Opened) -> None:
    async def count(store: Store) -> None:
        while doc := await store.get("things", "a"):
            if await store.cas("things", "a", doc["version"], {"n": doc["n"] + 1}):
                return

    async def story() -> None:
        async with opened() as store:
            await store.create("things", "a", {"n": 0})
            async with asyncio.TaskGroup() as group:
                for _ in range(25):
                    group.create_task(count(store))
            assert await store.get("things", "a") == {"n": 25, "version": 25}

    asyncio.run(story())


def test_what_was_deleted_is_gone_and_may_be_deleted_again(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.create("things", "a", {"owner": "x"})
            await store.delete("things", "a")
            await store.delete("things", "a")
            assert await store.get("things", "a") is None
            assert await store.find("things", equal={"owner": "x"}) == []
            assert not await store.cas("things", "a", 0, {})
            assert await store.create("things", "a", {})

    asyncio.run(story())


SOME: Final[Mapping[str, dict[str, Any]]] = {
    "a": {"owner": "ann", "size": 5, "open": True},
    "b": {"owner": "bob", "size": 9, "open": False},
    "c": {"owner": "ann", "size": 7, "open": True},
    "d": {"owner": "ann", "size": 7},
    "e": {"owner": "eve"},
}


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({}, "abcde"),
        ({"equal": {"owner": "ann"}}, "acd"),
        ({"equal": {"owner": "ann", "size": 7}}, "cd"),
        ({"equal": {"owner": "nobody"}}, ""),
        ({"equal": {"open": True}}, "ac"),
        ({"among": {"owner": ["eve", "bob"]}}, "be"),
        ({"among": {"size": [5, 9, 11]}}, "ab"),
        ({"among": {"owner": []}}, ""),
        ({"below": {"size": 7}}, "a"),
        ({"above": {"size": 5}}, "bcd"),
        ({"above": {"size": 5}, "below": {"size": 9}}, "cd"),
        ({"above": {"owner": "ann"}, "order": "owner"}, "be"),
        ({"order": "size"}, "eacdb"),
        ({"order": "-size"}, "bdcae"),
        ({"order": "-size", "limit": 2}, "bd"),
        ({"equal": {"owner": "ann"}, "order": "size", "limit": 1}, "a"),
        ({"equal": {"owner": "'; DROP TABLE docs --"}}, ""),
    ],
)
def test_documents_are_found_by_their_declared_scalars(opened: Opened, asked: dict[str, Any], keys: str) -> None:
    async def story() -> None:
        async with opened() as store:
            for key in sorted(SOME, reverse=True):
                await store.create("things", key, {**SOME[key], "key": key})
            await store.create("others", "z", {"owner": "ann", "size": 7, "key": "z"})
            assert "".join([doc["key"] for doc in await store.find("things", **asked)]) == keys

    asyncio.run(story())


def test_a_changed_document_is_found_by_what_it_is_now(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.create("things", "a", {"owner": "ann"})
            await store.cas("things", "a", 0, {"owner": "bob"})
            assert await store.find("things", equal={"owner": "ann"}) == []
            assert await store.find("things", equal={"owner": "bob"}) == [{"owner": "bob", "version": 1}]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("coll", "asked"),
    [
        ("things", {"equal": {"colour": 1}}),
        ("things", {"above": {"size) OR (1": 1}}),
        ("things", {"order": "-colour"}),
        ("others", {"among": {"owner": ["a"]}}),
        ("unheard", {}),
    ],
)
def test_asking_for_what_is_not_declared_is_a_bug(opened: Opened, coll: str, asked: dict[str, Any]) -> None:
    async def story() -> None:
        async with opened() as store:
            with pytest.raises(ValueError, match=coll):
                await store.find(coll, **asked)

    asyncio.run(story())


@pytest.mark.parametrize("doc", [{"x": b"bytes"}, {"x": {1, 2}}, {"x": float("nan")}, {"x": "\ud800"}])
def test_what_is_not_json_is_refused_and_not_stored(opened: Opened, doc: dict[str, Any]) -> None:
    async def story() -> None:
        async with opened() as store:
            with pytest.raises((TypeError, ValueError)):
                await store.create("things", "a", doc)
            assert await store.get("things", "a") is None

    asyncio.run(story())


def test_what_is_found_is_nobodys_but_the_readers(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as store:
            mine: dict[str, Any] = {"list": [1]}
            await store.create("things", "a", mine)
            mine["list"].append(2)
            (await store.get("things", "a"))["list"].append(3)
            assert (await store.get("things", "a"))["list"] == [1]

    asyncio.run(story())
