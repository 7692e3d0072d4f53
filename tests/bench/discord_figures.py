"""What Discord's people and Discord itself notice of us: how fast, how often, how large."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Final, cast

from bot.platforms.discord.brake import Brake
from bot.platforms.discord.hearing import Listener
from bot.platforms.discord.mouth import Mouth
from bot.platforms.discord.people import People
from bot.ports import Grounds
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.domain.account import Room
from pipeline.domain.events import StageReached
from pipeline.domain.job import Address, Job
from pipeline.domain.stage import Stage
from pipeline.flow.records import job_doc, progress_doc
from pipeline.ports import Pace
from tests.bench.row import Row, most, percentile
from tests.support.discord import Discord, discord
from tests.support.notified import JOB, machine, ordered, stepping
from tests.support.store import MemoryStore
from tests.support.virtual import VirtualClock
from tests.support.virtual import run as virtually

PEOPLE, ASKED, PAUSE = 500, 200, 0.05
SERVERS: Final = 10_000
HOUR: Final = 3600.0
READING: Final = 5.0  # seconds between two readings of a training
BEFORE, AFTER = 300.0, 120.0  # seconds of the stages before and after TRAIN, of the hour


def discords() -> list[Row]:
    return [*asyncio.run(_busy()), *asyncio.run(_large()), _calls()]


@asynccontextmanager
async def _bot(there: Discord, people: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A bot process that is logged in, with so many trainings."""
    dms = [(person.user.id, person.dm.id) for person in (there.person(1000 + n) for n in range(people))]
    env = there.env
    order = {
        "token": env["DISCORD_TOKEN"], "api": env["DISCORD_API_URL"], "gateway": env["DISCORD_GATEWAY_URL"], "dms": dms
    }  # fmt: skip
    child = subprocess.Popen([sys.executable, "-m", "tests.bench.discord_child"], stdin=subprocess.PIPE)  # noqa: ASYNC220  # it is the thing measured
    assert child.stdin is not None
    child.stdin.write(json.dumps(order).encode())
    child.stdin.close()
    try:
        await there.online()
        yield child
    finally:
        child.kill()
        child.wait()


async def _busy() -> list[Row]:
    """Time from an interaction to its acknowledgement while 500 trainings are told, and what is broken meanwhile."""
    async with discord() as there:
        began = time.perf_counter()
        async with _bot(there, PEOPLE):
            started = time.perf_counter() - began
            await there.state.bell.until(lambda: len(there.state.messages()) >= PEOPLE, lambda: "live messages", 120)
            ann, waits = there.person(7), list[float]()
            before = len(there.rest.exchanges)
            for _ in range(ASKED):
                at = time.perf_counter()
                await ann.slash("balance", ann.dm)
                waits.append(1000 * (time.perf_counter() - at))
                await asyncio.sleep(PAUSE)
            edits = len(there.rest.exchanges) - before - 2 * ASKED
        detail = f"median {percentile(waits, 50):.0f} ms, {ASKED} commands, {edits} edits beside them, one machine"
        return [
            most("Discord: interaction to defer, p99, 500 trainings", percentile(waits, 99), 500, "ms", detail),
            most("Discord: limits broken", len(there.violations), 0, "", "; ".join(there.violations[:3])),
            Row("Discord: start until greeted", started, "s"),
        ]


async def _large() -> list[Row]:
    async with discord() as there:
        for _ in range(SERVERS):
            there.state.guild()
        async with _bot(there, 0) as child:
            shards = SERVERS // 1000 + 1
            await there.state.bell.until(
                lambda: len(there.gateway.identified) >= shards, lambda: f"{len(there.gateway.identified)} shards", 120
            )
            await asyncio.sleep(1)
            kept = _memory(child.pid)
        return [Row("Discord: memory with 10,000 servers", kept, "MB", detail=f"{shards} shards")]


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024


# --- calls of one training


@dataclass
class Counting:
    """As much of a client as the mouth uses, counting."""

    brake: Brake = field(default_factory=Brake)
    calls: int = 0

    async def create_dm(self, _user: object) -> Any:
        return self._called()

    def get_partial_messageable(self, _channel: int) -> Any:
        return SimpleNamespace(send=self._call, get_partial_message=lambda _number: SimpleNamespace(edit=self._call))

    async def _call(self, **_parts: object) -> Any:
        return self._called()

    def _called(self) -> Any:
        self.calls += 1
        return SimpleNamespace(id=self.calls)


def _calls() -> Row:
    """One hour's training, from its first message to its last, in virtual time."""
    with TemporaryDirectory() as folder:
        calls = virtually(_told(Path(folder)))
    return most("Discord: calls of a 1 h training", calls, 200, "", f"a reading every {READING:g} s")


async def _told(spool: Path) -> int:
    store, clock, client = MemoryStore(), VirtualClock(), Counting()
    grounds = Grounds(store=store, folder=spool, clock=clock, words=Words)
    listener = cast("Listener", client)
    mouth = Mouth(listener, grounds, People(listener, grounds))
    courier = SimpleNamespace(name="discord", show=mouth.show)
    relay = Relay(store, Shown(store), {"discord": cast("Any", courier)}, Words, Pace(), clock, spool, simulated=False)
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(relay.run())
        await _lived(store, clock)
        await asyncio.sleep(60)
        telling.cancel()
    return client.calls


async def _lived(store: MemoryStore, clock: VirtualClock) -> None:
    stages = [stage for stage in Stage if stage is not Stage.DONE]
    at = stages.index(Stage.TRAIN)
    address = Address("discord", "c.5.7", "en-US", Room.DM)
    job = replace(ordered(JOB, "discord"), address=address, machine=machine(clock.now()))
    await store.create("jobs", job.id, job_doc(job))
    await store.create("progress", job.id, progress_doc(replace(stepping(0, 0), at=clock.now())))
    for stage in stages[:at]:
        job = await _moved(store, clock, job, stage)
        await asyncio.sleep(BEFORE / at)
    job = await _moved(store, clock, job, Stage.TRAIN)
    readings = round((HOUR - BEFORE - AFTER) / READING)
    for n in range(readings):
        reading = replace(stepping(0, 2000 * n // readings), at=clock.now())
        await store.cas("progress", job.id, n, progress_doc(reading))
        await asyncio.sleep(READING)
    for stage in stages[at + 1 :]:
        job = await _moved(store, clock, job, stage)
        await asyncio.sleep(AFTER / len(stages[at + 1 :]))


async def _moved(store: MemoryStore, clock: VirtualClock, job: Job, stage: Stage) -> Job:
    moved = replace(job, stage=stage, changed_at=clock.now()).telling(clock.now(), StageReached(stage=stage, attempt=1))
    assert await store.cas("jobs", job.id, job.version, job_doc(moved))
    return replace(moved, version=job.version + 1)
