"""The bot of the Telegram figures: our platform, desk and relay over a store in memory, with many trainings."""

import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from bot.desk import Desk
from bot.platforms.telegram.telegram import Config, Telegram
from bot.ports import Grounds
from bot.visit import Premises
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
from tests.support.office import Office
from tests.support.store import MemoryStore

STEPS = 2000
TICK = 5.0  # seconds between two readings of every training, as the pipeline reads
JOINING = 15.0  # trainings that begin in a second: each sends its first message


async def main(order: dict[str, Any]) -> None:
    """`order`: token, api, and the chats of those who train."""
    clock, store, office = SystemClock(), MemoryStore(), Office()
    platform = Telegram(Config(token=order["token"], api_url=order["api"]))
    spool = Path(tempfile.mkdtemp())
    grounds = Grounds(store=store, folder=spool, clock=clock, words=Words, office=office)
    desk = Desk(office, {"telegram": platform}, Words, clock, Premises(spool=spool))
    relay = Relay(store, Shown(store), {"telegram": platform}, Words, Pace(), clock, spool, simulated=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run())
        group.create_task(_training(store, clock, order["chats"]))
        group.create_task(platform.run(desk.hear, grounds))


async def _training(store: MemoryStore, clock: SystemClock, chats: list[int]) -> None:
    """Everybody trains: they begin one after the other, then each has a new reading every TICK."""
    jobs = [_job(clock, n, chat) for n, chat in enumerate(chats)]
    for job in jobs:
        now = clock.now()
        await store.create("progress", job.id, progress_doc(_reading(clock, 1)))
        await store.create("jobs", job.id, job_doc(replace(job, created_at=now, changed_at=now)))
        await asyncio.sleep(1 / JOINING)
    for version in range(100_000):
        for job in jobs:
            await store.cas("progress", job.id, version, progress_doc(_reading(clock, 2 + version)))
            await asyncio.sleep(TICK / len(jobs))


def _job(clock: SystemClock, n: int, chat: int) -> Job:
    return replace(
        ordered(JobId(f"bench{n:07d}"), "telegram", STEPS), stage=Stage.TRAIN, machine=machine(clock.now()),
        address=Address("telegram", str(chat)), account=AccountId(str(chat)),
    )  # fmt: skip


def _reading(clock: SystemClock, done: int) -> Progress:
    return replace(stepping(0, min(done, STEPS), STEPS), at=clock.now())


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(main(json.loads(sys.stdin.read())))
