"""The table of bells. APScheduler rings; a body is short, may run twice, and its failure is an alert, never a stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from pipeline.domain.faults import Fault
from pipeline.domain.ids import JobId
from pipeline.domain.job import Job
from pipeline.domain.stage import Stage, Wish
from pipeline.flow.charges import Compared, compare
from pipeline.flow.deadlines import Brakes
from pipeline.flow.leases import Leases
from pipeline.flow.ledger import Ledger
from pipeline.flow.reaper import Reaper, Swept
from pipeline.flow.records import job_from
from pipeline.flow.retention import Retention
from pipeline.ports import Clock, Engine, House, Pace, Provider, Store

log = structlog.get_logger()
CHARGES_BACK: Final = timedelta(days=3)  # rentals that ended since are compared: charges come late
LONGEST: Final = 90.0  # seconds one body may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    clock: Clock
    pace: Pace
    store: Store
    provider: Provider
    ledger: Ledger
    engine: Engine
    house: House
    retention: Retention
    heard: dict[JobId, Wish] = field(default_factory=dict, repr=False)  # wishes that were passed on

    def bells(self) -> Mapping[str, tuple[float, Callable[[], Awaitable[object]]]]:
        """Name -> seconds between two rings, and the body."""
        return {
            "runners": (20, self.wake_jobs),
            "reaper": (120, self.reap),
            "charges": (86_400, self.compare_charges),
            "outbox": (60, self.ledger.drain),
            "holds": (60, self.free_holds),
            "retention": (3600, self.retention.sweep),
            "brakes": (60, self.brake),
        }

    async def wake_jobs(self) -> None:
        """Every job that is not over has somebody who tells it."""
        for job in await self._live_jobs():
            await self.engine.start(job.id)
            if job.wish is not None and not job.stage.closing and self.heard.get(job.id) != job.wish:
                self.heard[job.id] = job.wish  # written by a process that cannot nudge this one's engine
                await self.engine.nudge(job.id)

    async def brake(self) -> None:
        """Once the day's money is spent, every training stops and keeps what it has."""
        for job in await Brakes(store=self.store, clock=self.clock, house=self.house, pace=self.pace).halt():
            log.error("budget-spent", job=job)
            await self.engine.nudge(job)

    @property
    def reaper(self) -> Reaper:
        leases = Leases(
            store=self.store, provider=self.provider, clock=self.clock, pace=self.pace, house=self.house
        )  # fmt: skip
        return Reaper(
            store=self.store, provider=self.provider, clock=self.clock, pace=self.pace, house=self.house, leases=leases
        )  # fmt: skip

    async def reap(self) -> Swept:
        """One round over everything that carries our label; what will not go is asked again at the next ring."""
        swept = await self.reaper.reap()
        if swept.fault is not None:
            raise swept.fault
        return swept

    async def seen_at(self) -> datetime | None:
        """When the whole list of rentals was last seen: for `health`. None: never."""
        return await self.reaper.seen_at()

    async def compare_charges(self) -> Compared:
        """What the market took for our rentals against our own record."""
        return await compare(self.store, self.provider, self.clock.now() - CHARGES_BACK * self.pace.factor)

    async def free_holds(self) -> None:
        """Points of a job that is over are not held: BILL did it; this is the belt."""
        done = await self.store.find("jobs", equal={"stage": Stage.DONE.value}, order="-changed_ms", limit=50)
        for doc in done:
            job = job_from(doc)
            keys = (f"{job.id}:capture", f"{job.id}:release")
            if not any([await self.ledger.entry(job.account, key) for key in keys]):
                await self.ledger.release(job.account, keys[1], f"{job.id}:hold")

    async def _live_jobs(self) -> list[Job]:
        live = [stage.value for stage in Stage if stage is not Stage.DONE]
        return [job_from(doc) for doc in await self.store.find("jobs", among={"stage": live}, limit=1000)]

    @asynccontextmanager
    async def ringing(self) -> AsyncIterator[None]:
        """Ring all bells, each at once and then by its interval (times Pace), until the block ends."""
        scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for name, (seconds, body) in self.bells().items():
            scheduler.add_job(
                _guarded, "interval", args=(name, body), id=name, replace_existing=True,
                seconds=max(0.5, self.pace.seconds(seconds)), next_run_time=datetime.now(UTC),  # noqa: DTZ005, TID251, RUF100  # APScheduler's own clock
            )  # fmt: skip
        scheduler.start()
        try:
            yield
        finally:
            scheduler.shutdown(wait=False)


async def _guarded(name: str, body: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(LONGEST):
            await body()
    except Fault as fault:
        log.warning("sweep-blind", sweep=name, code=fault.code)
    except TimeoutError:
        log.warning("sweep-too-long", sweep=name)
    except asyncio.CancelledError:
        log.debug("sweep-stopped", sweep=name)  # the bells end; let out, APScheduler would log it as a crash
    except Exception:  # one bad sweep must not silence the bells
        log.exception("sweep-bug", sweep=name)
