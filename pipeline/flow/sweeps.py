"""The table of bells. APScheduler rings; a body is short, may run twice, and its failure is an alert, never a stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from pipeline.domain.faults import Fault
from pipeline.domain.ids import JobId
from pipeline.domain.job import Job
from pipeline.domain.stage import Stage
from pipeline.flow.journal import load_job
from pipeline.flow.ledger import Ledger
from pipeline.flow.records import job_from
from pipeline.ports import Clock, Engine, House, Pace, Provider, Sight, Store

log = structlog.get_logger()
SETTLE: Final = timedelta(minutes=10)  # a rental without an owner may be younger than its owner's save
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

    def bells(self) -> Mapping[str, tuple[float, Callable[[], Awaitable[object]]]]:
        """Name -> seconds between two rings, and the body."""
        return {
            "runners": (20, self.wake_jobs),
            "reaper": (120, self.reap),
            "outbox": (60, self.ledger.drain),
            "holds": (60, self.free_holds),
        }

    async def wake_jobs(self) -> None:
        """Every job that is not over has somebody who tells it."""
        for job in await self._live_jobs():
            await self.engine.start(job.id)

    async def reap(self, *, dry: bool = False) -> list[Sight]:
        """Destroy what carries our label and nobody owns; what it was. Blind (the listing raised) is not empty.

        A label of another installation is never touched: the prefix holds ours.
        """
        doomed = [sight for sight in await self.provider.owned() if await self._ownerless(sight)]
        for sight in doomed:
            log.warning("reaping", instance=sight.instance, label=sight.label, dry=dry)
            if not dry:
                await self.provider.destroy(sight.instance)
        return doomed

    async def _ownerless(self, sight: Sight) -> bool:
        prefix = f"{self.house.label_prefix}-"
        if not sight.label.startswith(prefix):
            return False
        name, _, attempt = sight.label.removeprefix(prefix).rpartition("-")
        job = await load_job(self.store, JobId(name)) if name else None
        if job is None:
            return sight.since is not None and self.clock.now() - sight.since > SETTLE * self.pace.factor
        if sight.instance in job.condemned:
            return True
        mine = str(job.attempt) == attempt and job.stage.metered and not job.over
        return not mine

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
    except Exception:  # one bad sweep must not silence the bells
        log.exception("sweep-bug", sweep=name)
