"""Updates, stored before they are handled: what Telegram was told we have is ours to answer, whatever happens.

A handled one leaves its number behind for a day, without its words: Telegram may bring it again for so long.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pipeline.ports import Clock, Store

COLL: Final = "inbox"
KEPT: Final = timedelta(days=1, hours=1)  # Telegram forgets an update after a day
MOST: Final = 10_000
PAGE: Final = 500


class Inbox:
    """One bot's updates by their number."""

    def __init__(self, store: Store, clock: Clock, bot: int) -> None:
        self._store, self._clock, self._bot = store, clock, bot

    async def keep(self, update: Mapping[str, Any]) -> bool:
        """Store `update`. False: it was here before."""
        doc = {"platform": self._waiting, "at_ms": self._now(), "update": update}
        return await self._store.create(COLL, self._key(int(update["update_id"])), doc)

    async def waiting(self) -> list[Mapping[str, Any]]:
        """What was stored and not answered, in its order."""
        docs = await self._store.find(COLL, equal={"platform": self._waiting}, order="at_ms", limit=MOST)
        updates: list[Mapping[str, Any]] = [doc["update"] for doc in docs]
        return sorted(updates, key=lambda update: int(update["update_id"]))

    async def done(self, update: int) -> None:
        """It was answered, once and for all."""
        doc = await self._store.get(COLL, self._key(update))
        if doc is not None:
            told = {"platform": self._done, "at_ms": self._now()}
            await self._store.cas(COLL, self._key(update), doc["version"], told)

    async def sweep(self) -> None:
        """Drop the numbers Telegram has forgotten, too."""
        old = {"at_ms": self._now() - round(KEPT.total_seconds() * 1000)}
        while docs := await self._store.find(COLL, equal={"platform": self._done}, below=old, limit=PAGE):
            for doc in docs:
                await self._store.delete(COLL, doc["id"])

    @property
    def _waiting(self) -> str:
        return f"telegram:{self._bot}"

    @property
    def _done(self) -> str:
        return f"telegram:{self._bot}:done"

    def _key(self, update: int) -> str:
        return f"telegram-{self._bot}-{update}"

    def _now(self) -> int:
        return round(self._clock.now().timestamp() * 1000)
