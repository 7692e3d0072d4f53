"""Which training a bare /stop or /cancel meant, settled when it is first heard: heard again, it hits no other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import AccountId, JobId
from pipeline.ports import Store

COLL: Final = "settings"
KEPT: Final = 20  # remarks of one person; a platform says again only what was not answered yet
TRIES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    store: Store

    async def job(self, account: AccountId, said: str, newest: Callable[[], Awaitable[JobId]]) -> tuple[JobId, bool]:
        """The job that remark `said` means, and whether it was heard before. Saved before anything is done about it.

        Raises whatever `newest` does: then nothing is settled.
        """
        name = f"meant-{account}"
        for _ in range(TRIES):
            doc = await self.store.get(COLL, name)
            known = {str(key): str(job) for key, job in doc["meant"]} if doc else {}
            if said in known:
                return JobId(known[said]), True
            job = await newest()
            told = {"meant": [*([key, each] for key, each in known.items()), [said, job]][-KEPT:]}
            if doc is None:
                if await self.store.create(COLL, name, told):
                    return job, False
            elif await self.store.cas(COLL, name, doc["version"], told):
                return job, False
            await asyncio.sleep(0)
        raise OperatorFault("store-down", why="contended")
