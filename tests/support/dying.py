"""A store whose process dies before or after its n-th write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.ports import Doc, Store

IDLE = {"progress"}  # latest wins: losing one is no harm, and they would drown the rest


class ProcessDied(BaseException):
    """The test pulled the plug."""


@dataclass
class DyingStore:
    inner: Store
    before: int | None = None
    after: int | None = None
    writes: int = 0

    async def get(self, coll: str, key: str) -> dict[str, Any] | None:
        return await self.inner.get(coll, key)

    async def find(
        self,
        coll: str,
        *,
        equal: Mapping[str, str | int] | None = None,
        among: Mapping[str, Sequence[str | int]] | None = None,
        below: Mapping[str, str | int] | None = None,
        above: Mapping[str, str | int] | None = None,
        order: str = "",
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        return await self.inner.find(coll, equal=equal, among=among, below=below, above=above, order=order, limit=limit)

    async def create(self, coll: str, key: str, doc: Doc) -> bool:
        self._count(coll)
        done = await self.inner.create(coll, key, doc)
        self._written(coll)
        return done

    async def cas(self, coll: str, key: str, version: int, doc: Doc) -> bool:
        self._count(coll)
        done = await self.inner.cas(coll, key, version, doc)
        self._written(coll)
        return done

    async def delete(self, coll: str, key: str) -> None:
        self._count(coll)
        await self.inner.delete(coll, key)
        self._written(coll)

    async def close(self) -> None:
        await self.inner.close()

    def _count(self, coll: str) -> None:
        if coll in IDLE:
            return
        self.writes += 1
        if self.writes == self.before:
            raise ProcessDied

    def _written(self, coll: str) -> None:
        if coll not in IDLE and self.writes == self.after:
            raise ProcessDied
