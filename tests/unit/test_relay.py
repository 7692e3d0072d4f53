"""One message a job, always true: bursts, restarts, blocked people and couriers that stumble."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from notifier.ports import Courier, Later, Unreachable
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.domain.events import StageReached
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import JobId, Sha256
from pipeline.domain.job import Artifact, Ending, Job
from pipeline.domain.stage import End, Stage
from pipeline.flow.records import job_doc, progress_doc
from pipeline.ports import Pace
from tests.support.notified import JOB, Chat, ordered, stepping
from tests.support.store import MemoryStore
from tests.support.virtual import EPOCH, VirtualClock, run


class Stumbling(MemoryStore):
    """Down for the next `down` looks."""

    down = 0

    async def find(self, coll: str, **asked: Any) -> list[dict[str, Any]]:
        if self.down:
            self.down -= 1
            raise OperatorFault("store-down")
        return await super().find(coll, **asked)


def relay_of(store: MemoryStore, couriers: Mapping[str, Courier], spool: Path = Path("spool")) -> Relay:
    words = Words("en", strict=True)
    return Relay(store, Shown(store), couriers, lambda _: words, Pace(), VirtualClock(), spool, simulated=False)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    """The relay at work; cancelled at the end, as a process does it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.run())
        yield relay
        task.cancel()


async def save(store: MemoryStore, job: Job) -> Job:
    """What the journal does: create, or write over the version before."""
    now = replace(job, changed_at=VirtualClock().now())
    if await store.get("jobs", job.id) is None:
        assert await store.create("jobs", job.id, job_doc(replace(now, version=0)))
        return replace(now, version=0)
    assert await store.cas("jobs", job.id, job.version, job_doc(replace(now, version=job.version + 1)))
    return replace(now, version=job.version + 1)


def reached(job: Job, stage: Stage) -> Job:
    now = VirtualClock().now()
    return replace(job, stage=stage).telling(now, StageReached(stage=stage, attempt=1))


def cancelled(job: Job) -> Job:
    return replace(job.leaving(VirtualClock().now(), Ending(End.CANCELLED)), stage=Stage.DONE)


def test_a_job_is_one_message_from_its_start_to_its_end() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            job = await save(store, ordered())
            for stage in (Stage.RENT, Stage.TRAIN):
                await asyncio.sleep(10)
                job = await save(store, reached(job, stage))
            await asyncio.sleep(10)
            await save(store, cancelled(job))
            await asyncio.sleep(10)

    run(life())
    assert [over for _, over, _ in chat.calls] == [None, "m1", "m1", "m1"]
    assert chat.only.final


def test_nothing_is_edited_while_nothing_changes() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, ordered())
            await asyncio.sleep(50)

    run(life())
    assert len(chat.calls) == 1


def test_a_burst_during_a_slow_edit_becomes_one_edit_of_the_latest() -> None:
    chat, store = Chat(seconds=30), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            job = await save(store, ordered())
            await asyncio.sleep(5)
            for stage in (Stage.RENT, Stage.WAIT, Stage.UPLOAD, Stage.FETCH):
                await asyncio.sleep(3)
                job = await save(store, reached(job, stage))
            await asyncio.sleep(60)

    run(life())
    assert len(chat.calls) == 2
    assert "Step 5 of 11" in chat.only.lines[0]


def test_a_new_row_of_progress_is_shown_though_the_job_did_not_change() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, reached(await save(store, ordered()), Stage.TRAIN))
            await asyncio.sleep(10)
            await store.create("progress", JOB, progress_doc(stepping(0.2, 12, 30)))
            await asyncio.sleep(3)

    run(life())
    assert chat.only.bar_label == "12/30 steps"


def test_a_hint_is_answered_at_once() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})) as relay:
            await asyncio.sleep(2.3)  # a poll has just passed
            await save(store, ordered())
            relay.wake()
            await asyncio.sleep(0.5)

    run(life())
    assert len(chat.calls) == 1


def test_a_restart_resends_nothing_and_goes_on_in_the_same_message() -> None:
    chat, store = Chat(), MemoryStore()

    async def first() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, ordered())
            await asyncio.sleep(10)

    async def second() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await asyncio.sleep(10)
            assert len(chat.calls) == 1
            job = replace(ordered(), version=0)
            await save(store, reached(job, Stage.RENT))
            await asyncio.sleep(10)

    run(first())
    run(second(), start=20)
    assert [over for _, over, _ in chat.calls] == [None, "m1"]


def test_what_happened_while_we_were_away_is_told_once() -> None:
    chat, store = Chat(), MemoryStore()

    async def away() -> None:
        await save(store, cancelled(await save(store, ordered())))

    async def back() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await asyncio.sleep(10)

    run(away())
    for hours in (3, 4):
        run(back(), start=hours * 3600)
    assert len(chat.calls) == 1
    assert chat.only.final


def test_a_person_who_blocked_us_is_tried_again_at_the_end_only() -> None:
    chat, store = Chat(fails=[Unreachable()]), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            job = await save(store, ordered())
            for stage in (Stage.RENT, Stage.WAIT):
                await asyncio.sleep(10)
                job = await save(store, reached(job, stage))
            assert (await Shown(store).of(JOB)).unreachable
            assert chat.calls == []
            await asyncio.sleep(10)
            await save(store, cancelled(job))
            await asyncio.sleep(10)

    run(life())
    assert [card.final for _, _, card in chat.calls] == [True]


def test_a_person_who_stays_unreachable_is_left_alone_for_good() -> None:
    chat, store = Chat(fails=[Unreachable()] * 99), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, cancelled(await save(store, ordered())))
            await asyncio.sleep(600)

    run(life())
    assert len(chat.fails) == 98


def test_a_person_who_comes_back_is_told_the_end_that_was_kept_from_them() -> None:
    chat, store = Chat(fails=[Unreachable()] * 2), MemoryStore()

    async def life() -> None:
        relay = relay_of(store, {"memory": chat})
        async with running(relay):
            job = await save(store, ordered())
            await asyncio.sleep(10)
            await save(store, cancelled(job))
            await asyncio.sleep(10)
            relay.reachable("memory", "somebody else")
            await asyncio.sleep(10)
            assert chat.calls == []
            relay.reachable("memory", "7")
            await asyncio.sleep(10)

    run(life())
    assert [card.final for _, _, card in chat.calls] == [True]


def test_an_edit_that_is_not_due_is_asked_for_again_with_what_is_true_by_then() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            job = await save(store, ordered())
            await asyncio.sleep(10)
            chat.fails = [Later(3.0)] * 3
            job = await save(store, reached(job, Stage.RENT))
            await asyncio.sleep(3)
            await save(store, reached(job, Stage.WAIT))
            await asyncio.sleep(30)

    run(life())
    assert chat.fails == []
    assert ["Step 3 of" in " ".join(card.lines) for _, _, card in chat.calls] == [False, True]


def test_a_card_that_is_not_due_is_not_drawn_again_and_again_unless_its_job_moves() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            job = await save(store, ordered())
            await asyncio.sleep(10)
            chat.fails = [Later(60.0)] * 2
            job = await save(store, reached(job, Stage.RENT))
            await asyncio.sleep(30)
            assert len(chat.fails) == 1
            await save(store, reached(job, Stage.WAIT))
            await asyncio.sleep(5)
            assert chat.fails == []
            await asyncio.sleep(70)

    run(life())
    assert ["Step 3 of" in " ".join(card.lines) for _, _, card in chat.calls] == [False, True]


def test_a_courier_that_stumbles_is_asked_again_and_stops_nobody_elses_message() -> None:
    limping, chat, store = Chat("limping", fails=[OSError("reset")] * 3), Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"limping": limping, "memory": chat})):
            await save(store, ordered(JobId("j1"), platform="limping"))
            await save(store, ordered(JobId("j2")))
            await asyncio.sleep(3)
            assert (len(limping.calls), len(chat.calls)) == (0, 1)
            await asyncio.sleep(20)

    run(life())
    assert len(limping.calls) == 1


def test_jobs_are_told_side_by_side_and_each_in_order() -> None:
    chat, store = Chat(seconds=20), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            jobs = [await save(store, ordered(JobId(f"j{n}"))) for n in range(3)]
            await asyncio.sleep(5)
            for job in jobs:
                await save(store, reached(job, Stage.RENT))
            await asyncio.sleep(60)

    run(life())
    assert chat.most_at_once == 3
    assert len(chat.messages) == 3
    assert all("Step 2 of 11" in card.lines[0] for card in chat.messages.values())


def test_a_store_that_is_down_costs_a_pause_not_the_relay() -> None:
    chat, store = Chat(), Stumbling()

    async def life() -> None:
        store.down = 3
        async with running(relay_of(store, {"memory": chat})):
            await save(store, ordered())
            await asyncio.sleep(20)

    run(life())
    assert len(chat.calls) == 1


def test_a_job_no_one_can_read_silences_no_other() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await store.create("jobs", "odd", {"id": "odd", "changed_ms": round(EPOCH.timestamp() * 1000)})
            await asyncio.sleep(0.001)
            await save(store, ordered())
            await asyncio.sleep(10)

    run(life())
    assert len(chat.calls) == 1


def test_many_jobs_of_one_moment_are_all_told() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        for n in range(450):
            await save(store, ordered(JobId(f"j{n:03}")) if n else ordered())
            if n % 100 == 0:
                await asyncio.sleep(0.001)
        async with running(relay_of(store, {"memory": chat})):
            await asyncio.sleep(5)

    run(life())
    assert len(chat.messages) == 450


def test_a_platform_that_is_off_is_passed_over() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, ordered(platform="elsewhere"))
            await asyncio.sleep(10)

    run(life())
    assert chat.calls == []


def test_a_chart_drawn_before_a_restart_is_shown_again_not_drawn_again(tmp_path: Path) -> None:
    chat, store = Chat(), MemoryStore()
    drawn = tmp_path / "cards" / f"{JOB}-02.png"  # 450 of 2000 steps: the second tenth
    drawn.parent.mkdir()
    drawn.write_bytes(b"as it was")

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat}, tmp_path)):
            await store.create("progress", JOB, progress_doc(stepping(0, 450, curve=450)))
            await save(store, reached(ordered(), Stage.TRAIN))
            await asyncio.sleep(10)

    run(life())
    assert chat.only.picture == drawn
    assert drawn.read_bytes() == b"as it was"


def test_a_sheet_that_is_gone_does_not_hold_the_words_back() -> None:
    chat, store = Chat(), MemoryStore()
    artifact = Artifact(file="models/x", sha256=Sha256("0" * 64), size=1, step=2000, sheet="jobs/gone.jpg")

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, replace(ordered(), artifact=artifact, stage=Stage.DONE, url="https://hub/x"))
            await asyncio.sleep(10)

    run(life())
    assert chat.only.final
    assert chat.only.picture is None
