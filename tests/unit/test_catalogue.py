"""Models and their names."""

import asyncio
from datetime import UTC, datetime, timedelta

from pipeline.domain.catalogue import Model
from pipeline.domain.ids import AccountId, JobId, Sha256, Slug
from pipeline.flow.catalogue import Catalogue
from tests.support.store import MemoryStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN, BOB = AccountId("ann"), AccountId("bob")


def model(
    job: str, *, account: AccountId = ANN, public: bool = True, minutes: int = 0, slug: str = "ohwx-cat"
) -> Model:
    return Model(
        slug=Slug(slug), account=account, job=JobId(job), trigger="ohwx", base="flux1-dev", name="Cat",
        url="https://hub/ann/ohwx-cat", repo="ann/ohwx-cat", public=public, sha256=Sha256("0" * 64), size=171_969_432,
        step=1750, steps=2000, incomplete=True, made_at=NOON + timedelta(minutes=minutes), samples=("a.jpg", "b.jpg"),
        sheet="sheet.jpg", pictures=12, rank=16, lr=1e-4,
    )  # fmt: skip


def test_a_model_is_read_back_as_it_was_entered() -> None:
    async def story() -> None:
        catalogue = Catalogue(MemoryStore())
        entered = await catalogue.add(model("j1"))
        assert entered == model("j1")
        assert await catalogue.get(Slug("ohwx-cat")) == entered
        assert await catalogue.by_job(JobId("j1")) == entered
        assert await catalogue.get(Slug("ohwx")) is None
        assert await catalogue.by_job(JobId("j2")) is None

    asyncio.run(story())


def test_a_name_that_is_taken_gets_the_next_number() -> None:
    async def story() -> None:
        catalogue = Catalogue(MemoryStore())
        slugs = [(await catalogue.add(model(f"j{n}"))).slug for n in range(3)]
        assert slugs == ["ohwx-cat", "ohwx-cat-2", "ohwx-cat-3"]

    asyncio.run(story())


def test_the_same_job_twice_is_the_same_model() -> None:
    async def story() -> None:
        catalogue = Catalogue(MemoryStore())
        await catalogue.add(model("j1"))
        second = await catalogue.add(model("j2"))
        assert await catalogue.add(model("j2", minutes=5)) == second
        assert len(await catalogue.of(ANN)) == 2

    asyncio.run(story())


def test_racing_registrations_of_two_jobs_get_a_name_each() -> None:
    async def story() -> None:
        catalogue = Catalogue(MemoryStore())
        async with asyncio.TaskGroup() as group:
            adds = [group.create_task(catalogue.add(model(f"j{n % 2}"))) for n in range(10)]
        assert {add.result().slug for add in adds} == {"ohwx-cat", "ohwx-cat-2"}
        assert len(await catalogue.of(ANN)) == 2
        for add in adds:
            assert await catalogue.by_job(add.result().job) == add.result()

    asyncio.run(story())


def test_people_see_their_own_models_and_everybody_the_public_ones_newest_first() -> None:
    async def story() -> None:
        catalogue = Catalogue(MemoryStore())
        mine = await catalogue.add(model("j1", minutes=1))
        hidden = await catalogue.add(model("j2", minutes=2, public=False, slug="ohwx-dog"))
        theirs = await catalogue.add(model("j3", minutes=3, account=BOB))
        assert await catalogue.of(ANN) == [hidden, mine]
        assert await catalogue.of(BOB) == [theirs]
        assert await catalogue.public(10) == [theirs, mine]
        assert await catalogue.public(1) == [theirs]

    asyncio.run(story())


def test_a_name_is_kept_for_one_job_and_free_again_when_nothing_came_of_it() -> None:
    async def life() -> list[str]:
        catalogue = Catalogue(MemoryStore())
        kept = [await catalogue.reserve(Slug("tok"), JobId(job)) for job in ("a", "b", "a")]
        await catalogue.free(Slug("tok"), JobId("b"))  # not theirs
        await catalogue.free(Slug("tok"), JobId("a"))
        return [*kept, await catalogue.reserve(Slug("tok"), JobId("c"))]

    assert asyncio.run(life()) == ["tok", "tok-2", "tok", "tok"]
