"""An hour's training on Telegram, in virtual time: what it costs in calls, and what a hundred of them do at a start."""

import asyncio
from dataclasses import replace
from pathlib import Path

from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.pace import Gate, Rhythm
from notifier.card import Card
from notifier.ports import MessageId
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.domain.events import StageReached
from pipeline.domain.ids import JobId
from pipeline.domain.job import Address, Ending, Job
from pipeline.domain.progress import Progress
from pipeline.domain.stage import End, Stage
from pipeline.flow.records import job_doc, progress_doc
from pipeline.ports import Pace
from tests.support.botline import Line, a_wire
from tests.support.notified import ordered
from tests.support.store import MemoryStore
from tests.support.virtual import VirtualClock, run

MINUTES = {  # an hour, as it goes
    Stage.PREPARE: 0.2, Stage.RENT: 0.3, Stage.WAIT: 4, Stage.UPLOAD: 0.5, Stage.FETCH: 5, Stage.TRAIN: 46,
    Stage.COLLECT: 1.5, Stage.TERMINATE: 0.5, Stage.BILL: 0.1, Stage.PUBLISH: 1.8, Stage.REGISTER: 0.1,
}  # fmt: skip
COUNTED = {Stage.UPLOAD: "byte", Stage.FETCH: "byte", Stage.TRAIN: "step", Stage.COLLECT: "byte", Stage.PUBLISH: "byte"}
OFTEN = 3.0  # seconds between two readings of the box


class Room:
    """A courier that is Telegram's mouth."""

    name = "telegram"

    def __init__(self) -> None:
        self.wire, self.line = a_wire()
        self.times: list[float] = []
        self._mouth = Mouth(self.wire, Gate(), Rhythm(Pace()), Memory(MemoryStore()), "TrainBot")

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        shown = await self._mouth.show(to, card, over)
        self.times.append(asyncio.get_running_loop().time())
        return shown

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        return True


def relay_of(store: MemoryStore, room: Room) -> Relay:
    words = Words("en", strict=True)
    return Relay(
        store, Shown(store), {"telegram": room}, lambda _: words, Pace(), VirtualClock(), Path("spool"), simulated=False
    )


async def save(store: MemoryStore, job: Job) -> Job:
    now = replace(job, changed_at=VirtualClock().now())
    if await store.create("jobs", job.id, job_doc(now)):
        return now
    assert await store.cas("jobs", job.id, job.version, job_doc(replace(now, version=job.version + 1)))
    return replace(now, version=job.version + 1)


async def lived(store: MemoryStore, job: Job) -> None:
    """The whole hour, with a reading of the box every few seconds wherever something is counted."""
    job = await save(store, job)
    for stage, minutes in MINUTES.items():
        now = VirtualClock().now()
        job = await save(store, replace(job, stage=stage).telling(now, StageReached(stage=stage, attempt=1)))
        readings = round(minutes * 60 / OFTEN)
        for n in range(readings):
            await asyncio.sleep(OFTEN)
            if stage in COUNTED:
                await told(store, job, stage, n + 1, readings)
    done = job.leaving(VirtualClock().now(), Ending(End.CANCELLED))
    await save(store, replace(done, stage=Stage.DONE))


async def told(store: MemoryStore, job: Job, stage: Stage, done: int, total: int) -> None:
    progress = Progress(
        at=VirtualClock().now(), phase="training" if stage is Stage.TRAIN else "", done=done, total=total,
        unit=COUNTED[stage], loss=1.0 / done, seconds_left=OFTEN * (total - done),
    )  # fmt: skip
    doc = await store.get("progress", job.id)
    if doc is None:
        await store.create("progress", job.id, progress_doc(progress))
    else:
        await store.cas("progress", job.id, doc["version"], progress_doc(progress))


def test_an_hours_training_costs_at_most_200_calls() -> None:
    store, room = MemoryStore(), Room()

    async def life() -> None:
        async with asyncio.TaskGroup() as group:
            relay = group.create_task(relay_of(store, room).run())
            await lived(store, ordered(platform="telegram"))
            await asyncio.sleep(60)
            relay.cancel()

    run(life())
    assert 150 <= len(room.line.calls) <= 200
    assert room.line.names.count("sendMessage") == 1
    gaps = [later - sooner for sooner, later in zip(room.times, room.times[1:], strict=False)]
    assert min(gaps) >= 1.0


def test_a_restart_with_a_hundred_live_messages_is_no_burst_and_every_one_is_true_within_half_a_minute() -> None:
    store, before, after = MemoryStore(), Room(), Room()
    jobs = [
        replace(ordered(JobId(f"job{n:09}"), platform="telegram"), address=Address("telegram", str(n + 1)))
        for n in range(100)
    ]

    async def first() -> list[Job]:
        async with asyncio.TaskGroup() as group:
            relay = group.create_task(relay_of(store, before).run())
            kept = [await save(store, replace(job, stage=Stage.TRAIN)) for job in jobs]
            await asyncio.sleep(60)
            relay.cancel()
        return kept

    async def second() -> None:
        kept = jobs
        async with asyncio.TaskGroup() as group:
            for job in kept:
                await told(store, job, Stage.TRAIN, 500, 2000)
            relay = group.create_task(relay_of(store, after).run())
            await asyncio.sleep(30)
            relay.cancel()

    run(first())
    run(second(), start=100)
    assert _edited(after.line) == {n + 1 for n in range(100)}
    assert max(sum(1 for at in after.times if begin <= at < begin + 1) for begin in after.times) <= 30


def _edited(line: Line) -> set[int]:
    return {call.chat_id for call in line.of("editMessageText")}
