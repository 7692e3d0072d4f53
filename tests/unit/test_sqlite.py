"""What only the SQLite store promises: files of our own, several processes, and memory that survives kill -9."""

import asyncio
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.stores.sqlite import Settings, SqliteStore, open_store
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ledger import Balance
from pipeline.domain.money import Points
from pipeline.flow.ledger import Ledger
from pipeline.flow.records import COLLECTIONS
from tests.support.store_child import ANN, granted

ROOT = Path(__file__).parents[2]


def used(path: Path, story: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Open the store, live the story, close."""

    async def whole() -> None:
        store = await open_store(Settings(path=path, collections=COLLECTIONS))
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


@contextmanager
def child(path: Path, what: str, name: str, count: int = 0) -> Iterator[tuple[IO[str], subprocess.Popen[str]]]:
    """A process that has opened the store and waits for a line."""
    command = [sys.executable, "-m", "tests.support.store_child", str(path), what, name, str(count)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            yield process.stdout, process
        finally:
            process.kill()


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def test_the_folder_and_all_three_files_are_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "store.db"

    async def story(store: SqliteStore) -> None:
        await store.create("settings", "a", {})
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    used(path, story)


def test_a_file_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o644)

    async def story(store: SqliteStore) -> None:
        await store.create("settings", "a", {})
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}

    used(path, story)


def test_every_commit_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        asked = ("PRAGMA journal_mode", "PRAGMA synchronous")
        assert await store._writer.do(lambda db: [db.execute(one).fetchone()[0] for one in asked]) == ["wal", 2]

    used(tmp_path / "store.db", story)


def test_what_was_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    async def first(store: SqliteStore) -> None:
        await store.create("settings", "a", {"n": 1})
        await store.cas("settings", "a", 0, {"n": 2})

    async def second(store: SqliteStore) -> None:
        assert await store.get("settings", "a") == {"n": 2, "version": 1}

    used(tmp_path / "store.db", first)
    used(tmp_path / "store.db", second)


def test_a_scalar_declared_later_finds_older_documents(tmp_path: Path) -> None:
    async def story() -> None:
        old = await SqliteStore.open(tmp_path / "store.db", {"things": ()})
        await old.create("things", "a", {"size": 7})
        new = await SqliteStore.open(tmp_path / "store.db", {"things": ("size",)})
        assert await new.find("things", above={"size": 6}) == [{"size": 7, "version": 0}]
        await old.close()
        await new.close()

    asyncio.run(story())


def planned(sql: str, db: sqlite3.Connection) -> str:
    return str(db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()[0][-1])


def test_every_declared_scalar_is_found_through_an_index(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        seen: list[str] = []
        await store._reader.do(lambda db: db.set_trace_callback(seen.append))
        for coll, fields in COLLECTIONS.items():
            for field in fields:
                await store.find(coll, equal={field: 1})
                await store.find(coll, above={field: 1}, order=field)
                await store.find(coll, among={field: [1, 2]})
                await store.find(coll, equal={field: 1}, order=f"-{fields[-1]}")
        await store._reader.do(lambda db: db.set_trace_callback(None))
        plans = [await store._reader.do(partial(planned, sql)) for sql in seen]
        assert len(plans) == 4 * sum(map(len, COLLECTIONS.values()))
        assert all("<expr>" in plan for plan in plans), plans

    used(tmp_path / "store.db", story)


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.create("settings", "a", {"n": 1})
        pages = await store._writer.do(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await store._writer.do(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchone())
        with pytest.raises(OperatorFault, match="store-full"):
            await store.create("settings", "b", {"text": "x" * 10**6})
        assert await store.get("settings", "b") is None
        await store._writer.do(lambda db: db.execute("PRAGMA max_page_count=100000").fetchone())
        assert await store.create("settings", "b", {"text": "x" * 10**6})

    used(tmp_path / "store.db", story)


def test_a_write_that_breaks_half_way_leaves_no_lock_behind(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        with pytest.raises(sqlite3.ProgrammingError):
            await store.create("settings", object(), {})  # type: ignore[arg-type]  # a bug of a caller
        assert await store.create("settings", "a", {})

    used(tmp_path / "store.db", story)


def test_a_file_that_is_no_database_and_a_folder_that_is_a_file_are_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to look at" * 100)

    async def story() -> None:
        for path in (tmp_path / "store.db", tmp_path / "store.db" / "deeper.db"):
            with pytest.raises(OperatorFault) as down:
                await open_store(Settings(path=path, collections=COLLECTIONS))
            assert down.value.code == "store-down"
            assert str(tmp_path) not in str(down.value)

    asyncio.run(story())


def test_a_closed_store_does_not_answer(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.close()
        with pytest.raises(OperatorFault, match="store-down"):
            await store.get("settings", "a")

    used(tmp_path / "store.db", story)


def test_opening_waits_for_a_process_that_holds_the_file(tmp_path: Path) -> None:
    """The trap: setting WAL fails at once where every other lock is waited for."""
    path = tmp_path / "store.db"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("CREATE TABLE t(x)")
    holder.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.3, lambda: holder.execute("COMMIT"))

    async def story(store: SqliteStore) -> None:
        assert await store.create("settings", "a", {})

    timer.start()
    used(path, story)
    timer.join()
    holder.close()


def test_two_processes_grant_exactly_what_there_is_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def story(store: SqliteStore) -> None:
        ours = Ledger(store, SystemClock(), random.Random(1))
        await ours.deposit(ANN, "d", 80, source="test")
        with child(path, "hold", "child", 60) as (said, process):
            begin(process)
            mine = await granted(ours, "parent", 60)
            theirs = int(await asyncio.to_thread(said.readline))
        assert (mine + theirs, mine > 0, theirs > 0) == (80, True, True)
        assert await ours.balance(ANN) == Balance(Points(0), Points(80))
        audit = await ours.audit()
        assert audit.sound
        assert len(await ours.entries(ANN, limit=500)) == 121

    used(path, story)


def test_kill_9_of_a_writer_loses_no_write_it_was_told_of(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged: dict[str, int] = {}
    for name in ("one", "two"):
        with child(path, "write", name) as (said, process):
            begin(process)
            while int(said.readline()) < 25:
                pass
            process.kill()
            acknowledged[name] = max([25, *map(int, said.read().split())])

    async def story(store: SqliteStore) -> None:
        for name, last in acknowledged.items():
            docs = await store.find("entries", equal={"account": name}, order="seq", limit=10_000)
            assert [doc["seq"] for doc in docs][: last + 1] == [*range(last + 1)]

    used(path, story)
