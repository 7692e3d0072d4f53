"""Whose is it? Every machine with our label against jobs and leases; what nobody owns goes, however long it takes."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from pipeline.domain.faults import Fault
from pipeline.domain.ids import InstanceId, JobId
from pipeline.domain.job import Job
from pipeline.flow.journal import load_job
from pipeline.flow.leases import Lease, Leases, held_by
from pipeline.ports import Clock, House, Pace, Provider, Sight, Store

log = structlog.get_logger()
SETTLE: Final = timedelta(minutes=10)  # a rental without an owner may be younger than its owner's save
LINGERS: Final = 3.0  # seconds until a destroyed rental leaves the list
SEEN: Final = "market-seen"  # its id among the settings
LOUDER: Final = (timedelta(minutes=10), timedelta(hours=1))  # from a warning to an error, to a critical


class Owner(StrEnum):
    """Who a rental is for."""

    JOB = "job"
    LEASE = "lease"
    SETTLING = "settling"  # nobody's, but so young that its owner may not be written down yet
    NOBODY = "nobody"
    FOREIGN = "foreign"  # not our label: never touched


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One rental and whose it is. `name`: the job's or lease's id; `why`: for what reason it must go."""

    sight: Sight
    owner: Owner
    name: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep found. `left`: doomed, and after all still there."""

    doomed: tuple[Claim, ...]
    left: frozenset[InstanceId] = frozenset()
    fault: Fault | None = None  # the last refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaper:
    store: Store
    provider: Provider
    clock: Clock
    pace: Pace
    house: House
    leases: Leases

    async def claims(self) -> list[Claim]:
        """Every rental of the account with its owner. Raises when the list is not whole: blind is not empty.

        The market is asked before the store, so that what was rented meanwhile is not in the list.
        """
        sights = await self.provider.owned()
        await self._saw(len(sights))
        await self.leases.settle(sights)
        return [await self._claim(sight) for sight in sights]

    async def seen_at(self) -> datetime | None:
        """When anybody with this store last saw the whole list."""
        doc = await self.store.get("settings", SEEN)
        return datetime.fromisoformat(doc["at"]) if doc else None

    async def reap(self, *, dry: bool = False, rounds: int = 1) -> Swept:
        """Destroy what nobody owns, asking at most `rounds` times, and read back what is left.

        Raises when it is blind. A refusal of one rental keeps no other alive, unless the market asks for quiet.
        """
        claims = await self.claims()
        tries = await self._forget({claim.sight.instance for claim in claims})
        doomed = [claim for claim in claims if claim.owner is Owner.NOBODY]
        doomed.sort(key=lambda claim: tries.get(claim.sight.instance, 0))  # what will not go keeps no other waiting
        left = {claim.sight.instance: claim for claim in doomed}
        fault: Fault | None = None
        for _ in range(0 if dry else rounds):
            if not left:
                break
            fault = await self._destroy(left.values())
            if fault is not None and fault.code == "market-busy":
                break
            left = await self._lingering(left)
        return Swept(doomed=tuple(doomed), left=frozenset(left), fault=fault)

    async def _destroy(self, claims: Iterable[Claim]) -> Fault | None:
        """Ask for each; the last refusal."""
        fault: Fault | None = None
        for claim in claims:
            await self._alarm(claim)
            try:
                await self.provider.destroy(claim.sight.instance)
            except Fault as refused:
                fault = refused
                log.warning("destroy-refused", instance=claim.sight.instance, code=refused.code)
                if refused.code == "market-busy":
                    break
        return fault

    async def _lingering(self, left: Mapping[InstanceId, Claim]) -> dict[InstanceId, Claim]:
        """Those of `left` that a list still holds. Gone is what two lists in a row do not hold."""
        seen: set[InstanceId] = set()
        for _ in range(2):
            await asyncio.sleep(self.pace.seconds(LINGERS))
            seen |= {sight.instance for sight in await self.provider.owned()}
        await self._forget(seen)
        return {instance: claim for instance, claim in left.items() if instance in seen}

    async def _claim(self, sight: Sight) -> Claim:
        prefix = f"{self.house.label_prefix}-"
        if not sight.label.startswith(prefix):
            return Claim(sight=sight, owner=Owner.FOREIGN)
        lease = await self.leases.owner(sight.label)
        if lease is not None:
            return await self._leased(sight, lease)
        name, _, attempt = sight.label.removeprefix(prefix).rpartition("-")
        try:
            job = await load_job(self.store, JobId(name)) if name else None
        except ValueError:  # a record we cannot read is somebody's all the same
            log.exception("job-unreadable", job=name)
            return Claim(sight=sight, owner=Owner.JOB, name=name)
        return await (self._young(sight, "no-owner") if job is None else self._of_job(sight, job, attempt))

    async def _leased(self, sight: Sight, lease: Lease) -> Claim:
        now = self.clock.now()
        if held_by(lease, sight.instance, now):
            return Claim(sight=sight, owner=Owner.LEASE, name=lease.id)
        if not lease.holds(now):
            return Claim(sight=sight, owner=Owner.NOBODY, name=lease.id, why="lease-over")
        return replace(await self._young(sight, "no-owner"), name=lease.id)

    async def _of_job(self, sight: Sight, job: Job, attempt: str) -> Claim:
        """A job owns what its attempt in hand rented: of two with one label, the one it does not know is nobody's."""
        if sight.instance in job.condemned:
            return Claim(sight=sight, owner=Owner.NOBODY, name=job.id, why="condemned")
        if job.over or not job.stage.metered or str(job.attempt) != attempt:
            return Claim(sight=sight, owner=Owner.NOBODY, name=job.id, why="job-over" if job.over else "job-moved")
        if job.machine is not None and job.machine.instance != sight.instance:
            return replace(await self._young(sight, "double"), name=job.id)
        return Claim(sight=sight, owner=Owner.JOB, name=job.id)

    async def _young(self, sight: Sight, why: str) -> Claim:
        """Nobody's, once it is old enough: by the market's word, or since we first saw it when that is none."""
        now = self.clock.now()
        since = sight.since if sight.since is not None and sight.since <= now else await self._first_seen(sight)
        old = now - since > SETTLE * self.pace.factor
        return Claim(sight=sight, owner=Owner.NOBODY if old else Owner.SETTLING, why=why if old else "")

    async def _first_seen(self, sight: Sight) -> datetime:
        now = self.clock.now()
        first = {"instance": sight.instance, "label": sight.label, "since": now.isoformat(), "tries": 0}
        await self.store.create("condemned", sight.instance, first)
        doc = await self.store.get("condemned", sight.instance)
        return datetime.fromisoformat(doc["since"]) if doc else now

    # --- alarms: what had to go and has not gone yet, by instance; any process may read them

    async def _alarm(self, claim: Claim) -> None:
        """Say that it must go: the longer it stays, the louder."""
        instance = claim.sight.instance
        age = self.clock.now() - await self._first_seen(claim.sight)
        doc = await self.store.get("condemned", instance)
        tries = doc["tries"] + 1 if doc else 1
        if doc is not None:
            await self.store.cas("condemned", instance, doc["version"], {**doc, "tries": tries})
        levels = (logging.WARNING, logging.ERROR, logging.CRITICAL)
        level = levels[sum(age > step * self.pace.factor for step in LOUDER)]
        log.log(
            level, "reaping", instance=instance, label=claim.sight.label, why=claim.why, tries=tries,
            minutes=round(age.total_seconds() / 60, 1),
        )  # fmt: skip

    async def _forget(self, listed: set[InstanceId]) -> dict[InstanceId, int]:
        """Drop alarms of what a whole list does not hold any more; how often we asked for each of the others."""
        docs = await self.store.find("condemned", limit=1000)
        for doc in docs:
            if doc["instance"] not in listed:
                await self.store.delete("condemned", doc["instance"])
                log.info("reaped", instance=doc["instance"], tries=doc["tries"])
        return {InstanceId(doc["instance"]): int(doc["tries"]) for doc in docs if doc["instance"] in listed}

    async def _saw(self, rentals: int) -> None:
        """Tell whoever asks, in whatever process, that we see."""
        seen = {"at": self.clock.now().isoformat(), "rentals": rentals}
        if await self.store.create("settings", SEEN, seen):
            return
        doc = await self.store.get("settings", SEEN)
        if doc is not None:
            await self.store.cas("settings", SEEN, doc["version"], seen)
