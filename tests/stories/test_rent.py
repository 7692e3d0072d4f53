"""RENT: one machine, whatever the market answers or loses; never the same bad one; never a person's own box."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.domain.faults import Blame, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, JobId
from pipeline.domain.job import Job, Machine
from pipeline.domain.money import micro
from pipeline.domain.quote import Need, Offer
from pipeline.domain.recipe import Recipe
from pipeline.domain.speeds import Mean
from pipeline.domain.stage import End, Stage
from pipeline.flow.history import History
from pipeline.flow.records import job_doc
from pipeline.flow.shuns import Shuns
from pipeline.flow.stages.rent import LOST
from pipeline.ports import RentOrder, Sight
from tests.stories.test_sweeps import sweeps
from tests.support.box import Rented
from tests.support.dying import DyingStore
from tests.support.jobs import ANN, ID, PURSE, a_job, accounts_sum, lived, submitted, survived
from tests.support.store import MemoryStore
from tests.support.training import Run
from tests.support.virtual import EPOCH, run
from tests.support.world import World, offer

SIMPLE = Recipe(trigger="mytrigger", steps=30)


@dataclass
class Moody(World):
    """A market with moods the small world has no use for."""

    keyless: int = 0  # so many first rentals come without their own key
    deaf: int = 0  # so many first creates happen, their replies never come
    unlisted: int = 0  # so many first calls about a new rental say it does not exist
    late: float = 0.0  # seconds until a rental whose reply was lost is listed
    searches: int = 0
    fresh: int = 0

    async def offers(self, need: Need, *, fresh: bool = False, renting: bool = False) -> list[Offer]:
        assert renting
        self.searches += 1
        self.fresh += fresh
        return await super().offers(need, fresh=fresh, renting=renting)

    async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        machine = await super().rent(offer, order, need, now)
        if len(self.rentals) <= self.deaf:
            raise HostSilent("rent-unanswered")
        return replace(machine, key="") if len(self.rentals) <= self.keyless else machine

    async def owned(self) -> list[Sight]:
        now = self.clock.now()
        young = {each.instance for each in self.rentals if (now - each.since).total_seconds() < self.late}
        return [sight for sight in await super().owned() if sight.instance not in young]

    async def attach_key(self, instance: InstanceId, public_key: str) -> None:
        if self.unlisted:
            self.unlisted -= 1
            raise HostFault("rental-gone")


def outcome(job: Job) -> tuple[End | None, str]:
    return (job.ending.end, job.ending.code) if job.ending else (None, "")


def test_nine_snatched_offers_lead_to_the_tenth_without_a_new_search(tmp_path: Path) -> None:
    world = Moody(tmp_path, snatched=9)
    job = lived(world)
    assert (outcome(job), job.attempt, world.searches, world.rentals[0].machine) == ((End.DONE, ""), 1, 1, "m10")
    assert job.boots == 0


def test_a_list_that_was_snatched_empty_is_asked_for_anew_and_no_try_of_the_person_is_lost(tmp_path: Path) -> None:
    world = Moody(tmp_path, snatched=25)
    job = lived(world)
    assert (outcome(job), job.attempt, job.boots, job.moves, world.fresh) == ((End.DONE, ""), 1, 0, 0, 1)


def test_a_market_without_offers_is_waited_for_and_then_the_person_pays_nothing(tmp_path: Path) -> None:
    world = Moody(tmp_path, offers_now=[])
    job = lived(world)
    assert (outcome(job), job.charged, world.fresh) == ((End.FAILED, "no-offers"), 0, 1)


def test_a_rental_without_its_own_key_cannot_be_proved_ours_and_goes_back_unshunned(tmp_path: Path) -> None:
    world = Moody(tmp_path, keyless=1)
    job = lived(world)
    assert (outcome(job), len(world.rentals), world.alive) == ((End.DONE, ""), 2, [])
    assert {each.machine for each in world.rentals} == {"m1"}
    assert max(world.creates.values()) == 1


def test_a_market_whose_replies_never_come_ends_the_job_not_the_credit(tmp_path: Path) -> None:
    world = Moody(tmp_path, deaf=1000)
    job = lived(world)
    assert job.ending is not None
    assert (outcome(job), job.ending.blame) == ((End.FAILED, "rent-replies-lost"), Blame.OPERATOR)
    assert (len(world.rentals), world.alive, max(world.creates.values())) == (LOST + 1, [], 1)
    assert run(accounts_sum(world), world.last_seen) == (PURSE, 0, 0)


def test_a_lost_rental_that_is_listed_late_is_found_after_settling(tmp_path: Path) -> None:
    world = Moody(tmp_path, deaf=1, late=15.0)
    job = lived(world)
    assert (outcome(job), len(world.rentals), world.alive) == ((End.DONE, ""), 2, [])


def test_everything_that_carries_the_label_of_a_lost_attempt_is_destroyed(tmp_path: Path) -> None:
    class Doubling(Moody):
        async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
            if not self.rentals:
                self.rentals.append(
                    Rented(instance=InstanceId("left"), machine=offer.machine, label=order.label, since=now)
                )
                offer = self.offers_now[1]
            return await super().rent(offer, order, need, now)

    world = Doubling(tmp_path, deaf=2)
    job = lived(world)
    assert (outcome(job), len(world.rentals), world.alive) == ((End.DONE, ""), 3, [])


def test_while_the_market_is_blind_nothing_is_rented_and_nothing_declared_gone(tmp_path: Path) -> None:
    world = Moody(tmp_path, deaf=1, blind_for=7)
    job = lived(world)
    assert (outcome(job), len(world.rentals), world.alive) == ((End.DONE, ""), 2, [])
    first, second = world.rentals
    assert first.destroyed is not None
    assert first.destroyed < second.since


def test_a_new_rental_that_is_unknown_for_seconds_is_kept(tmp_path: Path) -> None:
    world = Moody(tmp_path, unlisted=3)
    job = lived(world)
    assert (outcome(job), job.attempt, len(world.rentals)) == ((End.DONE, ""), 1, 1)


def test_a_machine_that_failed_one_job_is_not_rented_for_the_next(tmp_path: Path) -> None:
    world = Moody(tmp_path, dead_boots=2)

    async def two_jobs() -> None:
        await submitted(world, a_job())
        await world.tell(ID)
        other = a_job(id=JobId("k3v9q0000001"))
        await world.store.create("jobs", other.id, job_doc(other))
        await world.tell(other.id)

    run(two_jobs())
    assert [each.machine for each in world.rentals] == ["m1", "m2", "m3", "m3"]


MOODS = st.fixed_dictionaries(
    {
        "snatched": st.integers(0, 15),
        "deaf": st.integers(0, 3),
        "keyless": st.integers(0, 3),
        "unlisted": st.integers(0, 3),
        "late": st.sampled_from([0.0, 10.0, 60.0]),
        "blind_for": st.integers(0, 4),
        "dead_boots": st.integers(0, 3),
        "refuse_destroy": st.integers(0, 6),
        "blips": st.integers(0, 2),
        "runs": st.sampled_from([[Run()], [Run(dies_at=15), Run()], [Run(silent_at=5), Run()]]),
    }
)


@settings(
    max_examples=20, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(moods=MOODS, death=st.integers(1, 70), moment=st.sampled_from(["before", "after", ""]))
def test_whatever_the_market_loses_and_whenever_we_die_no_machine_is_left_and_no_attempt_rents_twice(
    tmp_path: Path, moods: dict[str, object], death: int, moment: str
) -> None:
    store = DyingStore(MemoryStore(), **({moment: death} if moment else {}))
    with TemporaryDirectory(dir=tmp_path) as folder:
        world = Moody(Path(folder), store=store, **moods)  # type: ignore[arg-type]  # a test names fields freely
        job = survived(world)
        store.before = store.after = None
        run(reaped(world), world.last_seen)
    assert (job.stage, world.alive) == (Stage.DONE, [])
    taken = Counter(each.label for each in world.rentals)
    assert max(taken.values(), default=0) <= 1
    available, held, total = run(accounts_sum(world), world.last_seen)
    assert (available, held, total) == (PURSE - job.charged, 0, 0)


async def reaped(world: World) -> None:
    """What is listed too late for its job is the reaper's, within minutes."""
    for _ in range(10):
        await asyncio.sleep(120)
        with suppress(OperatorFault):
            await sweeps(world).reap()


def test_every_machine_teaches_the_next_quote(tmp_path: Path) -> None:
    world = Moody(tmp_path, dead_boots=1, runs=[Run(steps=30, seconds_per_step=6.5)])
    lived(world)
    known = run(History(world.store, world.clock).known(), world.last_seen)
    bad, good = (known.machines[each.machine] for each in world.rentals)
    assert (bad.boot, bad.step.n, good.boot) == (Mean(1, 0.0), 0, Mean(1, 1.0))
    assert good.step.value == pytest.approx(6.5, rel=0.1)
    assert known.gpus["RTX 4090"].step == good.step
    assert good.link.value == pytest.approx(33.7 * 8000 / 120 / 2000, rel=0.1)  # the small world takes two minutes


def test_third_host_fault_same_person_and_host_id_stops_and_pages(tmp_path: Path) -> None:
    hers = [replace(offer(n, 0.3), host="666") for n in range(1, 20)]
    world = Moody(tmp_path, dead_boots=99, offers_now=hers)
    job = lived(world)
    assert job.ending is not None
    assert (outcome(job), job.ending.blame) == ((End.FAILED, "own-box-suspected"), Blame.OPERATOR)
    assert (len(world.rentals), world.alive, job.charged) == (3, [], 0)


def test_an_owner_whose_machines_failed_a_person_three_times_gets_no_job_of_that_person(tmp_path: Path) -> None:
    world = Moody(tmp_path, offers_now=[replace(offer(1, 0.2), host="666"), *(offer(n) for n in range(2, 9))])
    failed = Machine(
        instance=InstanceId("x"), machine=offer(99).machine, host="666", gpu="", vram_mb=0, rate=micro(1),
        since=EPOCH,
    )  # fmt: skip

    async def life() -> Job:
        for n in range(3):
            bad = replace(failed, instance=InstanceId(f"x{n}"))
            await Shuns(world.store, world.clock).add(bad, ANN, "boot-failed")
        await submitted(world, a_job())
        return await world.tell(ID)

    assert outcome(run(life())) == (End.DONE, "")
    assert world.rentals[0].machine == "m2"


def test_filters_that_were_wide_at_the_quote_are_looked_at_again_before_renting(tmp_path: Path) -> None:
    far = [replace(offer(n), region="SE", host="666") for n in (101, 102)]
    world = Moody(tmp_path, offers_now=[*(offer(n) for n in range(1, 9)), *far])
    job = lived(world, a_job(recipe=replace(SIMPLE, region="SE")))
    assert job.ending is not None
    assert (outcome(job), job.ending.blame, world.rentals) == ((End.FAILED, "filters-too-narrow"), Blame.USER, [])
    assert run(accounts_sum(world), world.last_seen) == (PURSE, 0, 0)


def test_a_persons_region_is_where_the_machine_is(tmp_path: Path) -> None:
    swedish = [replace(offer(n, 0.4), region="SE") for n in range(101, 107)]
    world = Moody(tmp_path, offers_now=[*(offer(n) for n in range(1, 9)), *swedish])
    job = lived(world, a_job(recipe=replace(SIMPLE, region="SE", max_price=micro(0.6))))
    assert (outcome(job), world.rentals[0].machine) == ((End.DONE, ""), "m101")
