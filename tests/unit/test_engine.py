"""The engine in this process: every job told to its end, whatever it throws."""

import asyncio

from pipeline.domain.faults import Superseded
from pipeline.domain.ids import JobId
from pipeline.flow.engine import LocalEngine
from pipeline.flow.nursery import nursery
from pipeline.ports import Pace
from tests.support.virtual import run

A, B, C = JobId("a"), JobId("b"), JobId("c")


class Teller:
    """Tells a job for ten seconds; notes when each telling began and what it threw."""

    def __init__(self, throws: list[Exception] | None = None) -> None:
        self.throws = throws or []
        self.begun: list[JobId] = []
        self.ended: list[JobId] = []
        self.at_once = self.most = 0

    async def __call__(self, job: JobId) -> None:
        self.begun.append(job)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(10)
            if self.throws:
                raise self.throws.pop()
            self.ended.append(job)
        finally:
            self.at_once -= 1


def test_so_many_jobs_at_once_and_all_of_them_in_the_end() -> None:
    teller = Teller()

    async def life() -> None:
        async with nursery() as tasks:
            engine = LocalEngine(teller, tasks, 2, Pace())
            for job in (A, B, C):
                await engine.start(job)
            await asyncio.sleep(30)

    run(life())
    assert (sorted(teller.ended), teller.most) == ([A, B, C], 2)


def test_starting_twice_tells_once() -> None:
    teller = Teller()

    async def life() -> None:
        async with nursery() as tasks:
            engine = LocalEngine(teller, tasks, 2, Pace())
            await engine.start(A)
            await engine.start(A)
            await asyncio.sleep(15)

    run(life())
    assert teller.begun == [A]


def test_a_bug_in_one_job_is_told_again_and_harms_no_other() -> None:
    teller = Teller([ValueError("boom"), Superseded("a")])

    async def life() -> None:
        async with nursery() as tasks:
            engine = LocalEngine(teller, tasks, 1, Pace())
            await engine.start(A)
            await engine.start(B)
            await asyncio.sleep(100)

    run(life())
    assert teller.ended == [A, B]


def test_a_nudge_plays_the_job_again_at_once() -> None:
    teller = Teller()

    async def life() -> float:
        async with nursery() as tasks:
            engine = LocalEngine(teller, tasks, 1, Pace())
            await engine.start(A)
            await asyncio.sleep(4)
            await engine.nudge(A)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(20)
        return began

    assert run(life()) < 5
    assert (teller.begun, teller.ended) == ([A, A], [A])


def test_a_nudged_job_that_waits_for_its_slot_keeps_waiting() -> None:
    teller = Teller()

    async def life() -> None:
        async with nursery() as tasks:
            engine = LocalEngine(teller, tasks, 1, Pace())
            await engine.start(A)
            await engine.start(B)
            await asyncio.sleep(1)
            await engine.nudge(B)
            await asyncio.sleep(40)

    run(life())
    assert teller.ended == [A, B]


def test_closing_the_house_lets_jobs_go_even_in_the_middle_of_a_nudge() -> None:
    teller = Teller()

    async def life() -> float:
        async with nursery() as tasks:
            engine = LocalEngine(teller, tasks, 1, Pace())
            await engine.start(A)
            await asyncio.sleep(1)
            await engine.nudge(A)
        return asyncio.get_running_loop().time()

    assert run(life()) < 2
    assert teller.ended == []
