"""A job in a world: submitted, told, told again after a death."""

from dataclasses import replace
from pathlib import Path

from pipeline.domain.ids import AccountId, JobId
from pipeline.domain.job import Address, Job
from pipeline.domain.money import Points, Tariff
from pipeline.domain.quote import Quote, quote
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import Wish
from pipeline.flow.journal import load_job
from pipeline.flow.kit import need_of
from pipeline.flow.records import job_doc
from tests.support.dying import ProcessDied
from tests.support.virtual import EPOCH, run
from tests.support.world import HOUSE, World, manifest, offer

ANN = AccountId("ann")
ID = JobId("k3v9q0000000")
PURSE = Points(100_000)


def priced(recipe: Recipe) -> Quote:
    need = need_of(recipe, manifest().size, len(manifest().pictures), HOUSE)
    return quote([offer(n, 0.3 + n / 100) for n in range(1, 20)], need, Tariff())


def a_job(**over: object) -> Job:
    recipe = Recipe(trigger="mytrigger", steps=30)
    job = Job(
        id=ID, account=ANN, address=Address("terminal", "me"), recipe=recipe, manifest=manifest(),
        quote=priced(recipe), created_at=EPOCH, changed_at=EPOCH,
    )  # fmt: skip
    return replace(job, **over)  # type: ignore[arg-type]  # a test names fields freely


async def submitted(world: World, job: Job) -> None:
    """What intake leaves behind: points in the purse, the job in the store."""
    await world.ledger().deposit(ANN, "gift", PURSE, source="test")
    await world.store.create("jobs", job.id, job_doc(job))


async def wish(world: World, wanted: Wish) -> None:
    """A wish written into the stored job, as intake does it."""
    job = await load_job(world.store, ID)
    assert job is not None
    wished = replace(job, wish=wanted, version=job.version + 1)
    assert await world.store.cas("jobs", ID, job.version, job_doc(wished))


def lived(world: World, job: Job | None = None, start: float = 0.0) -> Job:
    """Submit and tell to the end."""

    async def life() -> Job:
        await submitted(world, job or a_job())
        return await world.tell(ID)

    return run(life(), start)


def told_again(world: World) -> Job:
    """A new process, at the moment the old one was last seen."""
    return run(world.tell(ID), world.last_seen)


def survived(world: World) -> Job:
    """Tell to the end, whatever dies once on the way."""
    try:
        return lived(world)
    except ProcessDied:
        pass
    return run(_resubmitted(world), world.last_seen)


async def _resubmitted(world: World) -> Job:
    if await load_job(world.store, ID) is None:
        await submitted(world, a_job())
    return await world.tell(ID)


async def accounts_sum(world: World) -> tuple[int, int, int]:
    """(available, held, conservation): the last one is 0 when nothing was lost or made."""
    ledger = world.ledger()
    balance = await ledger.balance(ANN)
    return balance.available, balance.held, (await ledger.audit()).total


def a_world(tmp_path: Path, **over: object) -> World:
    return World(root=tmp_path, **over)  # type: ignore[arg-type]  # a test names fields freely
