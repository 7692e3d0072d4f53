"""What this platform remembers in the store: groups that moved, what was set at Telegram, albums, permissions asked."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.ports import Store

COLL: Final = "platforms"
HOPS: Final = 5  # a group moves once in its life; a circle must not catch us
TRIES: Final = 20


class Memory:
    """Small documents of ours, by name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._moved: dict[int, int] = {}

    async def moved(self, chat: int) -> int:
        """Where `chat` is now."""
        for _ in range(HOPS):
            if chat >= 0:
                return chat
            if chat not in self._moved:
                doc = await self.get(f"moved-{chat}")
                self._moved[chat] = int(doc["to"]) if doc else chat
            if self._moved[chat] == chat:
                return chat
            chat = self._moved[chat]
        return chat

    async def move(self, chat: int, to: int) -> None:
        """A group became a supergroup: it has a new number for good."""
        self._moved[chat] = to
        await self.put(f"moved-{chat}", {"to": to})

    async def get(self, name: str) -> dict[str, Any] | None:
        return await self._store.get(COLL, f"telegram-{name}")

    async def put(self, name: str, doc: Mapping[str, Any]) -> None:
        """Store `doc`, whatever is there."""
        for _ in range(TRIES):
            old = await self.get(name)
            if old is None:
                if await self._store.create(COLL, f"telegram-{name}", doc):
                    return
            elif await self._store.cas(COLL, f"telegram-{name}", old["version"], doc):
                return

    async def forget(self, name: str) -> None:
        await self._store.delete(COLL, f"telegram-{name}")
