"""What watching many trainings costs at home: real connections to a real sshd, the real poll, and all done with it."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from notifier.cards import render
from notifier.view import view_of
from notifier.words import Words
from pipeline.adapters.stores.sqlite import SqliteStore
from pipeline.domain.stage import Stage
from pipeline.flow.journal import Journal
from pipeline.flow.kit import Kit
from pipeline.flow.records import COLLECTIONS, job_doc
from pipeline.flow.stages.watching import Watch, caught_up
from pipeline.ports import Host
from pipeline.trainers.box import folder
from pipeline.trainers.lease import FOLDER as LEASE
from pipeline.trainers.verdict import Tale
from tests.bench.client import machine
from tests.bench.row import Row, most, skipped
from tests.bench.ssh import EVERY, JOB, POLL, Yard, _grow, yard
from tests.bench.yonder import NO_SSHD, SSHD
from tests.support.jobs import a_job, a_world

BOXES: Final = 24
LOOKS: Final = 20
MANY: Final = 500


def watching() -> list[Row]:
    """CPU of this process alone: the far side, its shells included, is others'."""
    if SSHD is None:
        return [skipped("watching 500 boxes", NO_SSHD)]
    with yard() as place:
        for name in (folder(JOB), LEASE):
            (place.home / name).mkdir(parents=True)
        line, whole = asyncio.run(_watched(place))
    share = 100 * MANY / EVERY / 1000
    said = f"{BOXES} connections measured, {LOOKS} looks each; {MANY} are that much more of the same"
    return [
        most("one poll, CPU at home", line, 0.6, "ms", f"SSH and the answer's reading; {said}"),
        most(f"SSH of {MANY} boxes, each {EVERY:.0f} s", line * share, 6, "% of a core", said),
        most(f"watching {MANY} boxes, each {EVERY:.0f} s", whole * share, 15, "% of a core",
             f"{whole:.2f} ms a look: poll, log, speed, ETA, row in SQLite, card"),
    ]  # fmt: skip


async def _watched(place: Yard) -> tuple[float, float]:
    """Milliseconds of CPU a look takes: its line alone, and all of it."""
    job = replace(a_job(), stage=Stage.TRAIN, id=JOB)
    kit = a_world(place.root).kit(job)
    store = await SqliteStore.open(place.root / "bench.db", COLLECTIONS)
    await store.create("jobs", job.id, job_doc(job))
    kit = replace(kit, store=store, journal=Journal(store, kit.clock, job, lambda: None))
    async with AsyncExitStack() as opened:
        hosts: list[Host] = [
            await opened.enter_async_context(place.hosts.open(machine(place.port, number))) for number in range(BOXES)
        ]
        watches = [Watch(heard_at=kit.now(), tale=Tale("bench")) for _ in hosts]
        await _round(hosts, watches, kit)  # the pumps start
        bare = whole = 0.0
        for number in range(LOOKS):
            _grow(place, number)
            whole += await _round(hosts, watches, kit)
            bare += await _asked(hosts, watches)
    await store.close()
    return 1000 * bare / BOXES / LOOKS, 1000 * whole / BOXES / LOOKS


async def _asked(hosts: list[Host], watches: list[Watch]) -> float:
    """The same question without anything done with the answer."""
    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for host, watch in zip(hosts, watches, strict=True):
            group.create_task(host.ask(POLL, max(0, watch.offset - 400), watch.charted))
    return time.process_time() - began


async def _round(hosts: list[Host], watches: list[Watch], kit: Kit) -> float:
    job, words = kit.journal.latest, Words()

    async def look(host: Host, watch: Watch) -> None:
        await caught_up(job, kit, host, watch)
        watch.clocked(kit.now())
        if watch.progress:
            await kit.journal.note(watch.progress)
        render(view_of(job, watch.progress), words, now=kit.now(), spool=kit.spool.root, simulated=False)

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for host, watch in zip(hosts, watches, strict=True):
            group.create_task(look(host, watch))
    return time.process_time() - began
