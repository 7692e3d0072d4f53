"""Updates, stored before they are handled: what Telegram was told we have is ours to answer, whatever happens.

A handled one leaves its number behind for a day, without its words: Telegram may bring it again for so long.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from bot.platforms.telegram.shelf import Shelf

KEPT: Final = timedelta(hours=25)  # Telegram forgets an update after a day
WAITING, DONE = "update", "done"


class Inbox:
    """One bot's updates by their number."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def keep(self, update: Mapping[str, Any]) -> bool:
        """Store `update`. False: it was here before."""
        text = json.dumps(update)  # as text: it may hold half a letter, which is no text for a store
        return await self._shelf.create(WAITING, _name(int(update["update_id"])), {"update": text})

    async def waiting(self) -> list[Mapping[str, Any]]:
        """What was stored and not answered, in its order."""
        updates: list[Mapping[str, Any]] = [json.loads(doc["update"]) for doc in await self._shelf.all(WAITING)]
        return sorted(updates, key=lambda update: int(update["update_id"]))

    async def done(self, number: int) -> None:
        """It was answered, once and for all."""
        doc = await self._shelf.get(_name(number))
        if doc is not None:
            await self._shelf.replace(DONE, _name(number), doc["version"], {})

    async def sweep(self) -> None:
        """Drop the numbers that Telegram has forgotten, too."""
        await self._shelf.sweep(DONE, KEPT)


def _name(number: int) -> str:
    return f"update-{number}"
