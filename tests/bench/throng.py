"""A bot over a store in memory while many train: our platform, desk and relay, as the chat figures measure them."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import structlog

from bot.desk import Desk
from bot.ports import Ear, Grounds, Office
from bot.visit import Premises
from notifier.ports import Courier
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.adapters.clock import SystemClock
from pipeline.domain.ids import AccountId, JobId
from pipeline.domain.job import Address, Job
from pipeline.domain.progress import Progress
from pipeline.domain.stage import Stage
from pipeline.flow.records import job_doc, progress_doc
from pipeline.ports import Pace
from tests.support.notified import machine, ordered, stepping
from tests.support.store import MemoryStore

STEPS: Final = 2000
Trainee = tuple[AccountId, Address]


class Platform(Ear, Courier, Protocol):
    """Hears and shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throng:
    """Who trains. They begin one after the other, then each has a new reading every `tick`."""

    people: Sequence[Trainee]
    tick: float  # seconds between two readings of every training
    joining: float  # trainings that begin in a second: each sends its first message


async def serve(platform: Platform, office: Office, throng: Throng) -> None:
    """Be the bot of one platform, for ever."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    clock, store, spool = SystemClock(), MemoryStore(), Path(tempfile.mkdtemp())
    grounds = Grounds(store=store, folder=spool, clock=clock, words=Words, office=office)
    desk = Desk(office, {platform.name: platform}, Words, clock, Premises(spool=spool))
    relay = Relay(store, Shown(store), {platform.name: platform}, Words, Pace(), clock, spool, simulated=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run())
        group.create_task(_training(store, clock, throng))
        group.create_task(platform.run(desk.hear, grounds))


async def _training(store: MemoryStore, clock: SystemClock, throng: Throng) -> None:
    jobs = [_job(clock, n, *one) for n, one in enumerate(throng.people)]
    for job in jobs:
        now = clock.now()
        await store.create("progress", job.id, progress_doc(_reading(clock, 1)))
        await store.create("jobs", job.id, job_doc(replace(job, created_at=now, changed_at=now)))
        await asyncio.sleep(1 / throng.joining)
    for version in range(100_000):
        for job in jobs:
            await store.cas("progress", job.id, version, progress_doc(_reading(clock, 2 + version)))
            await asyncio.sleep(throng.tick / len(jobs))
        if not jobs:
            await asyncio.sleep(throng.tick)


def _job(clock: SystemClock, n: int, account: AccountId, address: Address) -> Job:
    return replace(
        ordered(JobId(f"bench{n:07d}"), address.platform, STEPS), stage=Stage.TRAIN, machine=machine(clock.now()),
        address=address, account=account,
    )  # fmt: skip


def _reading(clock: SystemClock, done: int) -> Progress:
    return replace(stepping(0, min(done, STEPS), STEPS), at=clock.now())
