"""When a job's time or money is up, and what follows: an alert, ten minutes of grace, then stop and keep.

Time is counted for the machine in hand: its own dead-man lease counts so, and a job that moved begins anew elsewhere.
Money is counted over all of a job's machines, whoever pays for them, and over all jobs of the house.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from pipeline.domain.cost import rental_cost
from pipeline.domain.events import Alerted, Extended, Halted
from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.ids import JobId
from pipeline.domain.job import Alert, Job
from pipeline.domain.money import MICRO, MicroUsd
from pipeline.domain.quote import JOB_BUDGET, SHORTEST_DEADLINE, deadline
from pipeline.domain.stage import Stage, Wish
from pipeline.flow.journal import load_job, load_progress
from pipeline.flow.kit import Kit
from pipeline.flow.records import job_doc, job_from, ms
from pipeline.ports import Clock, House, Pace, Store

log = structlog.get_logger()
TIME: Final = "deadline"
RENTAL: Final = "rental-ends"
JOB: Final = "budget-job"
DAY: Final = "budget-day"
HOUR: Final = "budget-hour"
GRACE: Final = timedelta(minutes=10)  # between the alert and the stop
BEFORE: Final = timedelta(minutes=15)  # the rental ends, we are done with it
SPAN: Final = timedelta(days=1)  # of the day's budget
OWN_SLOWNESS: Final = timedelta(seconds=100)  # real: nothing of ours gets faster with a sandbox, and a boot is in it
CAS_TRIES: Final = 20
LIVE: Final = tuple(stage.value for stage in Stage if stage is not Stage.DONE)


# --- one job: pure


def due(job: Job, pace: Pace) -> tuple[datetime, str] | None:
    """When the machine in hand has had its time, and why then; None without a machine."""
    machine = job.machine
    if machine is None:
        return None
    at = machine.since + max(OWN_SLOWNESS, pace.delta(seconds=deadline(job.quote.slow_seconds)))
    if job.extended_at is not None and job.extended_at >= machine.since:
        at = max(at, job.extended_at + pace.delta(seconds=extension(job)))
    if machine.ends is not None and machine.ends - BEFORE * pace.factor < at:
        return machine.ends - BEFORE * pace.factor, RENTAL
    return at, TIME


def extension(job: Job) -> float:
    """Seconds that "Keep going" adds: as long as the whole job takes on a slow machine."""
    return max(job.quote.slow_seconds, SHORTEST_DEADLINE)


def extendable(job: Job, now: datetime, pace: Pace) -> bool:
    """Whether "Keep going" would still gain something: once a machine, and not past the rental's end."""
    machine = job.machine
    if machine is None or (job.extended_at is not None and job.extended_at >= machine.since):
        return False
    then = due(replace(job, extended_at=now), pace)
    return then is not None and then[0] > now + GRACE * pace.factor


def spent(job: Job, now: datetime, pace: Pace) -> MicroUsd:
    """What all machines of `job` have cost us so far, useful or not."""
    running = rental_cost(job.machine, job.measured_until or now, pace.factor) if job.machine else 0
    return MicroUsd(sum(rental.cost for rental in job.rentals) + running)


def overspent(job: Job, now: datetime, pace: Pace) -> bool:
    """Twice the ceiling is the most the house ever puts into one job.

    Our own slowness on each machine is not its fault: cents in life, much in a sandbox whose hours are seconds.
    """
    slowness = quoted_rate(job) * (len(job.rentals) + 1) * pace.life(OWN_SLOWNESS.total_seconds()) / 3600
    return spent(job, now, pace) >= JOB_BUDGET * job.quote.ceiling_cost + slowness


def judged(job: Job, now: datetime, pace: Pace) -> Job | None:
    """The job as it must go on while it trains, or None: nothing is up."""
    end = due(job, pace)
    if job.wish is not None or end is None:
        return None
    if overspent(job, now, pace):
        return halted(job, now, JOB)
    if job.alert is not None and job.machine is not None and job.alert.at >= job.machine.since:
        return halted(job, now, job.alert.code) if now >= job.alert.until else None
    if now < end[0]:
        return None
    alert = Alert(code=end[1], at=now, until=now + GRACE * pace.factor)
    return replace(job, alert=alert).telling(now, Alerted(code=alert.code, until=alert.until))


def halted(job: Job, now: datetime, code: str) -> Job:
    """Stop and keep, by our own wish."""
    return replace(job, wish=Wish.STOP, halted=code, alert=None).telling(now, Halted(code=code))


def extended(job: Job, now: datetime, pace: Pace) -> Job:
    """The person's "Keep going". Raises UserFault("nothing-to-extend" | "not-extendable")."""
    if job.alert is None or job.wish is not None or job.ending is not None or job.stage is not Stage.TRAIN:
        raise UserFault("nothing-to-extend")
    if not extendable(job, now, pace):
        raise UserFault("not-extendable")
    going = replace(job, extended_at=now, alert=None)
    then = due(going, pace)
    assert then is not None
    return going.telling(now, Extended(until=then[0]))


async def minded(job: Job, kit: Kit) -> Job:
    """`job`, alerted or halted where its time or money is up. Everything comes from what is stored."""
    changed = judged(job, kit.now(), kit.pace)
    if changed is None:
        return job
    log.warning("time-or-money-is-up", job=job.id, code=changed.halted or (changed.alert and changed.alert.code))
    return await kit.journal.save(changed)


# --- all jobs of the house


@dataclass(frozen=True, slots=True, kw_only=True)
class Brakes:
    """The operator's two: dollars an hour, and dollars in any 24 hours, over all jobs."""

    store: Store
    clock: Clock
    house: House
    pace: Pace

    async def admit(self, job: Job) -> None:
        """Let `job` rent, or raise OperatorFault("budget-job" | "budget-day" | "budget-hour")."""
        now = self.clock.now()
        if overspent(job, now, self.pace):
            raise OperatorFault(JOB, spent=_usd(spent(job, now, self.pace)))
        jobs = await self._jobs(now)
        day = day_spent(jobs, now, self.pace)
        if day >= self.house.max_per_day:
            raise OperatorFault(DAY, spent=_usd(day), most=_usd(self.house.max_per_day))
        hour = sum(each.machine.rate for each in jobs if each.machine and each.id != job.id)
        if hour and hour + quoted_rate(job) > self.house.max_per_hour:
            raise OperatorFault(HOUR, running=_usd(hour), most=_usd(self.house.max_per_hour))

    async def halt(self) -> list[JobId]:
        """Stop and keep every training once the day's money is spent. The jobs that were told."""
        now = self.clock.now()
        jobs = await self._jobs(now)
        if day_spent(jobs, now, self.pace) < self.house.max_per_day:
            return []
        training = [job for job in jobs if job.stage is Stage.TRAIN and job.wish is None]
        return [job.id for job in training if await self._keepable(job) and await self._told(job)]

    async def _keepable(self, job: Job) -> bool:
        """Whether it has trained a step; one that has not is looked at again, for a stop would leave it nothing."""
        progress = await load_progress(self.store, job.id)
        return progress is not None and progress.unit == "step" and progress.done > 0

    async def _told(self, job: Job) -> bool:
        for _ in range(CAS_TRIES):
            if job.stage is not Stage.TRAIN or job.wish is not None:
                return False
            now = self.clock.now()
            stopped = replace(halted(job, now, DAY), version=job.version + 1, changed_at=now)
            if await self.store.cas("jobs", job.id, job.version, job_doc(stopped)):
                return True
            await asyncio.sleep(0)
            again = await load_job(self.store, job.id)
            if again is None:
                return False
            job = again
        return False

    async def _jobs(self, now: datetime) -> list[Job]:
        """Jobs that may have cost something in the last day: those that live, and those that ended since."""
        since = now - SPAN * self.pace.factor
        live = await self.store.find("jobs", among={"stage": LIVE}, limit=1000)
        done = await self.store.find(
            "jobs", equal={"stage": Stage.DONE.value}, above={"changed_ms": ms(since)}, order="-changed_ms", limit=1000
        )
        return [job_from(doc) for doc in (*live, *done)]


def day_spent(jobs: Iterable[Job], now: datetime, pace: Pace) -> MicroUsd:
    """What machines cost in the last 24 hours; one given back since then counts whole."""
    since = now - SPAN * pace.factor
    total = 0
    for job in jobs:
        total += sum(rental.cost for rental in job.rentals if (rental.ended or job.changed_at) > since)
        if job.machine is not None and job.machine.running_since is not None:
            began = max(job.machine.running_since, since)
            total += rental_cost(replace(job.machine, running_since=began), job.measured_until or now, pace.factor)
    return MicroUsd(total)


def quoted_rate(job: Job) -> MicroUsd:
    """Micro-dollars an hour, as the quote counts on."""
    return MicroUsd(round(job.quote.cost * 3600 / max(1.0, job.quote.seconds)))


def _usd(micro: int) -> str:
    return f"${micro / MICRO:.2f}"
