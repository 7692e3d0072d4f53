"""Money's memory: one document an account, one entry a key. Every call may be repeated, nothing is done twice.

The account's document holds its newest entries (the outbox) until `drain` has written each under its own key. So at any
version a key is in the outbox or among the entries; entries are read AFTER the document, and a drain writes them BEFORE
it empties the outbox: whoever applied the key meanwhile is seen, or has moved the version (facts/store.md 3.2).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final
from weakref import WeakValueDictionary

from pipeline.domain.audit import Audit, audited
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId
from pipeline.domain.ledger import (
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
from pipeline.flow.records import Book, book_doc, book_from, entry_doc, entry_from
from pipeline.ports import Clock, Store

OUTBOX: Final = 8  # entries in the account's document before it is drained
PAGE: Final = 500
FIRST_PAUSE, LAST_PAUSE = 0.002, 0.064  # seconds at most after a race lost to another process, doubled each time


class Ledger:
    """Keys are the caller's, one namespace an account. The same key with another request raises KeyConflict: a bug.

    The store's OperatorFault may come after the deed was done: repeat the call with the same key.
    """

    def __init__(self, store: Store, clock: Clock, dice: random.Random) -> None:
        self._store, self._clock, self._dice = store, clock, dice
        self._locks: WeakValueDictionary[AccountId, asyncio.Lock] = WeakValueDictionary()

    async def deposit(
        self, account: AccountId, key: str, points: int, *, source: str, rate: int | None = None
    ) -> Entry:
        """Put points in. `rate`: micro-dollars of real money behind each, None for a grant or a reward."""
        at = self._clock.now()
        return await self._do(account, Deposit(key=key, points=Points(points), source=source, rate=rate, at=at))

    async def hold(self, account: AccountId, key: str, points: int, *, job: str) -> Entry:
        """Set points aside. Raises UserFault("not-enough-points", have=, need=), for this key from now on always."""
        entry = await self._do(account, Hold(key=key, points=Points(points), job=job, at=self._clock.now()))
        if entry.why is Why.NOT_ENOUGH:
            raise UserFault(Why.NOT_ENOUGH, have=entry.balance.available, need=points)
        return entry

    async def capture(self, account: AccountId, key: str, hold_key: str, points: int) -> Entry:
        """Take `points` of a hold, or none; the rest returns. Refused (`not ok`) when it was settled before."""
        at = self._clock.now()
        return await self._do(account, Capture(key=key, hold=hold_key, points=Points(points), at=at))

    async def release(self, account: AccountId, key: str, hold_key: str) -> Entry:
        """Return a hold whole. Refused (`not ok`) when it was settled before."""
        return await self._do(account, Release(key=key, hold=hold_key, at=self._clock.now()))

    async def refund(self, account: AccountId, key: str, capture_key: str, points: int) -> Entry:
        """Return points of a capture to the lots they came from. Refused (`not ok`) when it is gone or smaller."""
        at = self._clock.now()
        return await self._do(account, Refund(key=key, capture=capture_key, points=Points(points), at=at))

    async def balance(self, account: AccountId) -> Balance:
        return (await self._load(account)).state.balance

    async def entry(self, account: AccountId, key: str) -> Entry | None:
        """What `key` was answered, if it was ever used."""
        return await self._answered(await self._load(account), key)

    async def entries(self, account: AccountId, *, limit: int = 20) -> list[Entry]:
        """The newest `limit` entries, newest first, refusals among them."""
        book = await self._load(account)
        docs = await self._store.find("entries", equal={"account": account}, order="-seq", limit=limit)
        by_seq = {entry.seq: entry for entry in (*book.outbox, *map(entry_from, docs))}
        return [by_seq[seq] for seq in sorted(by_seq, reverse=True)[:limit]]

    async def drain(self) -> None:
        """Write all outboxes out, so that documents stay small. May run at any time, anywhere, twice."""
        async for doc in self._each("accounts", "account", above={"waiting": 0}):
            account = book_from(doc).state.account
            async with self._lock(account):
                while (book := await self._load(account)).outbox:
                    await self._drained(book)

    async def audit(self) -> Audit:
        """Sum everything, and hold every account against its entries. Reads the whole ledger."""
        sums = Audit()
        async for doc in self._each("accounts", "account"):
            book = book_from(doc)
            sums += audited(book.state, await self._journal(book))
        return sums

    async def _do(self, account: AccountId, command: Command) -> Entry:
        pause = FIRST_PAUSE
        async with self._lock(account):
            while True:
                book = await self._load(account)
                known = await self._answered(book, command.key)
                if known is not None:
                    return _same(known, command)
                if len(book.outbox) >= OUTBOX:
                    await self._drained(book)
                    continue
                state, entry = apply(book.state, command)
                if await self._saved(replace(book, state=state, outbox=(*book.outbox, entry))):
                    return entry
                await asyncio.sleep(self._dice.uniform(0, pause))
                pause = min(2 * pause, LAST_PAUSE)

    def _lock(self, account: AccountId) -> asyncio.Lock:
        """Queue up here, so that the compare-and-set arbitrates between processes only."""
        return self._locks.setdefault(account, asyncio.Lock())

    async def _load(self, account: AccountId) -> Book:
        doc = await self._store.get("accounts", account)
        return book_from(doc) if doc else Book(state=State(account=account))

    async def _saved(self, book: Book) -> bool:
        account = book.state.account
        if book.version is None:
            return await self._store.create("accounts", account, book_doc(book))
        return await self._store.cas("accounts", account, book.version, book_doc(book))

    async def _answered(self, book: Book, key: str) -> Entry | None:
        """`book` was loaded before this looks among the entries: the other way round, a key could be done twice."""
        for entry in book.outbox:
            if entry.key == key:
                return entry
        doc = await self._store.get("entries", _entry_id(book.state.account, key))
        return entry_from(doc) if doc else None

    async def _drained(self, book: Book) -> bool:
        """Each entry under its key first, then the empty outbox: never the other way round."""
        for entry in book.outbox:
            await self._store.create("entries", _entry_id(entry.account, entry.key), entry_doc(entry))
        return await self._saved(replace(book, outbox=()))

    async def _journal(self, book: Book) -> list[Entry]:
        """All entries up to `book`, the oldest first. What came after it was loaded is left out."""
        docs = self._each("entries", "seq", equal={"account": book.state.account})
        by_seq = {entry.seq: entry for entry in book.outbox}
        by_seq.update([(entry.seq, entry) async for entry in (entry_from(doc) async for doc in docs)])
        return [by_seq[seq] for seq in sorted(by_seq) if seq <= book.state.seq]

    async def _each(
        self, coll: str, by: str, *, equal: Mapping[str, str] | None = None, above: Mapping[str, int] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every fitting document, page by page, in the order of `by`, which must be unique among them."""
        reached: dict[str, str | int] = dict(above or {})
        while docs := await self._store.find(coll, equal=equal, above=reached, order=by, limit=PAGE):
            for doc in docs:
                yield doc
            reached[by] = docs[-1][by]


def _same(known: Entry, command: Command) -> Entry:
    if not known.answers(command):
        raise KeyConflict(known.account, known.key)
    return known


def _entry_id(account: AccountId, key: str) -> str:
    return f"{account}|{key}"
