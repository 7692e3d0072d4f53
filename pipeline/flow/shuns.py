"""Machines, addresses and owners we do not rent from for a while. A shun expires: hosts are mended, addresses move.

And the watch against own-box fraud: the third machine of one owner that fails the same person is no accident.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

import structlog

from pipeline.domain.events import Left, Moving
from pipeline.domain.ids import AccountId, InstanceId
from pipeline.domain.job import Job, Machine
from pipeline.domain.quote import owner
from pipeline.flow.kit import Kit
from pipeline.flow.records import ms
from pipeline.ports import Clock, Pace, Store

log = structlog.get_logger()
COLL: Final = "shuns"
MACHINE: Final = timedelta(days=1)
ADDRESS: Final = timedelta(hours=3)  # other machines, of others even, may stand behind it
STRIKES: Final = 3  # of one owner against one person
STRIKE: Final = timedelta(days=30)
MOST: Final = 2000
CAS_TRIES: Final = 20


async def failed(job: Job, kit: Kit) -> None:
    """The job's machine failed its host's part: nobody rents it for a while. Safe to repeat."""
    if job.machine is not None:
        await Shuns(kit.store, kit.clock, kit.pace).add(job.machine, job.account, _why(job))


def _why(job: Job) -> str:
    events = (news.event for news in reversed(job.news))
    return next((event.code for event in events if isinstance(event, Moving | Left)), "")


@dataclass(frozen=True, slots=True)
class Shuns:
    store: Store
    clock: Clock
    pace: Pace = Pace()  # noqa: RUF009  # a frozen value

    async def marks(self, account: AccountId | None = None) -> frozenset[str]:
        """What `ranked` is to leave out now; for `account` also the owners whose machines failed it too often."""
        docs = await self.store.find(COLL, above={"until_ms": ms(self.clock.now())}, order="-until_ms", limit=MOST)
        plain = {doc["mark"] for doc in docs if not doc["account"]}
        return frozenset(plain | {doc["mark"] for doc in docs if account and _struck_out(doc, account)})

    async def suspect(self, account: AccountId, host: str) -> bool:
        """Whether machines of `host` have failed `account` so often that a human must look."""
        doc = await self.store.get(COLL, _strike_key(account, host)) if host else None
        return doc is not None and doc["until_ms"] > ms(self.clock.now()) and _struck_out(doc, account)

    async def add(self, machine: Machine, account: AccountId, why: str) -> None:
        await self._sweep()
        addresses = sorted({way.host for way in machine.endpoints if _public(way.host)})
        await self._put(machine.machine, machine.machine, MACHINE, machine.instance, why=why)
        for address in addresses:
            await self._put(address, address, ADDRESS, machine.instance, why=why)
        if machine.host:
            key = _strike_key(account, machine.host)
            await self._put(key, owner(machine.host), STRIKE, machine.instance, account=account, why=why)
            if await self.suspect(account, machine.host):
                log.error("own-box-suspected", account=account, host=machine.host, machine=machine.machine)

    async def _put(
        self, key: str, mark: str, life: timedelta, instance: InstanceId, *, why: str, account: str = ""
    ) -> None:
        """Write or prolong one shun. The rentals behind it are a set: a stage played twice does not count twice."""
        for _ in range(CAS_TRIES):
            old = await self.store.get(COLL, key)
            rentals = {*(old["rentals"] if old and old["until_ms"] > ms(self.clock.now()) else ()), instance}
            doc = {
                "mark": mark, "account": account, "why": why, "rentals": sorted(rentals),
                "until_ms": ms(self._until(life)),
            }  # fmt: skip
            if old is None and await self.store.create(COLL, key, doc):
                return
            if old is not None and await self.store.cas(COLL, key, old["version"], doc):
                return
            await asyncio.sleep(0)

    def _until(self, life: timedelta) -> datetime:
        return self.clock.now() + life * self.pace.factor

    async def _sweep(self) -> None:
        """Forget what has expired."""
        for doc in await self.store.find(COLL, below={"until_ms": ms(self.clock.now())}, limit=100):
            await self.store.delete(COLL, _key(doc))


def _key(doc: dict[str, Any]) -> str:
    return f"{doc['mark']} {doc['account']}" if doc["account"] else str(doc["mark"])


def _strike_key(account: AccountId, host: str) -> str:
    return f"{owner(host)} {account}"


def _struck_out(doc: dict[str, Any], account: AccountId) -> bool:
    return bool(doc["account"] == account and len(doc["rentals"]) >= STRIKES)


def _public(host: str) -> bool:
    """Whether an endpoint is the machine's own public address: a proxy's name, or loopback, is everybody's."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return False
