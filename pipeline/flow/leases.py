"""Operators' leases: a machine rented by hand has an owner with an end, and the reaper respects it until then."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from pipeline.domain.faults import Fault, HostFault, HostSilent
from pipeline.domain.ids import InstanceId, JobId, Label
from pipeline.domain.job import Machine
from pipeline.domain.quote import Need, Offer
from pipeline.flow.records import ms
from pipeline.ports import Clock, House, Pace, Provider, RentOrder, Sight, Store

MARK: Final = "op"  # stands in a label where a job's id stands: no job's id is that short
SETTLE: Final = 20.0  # seconds until a rental made by a lost call must show in the list
EVERY: Final = 3.0  # seconds between two asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One machine of an operator. `id` is spelled like a job's: it names the folder on the box too."""

    id: JobId
    label: Label
    created_at: datetime
    until: datetime
    machine: Machine | None = None
    returned_at: datetime | None = None  # read to be gone
    version: int = 0

    def holds(self, now: datetime) -> bool:
        """Whether the reaper leaves its machine alone."""
        return self.returned_at is None and now < self.until


_LEASE: Final = TypeAdapter(Lease)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Leases in the store, and what happens at the market for them."""

    store: Store
    provider: Provider
    clock: Clock
    pace: Pace
    house: House

    async def get(self, lease: str) -> Lease | None:
        doc = await self.store.get("leases", lease)
        return None if doc is None else lease_from(doc)

    async def open(self) -> list[Lease]:
        """Those whose machine is not read to be gone, expired ones among them."""
        return [lease_from(doc) for doc in await self.store.find("leases", equal={"open": 1}, limit=1000)]

    async def owner(self, label: Label) -> Lease | None:
        """Whose label it is."""
        mark, _, lease = label.removeprefix(f"{self.house.label_prefix}-").partition("-")
        return await self.get(lease) if mark == MARK else None

    async def begin(self, lease: JobId, life: timedelta) -> Lease:
        """The intent, before anything is rented. `life` is the operator's own time: a sandbox's hours are short."""
        now = self.clock.now()
        label = Label(f"{self.house.label_prefix}-{MARK}-{lease}")
        new = Lease(id=lease, label=label, created_at=now, until=now + life * self.pace.factor)
        assert await self.store.create("leases", lease, _doc(new)), "an id is made once"
        return new

    async def rent(self, lease: Lease, offers: list[Offer], need: Need, onstart: str) -> Lease:
        """Rent the first of `offers` that is still there; exactly one machine, whatever answer is lost.

        Raises HostFault("offer-gone") when all are taken; whatever is raised, the reaper ends what may exist.
        """
        order = RentOrder(label=lease.label, image=self.house.image, disk_gb=round(need.disk_gb), onstart=onstart)
        for offer in offers[:-1]:
            try:
                return await self._rented(lease, offer, order, need)
            except HostFault as fault:
                if fault.code != "offer-gone":
                    raise
        return await self._rented(lease, offers[-1], order, need)

    async def _rented(self, lease: Lease, offer: Offer, order: RentOrder, need: Need) -> Lease:
        try:
            machine = await self.provider.rent(offer, order, need, self.clock.now())
        except HostSilent:
            await self.give_back(lease)  # found by its label it would be without its key: not to be proved ours
            raise
        except Fault as refused:
            if refused.code != "offer-gone":
                await self.save(replace(lease, returned_at=self.clock.now()))  # a clear no: there is nothing to return
            raise
        return await self.save(replace(lease, machine=machine))

    async def give_back(self, lease: Lease, patience: float = 120.0) -> bool:
        """Destroy until it is read to be gone; False when it would not go in time: then the reaper works on it."""
        if lease.returned_at is not None:
            return True
        lease = await self.save(replace(lease, until=min(lease.until, self.clock.now())))
        if lease.machine is None:
            await asyncio.sleep(self.pace.seconds(SETTLE))  # a lost call's machine may not be listed yet
        end = self.clock.now() + self.pace.delta(seconds=patience)
        while not await self._gone(lease):
            if self.clock.now() > end:
                return False
            await asyncio.sleep(self.pace.seconds(EVERY))
        await self.save(replace(lease, returned_at=self.clock.now()))
        return True

    async def _gone(self, lease: Lease) -> bool:
        """Destroy, and read it back twice. A refusal or an error is not gone."""
        try:
            if await self._seen(lease):
                return False
            await asyncio.sleep(self.pace.seconds(EVERY))
            return not await self._seen(lease)
        except Fault:
            return False

    async def _seen(self, lease: Lease) -> bool:
        if lease.machine is None:
            sight = await self.provider.find(lease.label)
        else:
            await self.provider.destroy(lease.machine.instance)
            sight = await self.provider.look(lease.machine.instance)
        if sight is not None:
            await self.provider.destroy(sight.instance)
        return sight is not None

    async def save(self, lease: Lease) -> Lease:
        """Compare and set. A lease has one teller, its command; the reaper only ends what that one left."""
        saved = replace(lease, version=lease.version + 1)
        if not await self.store.cas("leases", lease.id, lease.version, _doc(saved)):
            stored = await self.get(lease.id)
            assert stored is not None
            return await self.save(replace(lease, version=stored.version, until=min(lease.until, stored.until)))
        return saved

    async def settle(self, sights: list[Sight]) -> None:
        """Close leases that are over and whose machine a whole list does not hold any more."""
        now = self.clock.now()
        listed = {sight.label for sight in sights}
        for lease in await self.open():
            late = now - lease.until > self.pace.delta(seconds=SETTLE)
            if late and lease.label not in listed:
                await self.save(replace(lease, returned_at=now))


def held_by(lease: Lease, instance: InstanceId, now: datetime) -> bool:
    """Whether `lease` owns this very machine: of two with one label, the one it does not know is nobody's."""
    return lease.holds(now) and lease.machine is not None and lease.machine.instance == instance


def lease_from(doc: Mapping[str, Any]) -> Lease:
    return _LEASE.validate_python({key: value for key, value in doc.items() if key not in {"open", "until_ms"}})


def _doc(lease: Lease) -> dict[str, Any]:
    doc: dict[str, Any] = _LEASE.dump_python(lease, mode="json")
    return {**doc, "open": int(lease.returned_at is None), "until_ms": ms(lease.until)}
