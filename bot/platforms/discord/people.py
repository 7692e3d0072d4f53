"""The way to a person: their DM, whether it is closed, and what was said about that. Remembered over restarts.

Refusals are not tried again: ten thousand of them in ten minutes and Discord locks the whole address out.
"""

from collections import OrderedDict
from datetime import timedelta
from typing import Final

import discord

from bot.ports import Grounds
from notifier.ports import Unreachable
from pipeline.ports import Doc

COLL: Final = "platforms"
CLOSED_FOR: Final = timedelta(days=1)  # then one more try: people change their minds in settings we cannot see
REMEMBERED: Final = 5000


class People:
    def __init__(self, client: discord.Client, grounds: Grounds) -> None:
        self._client, self._grounds = client, grounds
        self._rooms: OrderedDict[int, int] = OrderedDict()  # user -> DM channel

    async def room(self, user: int) -> int:
        """The DM channel of `user`. Raises Unreachable when it is known to be closed."""
        if not user or await self.closed(user):
            raise Unreachable
        if user not in self._rooms:
            try:
                channel = await self._client.create_dm(discord.Object(user))
            except (discord.Forbidden, discord.NotFound) as error:
                await self.close(user)
                raise Unreachable from error
            self.met(user, channel.id)
        return self._rooms[user]

    def met(self, user: int, channel: int) -> None:
        """`user` has `channel` as their DM."""
        self._rooms[user] = channel
        while len(self._rooms) > REMEMBERED:
            self._rooms.popitem(last=False)

    async def closed(self, user: int) -> bool:
        doc = await self._grounds.store.get(COLL, _key(user))
        return doc is not None and bool(doc["closed_ms"] > self._now() - CLOSED_FOR.total_seconds() * 1000)

    async def close(self, user: int) -> None:
        """Remember that `user` refused a DM."""
        await self._put(user, {"closed_ms": self._now()})

    async def open(self, user: int) -> None:
        """`user` speaks to us in their DM, so it is not closed."""
        if await self._grounds.store.get(COLL, _key(user)) is not None:
            await self._put(user, {"closed_ms": 0})

    async def tell(self, user: int) -> bool:
        """Whether `user` is still to be told that their DM is closed; from now on they are not."""
        doc = await self._grounds.store.get(COLL, _key(user))
        if doc is not None and doc["told"]:
            return False
        await self._put(user, {"told": True})
        return True

    async def _put(self, user: int, news: Doc) -> None:
        store, key = self._grounds.store, _key(user)
        doc = await store.get(COLL, key)
        if doc is None:
            await store.create(COLL, key, {"closed_ms": 0, "told": False, **news})
        else:
            await store.cas(COLL, key, doc["version"], {"closed_ms": doc["closed_ms"], "told": doc["told"], **news})

    def _now(self) -> int:
        return round(self._grounds.clock.now().timestamp() * 1000)


def _key(user: int) -> str:
    return f"discord:dm:{user}"
