"""Short-lived documents of one bot in the "inbox" collection: each of a kind, found by kind and age."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pipeline.ports import Clock, Store

COLL: Final = "inbox"
MOST: Final = 10_000
PAGE: Final = 500


class Shelf:
    """`name` is a document's own; its kind may change."""

    def __init__(self, store: Store, clock: Clock, bot: int) -> None:
        self._store, self._clock, self._bot = store, clock, bot

    async def get(self, name: str) -> dict[str, Any] | None:
        return await self._store.get(COLL, self._key(name))

    async def create(self, kind: str, name: str, doc: Mapping[str, Any]) -> bool:
        """False: it is there."""
        return await self._store.create(COLL, self._key(name), self._whole(kind, name, doc))

    async def replace(self, kind: str, name: str, version: int, doc: Mapping[str, Any]) -> bool:
        """False: it was not at `version`."""
        return await self._store.cas(COLL, self._key(name), version, self._whole(kind, name, doc))

    async def drop(self, name: str) -> None:
        await self._store.delete(COLL, self._key(name))

    async def all(self, kind: str) -> list[dict[str, Any]]:
        """The oldest first."""
        return await self._store.find(COLL, equal={"platform": self._kind(kind)}, order="at_ms", limit=MOST)

    async def sweep(self, kind: str, life: timedelta) -> None:
        """Drop what is older than `life`."""
        old, whose = {"at_ms": self._now() - round(life.total_seconds() * 1000)}, {"platform": self._kind(kind)}
        while docs := await self._store.find(COLL, equal=whose, below=old, limit=PAGE):
            for doc in docs:
                await self.drop(doc["name"])

    def _whole(self, kind: str, name: str, doc: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**doc, "platform": self._kind(kind), "at_ms": self._now(), "name": name}

    def _kind(self, kind: str) -> str:
        return f"telegram:{self._bot}:{kind}"

    def _key(self, name: str) -> str:
        return f"telegram-{self._bot}-{name}"

    def _now(self) -> int:
        return round(self._clock.now().timestamp() * 1000)
