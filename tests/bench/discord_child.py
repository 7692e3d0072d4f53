"""The bot of the Discord figures: our platform, desk and relay over a store in memory, with many trainings going on."""

import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from bot.desk import Desk
from bot.platforms.discord.platform import Discord, Line
from bot.ports import Grounds
from bot.visit import Premises
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.adapters.clock import SystemClock
from pipeline.domain.account import Room
from pipeline.domain.ids import AccountId, JobId
from pipeline.domain.job import Address, Job
from pipeline.domain.progress import Progress
from pipeline.domain.stage import Stage
from pipeline.flow.records import job_doc, progress_doc
from pipeline.ports import Pace
from tests.support.discord_town import Clerk
from tests.support.notified import machine, ordered, stepping
from tests.support.store import MemoryStore

STEPS = 2000
TICK = 2.0  # seconds between two readings of every training
JOINING = 30.0  # trainings that begin in a second


async def main(order: dict[str, Any]) -> None:
    """`order`: token, api, gateway, and the DMs (user, channel) of those who train."""
    clock, store, office = SystemClock(), MemoryStore(), Clerk()
    platform = Discord(Line(token=order["token"], api=order["api"], gateway=order["gateway"]))
    spool = Path(tempfile.mkdtemp())
    grounds = Grounds(store=store, folder=spool, clock=clock, words=Words, office=office)
    desk = Desk(office, {"discord": platform}, Words, clock, Premises(spool=spool))
    relay = Relay(store, Shown(store), {"discord": platform}, Words, Pace(), clock, spool, simulated=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run())
        group.create_task(_training(store, clock, order["dms"]))
        group.create_task(platform.run(desk.hear, grounds))


async def _training(store: MemoryStore, clock: SystemClock, dms: list[tuple[int, int]]) -> None:
    """Everybody trains: they begin one after the other, then each has a new reading every TICK."""
    jobs = [_job(clock, n, user, channel) for n, (user, channel) in enumerate(dms)]
    for job in jobs:
        now = clock.now()
        await store.create("progress", job.id, progress_doc(_reading(clock, 1)))
        await store.create("jobs", job.id, job_doc(replace(job, created_at=now, changed_at=now)))
        await asyncio.sleep(1 / JOINING)
    for version in range(100_000):
        for job in jobs:
            await store.cas("progress", job.id, version, progress_doc(_reading(clock, 2 + version)))
            await asyncio.sleep(TICK / len(jobs))
        if not jobs:
            await asyncio.sleep(TICK)


def _job(clock: SystemClock, n: int, user: int, channel: int) -> Job:
    return replace(
        ordered(JobId(f"bench{n:07d}"), "discord", STEPS), stage=Stage.TRAIN, machine=machine(clock.now()),
        address=Address("discord", f"d.{channel}.{user}", "en-US", Room.DM), account=AccountId(str(user)),
    )  # fmt: skip


def _reading(clock: SystemClock, done: int) -> Progress:
    return replace(stepping(0, min(done, STEPS), STEPS), at=clock.now())


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(main(json.loads(sys.stdin.read())))
