"""The version is the fence: who was paused and woke up late fails its next write and does nothing more."""

from dataclasses import replace

import pytest

from pipeline.domain.faults import Superseded
from pipeline.domain.job import Job
from pipeline.domain.progress import Progress
from pipeline.domain.stage import Stage
from pipeline.flow.journal import Journal, load_job, load_progress
from pipeline.flow.records import job_doc, job_from
from tests.support.jobs import ID, a_job
from tests.support.store import MemoryStore
from tests.support.virtual import EPOCH, VirtualClock, run


def journal(store: MemoryStore, job: Job, hints: list[int]) -> Journal:
    return Journal(store, VirtualClock(), job, lambda: hints.append(1))


def test_two_runners_of_one_job_the_late_one_is_refused() -> None:
    async def life() -> Stage:
        store, hints = MemoryStore(), list[int]()
        job = a_job()
        await store.create("jobs", ID, job_doc(job))
        early, late = journal(store, job, hints), journal(store, job, hints)
        await early.save(job.at(Stage.RENT))
        with pytest.raises(Superseded):
            await late.save(job.at(Stage.DONE))
        stored = await load_job(store, ID)
        assert stored is not None
        assert (stored, len(hints)) == (early.latest, 1)
        return stored.stage

    assert run(life()) is Stage.RENT


def test_a_job_comes_back_from_its_document_as_it_was() -> None:
    job = a_job().telling(EPOCH, *[])
    assert job_from({**job_doc(job), "version": 0}) == job


def test_what_was_learned_of_the_loss_outlives_its_stage() -> None:
    async def life() -> Progress | None:
        store = MemoryStore()
        keeper = journal(store, a_job(), [])
        await keeper.note(Progress(at=EPOCH, phase="training", done=2, total=9, loss=0.4, curve=((1, 0.5), (2, 0.4))))
        await keeper.note(Progress(at=EPOCH, phase="collecting"))
        return await load_progress(store, ID)

    kept = run(life())
    assert kept == Progress(at=EPOCH, phase="collecting", loss=0.4, curve=((1, 0.5), (2, 0.4)))


def test_the_newest_sign_of_life_wins() -> None:
    async def life() -> Progress | None:
        store = MemoryStore()
        keeper = journal(store, a_job(), [])
        for done in (1, 2, 3):
            await keeper.note(Progress(at=EPOCH, done=done))
        return await load_progress(store, ID)

    assert run(life()) == Progress(at=EPOCH, done=3)


def test_the_machine_s_own_key_is_kept_and_never_shown() -> None:
    from tests.unit.test_recover import MACHINE  # noqa: PLC0415  # the one machine both files speak of

    job = a_job(machine=replace(MACHINE, key="very-secret-key"))
    assert "very-secret-key" not in repr(job)
    assert job_from({**job_doc(job), "version": 0}).machine == job.machine
