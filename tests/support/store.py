"""A store in memory that promises what the port promises."""

import asyncio
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.flow.records import COLLECTIONS
from pipeline.ports import Doc

Scalar = str | int


class MemoryStore:
    """Port Store. Keeps JSON text, so that nothing slips through that a real store would refuse or bend.

    Every call lets others run first, once, or with `dice` some rounds: what may interleave in life interleaves here.
    """

    def __init__(
        self, collections: Mapping[str, Sequence[str]] = COLLECTIONS, dice: random.Random | None = None
    ) -> None:
        self._collections, self._dice = collections, dice
        self._docs: dict[str, dict[str, str]] = {coll: {} for coll in collections}

    async def get(self, coll: str, key: str) -> dict[str, Any] | None:
        docs = await self._of(coll)
        return json.loads(docs[key]) if key in docs else None

    async def create(self, coll: str, key: str, doc: Doc) -> bool:
        text = _dumped(doc, 0)
        docs = await self._of(coll)
        return docs.setdefault(key, text) is text

    async def cas(self, coll: str, key: str, version: int, doc: Doc) -> bool:
        text = _dumped(doc, version + 1)
        docs = await self._of(coll)
        if key not in docs or json.loads(docs[key])["version"] != version:
            return False
        docs[key] = text
        return True

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
        equal, among, below, above, by = equal or {}, among or {}, below or {}, above or {}, order.removeprefix("-")
        self._declared(coll, [*equal, *among, *below, *above, *([by] if by else [])])
        rows = [(json.loads(text), key) for key, text in (await self._of(coll)).items()]
        found = [
            (doc, key)
            for doc, key in rows
            if all(doc.get(field) == value for field, value in equal.items())
            and all(doc.get(field) in values for field, values in among.items())
            and all(field in doc and doc[field] < value for field, value in below.items())
            and all(field in doc and doc[field] > value for field, value in above.items())
        ]
        found.sort(key=lambda row: (*_rank(row[0].get(by)), row[1]) if by else row[1], reverse=order.startswith("-"))
        return [doc for doc, _ in found[:limit]]

    async def delete(self, coll: str, key: str) -> None:
        (await self._of(coll)).pop(key, None)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _of(self, coll: str) -> dict[str, str]:
        self._declared(coll, ())
        for _ in range(self._dice.choice((1, 1, 2, 50)) if self._dice else 1):
            await asyncio.sleep(0)
        return self._docs[coll]

    def _declared(self, coll: str, fields: Iterable[str]) -> None:
        if coll not in self._collections or not {*fields} <= {*self._collections[coll]}:
            raise ValueError(coll, *fields)


def _rank(value: Scalar | None) -> tuple[bool, Scalar]:
    """What lacks the scalar comes first."""
    return (value is not None, 0 if value is None else value)


def _dumped(doc: Doc, version: int) -> str:
    text = json.dumps({**doc, "version": version}, ensure_ascii=False, allow_nan=False)
    return text.encode().decode()  # a lone surrogate is no text
