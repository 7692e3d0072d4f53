"""One message a job, always true: bursts, restarts, edits that are not due yet, and many jobs at once."""

import asyncio
from dataclasses import replace
from pathlib import Path

from notifier.ports import Later
from pipeline.domain.ids import JobId
from pipeline.domain.stage import Stage
from pipeline.flow.records import progress_doc
from tests.support.notified import JOB, Chat, ordered, stepping
from tests.support.relaying import cancelled, reached, relay_of, running, save
from tests.support.store import MemoryStore
from tests.support.virtual import run


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
