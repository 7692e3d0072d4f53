"""The message stays true when people block us, couriers stumble, and the store is down."""

import asyncio
from dataclasses import replace
from typing import Any

from notifier.ports import Unreachable
from notifier.shown import Shown
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import JobId, Sha256
from pipeline.domain.job import Artifact
from pipeline.domain.stage import Stage
from tests.support.notified import JOB, Chat, ordered
from tests.support.relaying import cancelled, reached, relay_of, running, save
from tests.support.store import MemoryStore
from tests.support.virtual import EPOCH, run


class Stumbling(MemoryStore):
    """Down for the next `down` looks."""

    down = 0

    async def find(self, coll: str, **asked: Any) -> list[dict[str, Any]]:
        if self.down:
            self.down -= 1
            raise OperatorFault("store-down")
        return await super().find(coll, **asked)


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


def test_a_platform_that_is_off_is_passed_over() -> None:
    chat, store = Chat(), MemoryStore()

    async def life() -> None:
        async with running(relay_of(store, {"memory": chat})):
            await save(store, ordered(platform="elsewhere"))
            await asyncio.sleep(10)

    run(life())
    assert chat.calls == []


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
