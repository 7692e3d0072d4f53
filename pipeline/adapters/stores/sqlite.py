"""The embedded store: one SQLite file, one thread that writes, one that reads. Right across processes of one machine.

Local disks only: WAL keeps its locks in shared memory. What is odd here was measured (facts/store.md 3.1).
"""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from pipeline.domain.faults import OperatorFault
from pipeline.ports import Doc

BUSY_SECONDS: Final = 20.0  # another process may hold the file that long
OPEN_TRIES: Final = 50
PRIMARY: Final = 0xFF  # of an extended error code

T = TypeVar("T")
Scalar = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    path: Path
    collections: Mapping[str, Sequence[str]]  # name -> its indexed scalars; the adapter knows no collection by itself


async def open_store(settings: Settings) -> "SqliteStore":
    """Open the file, made when absent. Raises OperatorFault("store-down" | "store-full")."""
    return await SqliteStore.open(settings.path, settings.collections)


class SqliteStore:
    """Port Store."""

    def __init__(self, writer: "_Line", reader: "_Line", collections: Mapping[str, Sequence[str]]) -> None:
        self._writer, self._reader, self._collections = writer, reader, collections

    @classmethod
    async def open(cls, path: Path, collections: Mapping[str, Sequence[str]]) -> "SqliteStore":
        """Open `path` with an index for every scalar of `collections`. Raises OperatorFault."""
        store = cls(_Line("store-write"), _Line("store-read"), collections)
        try:
            await store._writer.open(partial(_open_writer, path, _schema(collections)))
            await store._reader.open(partial(_connect, path, "PRAGMA query_only=ON"))
        except BaseException:
            await store.close()
            raise
        return store

    async def get(self, coll: str, key: str) -> dict[str, Any] | None:
        self._declared(coll)
        sql = "SELECT body FROM docs WHERE coll=? AND id=?"
        row = await self._reader.do(lambda db: db.execute(sql, (coll, key)).fetchone())
        return None if row is None else _loaded(row)

    async def create(self, coll: str, key: str, doc: Doc) -> bool:
        self._declared(coll)
        sql = "INSERT INTO docs(coll, id, ver, body) VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING"
        return await self._write(sql, (coll, key, _dumped(doc, 0))) == 1

    async def cas(self, coll: str, key: str, version: int, doc: Doc) -> bool:
        self._declared(coll)
        sql = "UPDATE docs SET ver=?, body=? WHERE coll=? AND id=? AND ver=?"
        return await self._write(sql, (version + 1, _dumped(doc, version + 1), coll, key, version)) == 1

    async def find(
        self,
        coll: str,
        *,
        equal: Mapping[str, Scalar] | None = None,
        among: Mapping[str, Sequence[Scalar]] | None = None,
        below: Mapping[str, Scalar] | None = None,
        above: Mapping[str, Scalar] | None = None,
        order: str = "",
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """As the port says. Raises ValueError for a scalar that is not declared: it would read the whole file."""
        listed = {field: json.dumps([*values]) for field, values in (among or {}).items()}
        tests = (("= ?", equal), ("IN (SELECT value FROM json_each(?))", listed), ("< ?", below), ("> ?", above))
        asked = [(field, test, value) for test, wanted in tests for field, value in (wanted or {}).items()]
        by = order.removeprefix("-")
        self._declared(coll, *(field for field, _, _ in asked), *([by] if by else []))
        sql = _select(coll, self._collections[coll], [(field, test) for field, test, _ in asked], order)
        values = (*(value for _, _, value in asked), limit)
        return await self._reader.do(lambda db: [_loaded(row) for row in db.execute(sql, values)])

    async def delete(self, coll: str, key: str) -> None:
        self._declared(coll)
        await self._write("DELETE FROM docs WHERE coll=? AND id=?", (coll, key))

    async def close(self) -> None:
        """Finish what was begun. May be called twice."""
        await self._writer.close()
        await self._reader.close()

    async def _write(self, sql: str, values: tuple[Scalar, ...]) -> int:
        return await self._writer.do(lambda db: _transaction(db, sql, values=values))

    def _declared(self, coll: str, *fields: str) -> None:
        if coll not in self._collections or not {*fields} <= {*self._collections[coll]}:
            raise ValueError(coll, *fields)


class _Line:
    """One connection, and the one thread that may touch it: a whole transaction is one hop there and back."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def open(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._db = await self._hop(connect)

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed or self._db is None:
            raise OperatorFault("store-down", why="closed")
        return await self._hop(partial(work, self._db))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._db is not None:
            await self._hop(self._db.close)
        self._thread.shutdown(wait=False)

    async def _hop(self, work: Callable[[], T]) -> T:
        with _border():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@contextmanager
def _border() -> Iterator[None]:
    """SQLite's errors become ours. Wrong SQL and wrong bindings stay what they are: bugs."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", 0) & PRIMARY == sqlite3.SQLITE_FULL
        raise OperatorFault("store-full" if full else "store-down", why=type(error).__name__) from error
    except OSError as error:
        raise OperatorFault("store-down", why=type(error).__name__) from error


def _open_writer(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    _private(path)
    db = _connect(path, "PRAGMA synchronous=FULL")  # NORMAL may lose the last commits with the power
    try:
        _enter_wal(db)
        _transaction(db, *schema)
    except BaseException:
        db.close()
        raise
    return db


def _private(path: Path) -> None:
    """Make file and folder ours alone; -wal and -shm take the file's mode.

    An existing file is never opened by hand: closing any handle of it drops all POSIX locks this process has on it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            file.chmod(0o600)


def _connect(path: Path, *pragmas: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    for pragma in pragmas:
        db.execute(pragma)
    return db


def _enter_wal(db: sqlite3.Connection) -> None:
    """Only set the mode when it is not set, and be patient: setting it fails at once where every other lock waits.

    Once in about 950 restarts after a crash (facts/store.md 3.1).
    """
    for attempt in range(OPEN_TRIES):
        try:
            if _mode(db, "PRAGMA journal_mode") == "wal" or _mode(db, "PRAGMA journal_mode=WAL") == "wal":
                return
        except sqlite3.OperationalError:
            if attempt == OPEN_TRIES - 1:
                raise
        time.sleep(0.02 + 0.08 * attempt / OPEN_TRIES)
    raise OperatorFault("store-down", why="no-wal")  # a disk without shared memory, such as a network's


def _mode(db: sqlite3.Connection, pragma: str) -> str:
    return str(db.execute(pragma).fetchone()[0])


def _schema(collections: Mapping[str, Sequence[str]]) -> list[str]:
    """One table, and per declared scalar one index that the scalars declared after it refine."""
    table = (
        "CREATE TABLE IF NOT EXISTS docs(coll TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,"
        " body TEXT NOT NULL, PRIMARY KEY(coll, id)) WITHOUT ROWID"
    )
    return [table, *(_indexed(coll, fields, field) for coll, fields in collections.items() for field in fields)]


def _indexed(coll: str, fields: Sequence[str], lead: str) -> str:
    columns = ", ".join(["coll", *map(_scalar, fields[fields.index(lead) :])])
    return f"CREATE INDEX IF NOT EXISTS {_index(coll, fields, lead)} ON docs({columns}) WHERE coll = '{coll}'"


def _index(coll: str, fields: Sequence[str], lead: str) -> str:
    """The name of the index that `lead` leads. Queries name it: left alone, the planner walked the whole collection."""
    name = "_".join((coll, *fields[fields.index(lead) :]))
    if not name.isidentifier():
        raise ValueError(name)
    return name


def _scalar(field: str) -> str:
    return f"json_extract(body, '$.{field}')"


def _select(coll: str, fields: Sequence[str], tests: Sequence[tuple[str, str]], order: str) -> str:
    """A query whose names are all declared ones; its values are bound."""
    by, turn = order.removeprefix("-"), "DESC" if order.startswith("-") else "ASC"
    lead = tests[0][0] if tests else by
    source = f"docs INDEXED BY {_index(coll, fields, lead)}" if lead else "docs"
    where = " AND ".join([f"coll = '{coll}'", *(f"{_scalar(field)} {test}" for field, test in tests)])
    ranked = f"{_scalar(by)} {turn}, id {turn}" if by else "id"
    return f"SELECT body FROM {source} WHERE {where} ORDER BY {ranked} LIMIT ?"  # noqa: S608  # no value is in it


def _transaction(db: sqlite3.Connection, *statements: str, values: Sequence[Scalar] = ()) -> int:
    """Run `statements` whole or not at all; how many rows the last one changed."""
    db.execute("BEGIN IMMEDIATE")  # waits for its turn here; a lock taken later could fail at once
    try:
        changed = [db.execute(statement, values).rowcount for statement in statements][-1]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back by itself
            db.execute("ROLLBACK")
        raise
    return changed


def _dumped(doc: Doc, version: int) -> str:
    return json.dumps({**doc, "version": version}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _loaded(row: tuple[str]) -> dict[str, Any]:
    doc: dict[str, Any] = json.loads(row[0])
    return doc
