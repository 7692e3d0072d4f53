"""The bells: what nobody owns is given back, what nobody tells is told, and blind is never empty."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog.testing

from pipeline.domain.faults import HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, JobId, Label, MachineId
from pipeline.domain.job import Machine, Rental
from pipeline.domain.money import MicroUsd
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import Stage
from pipeline.flow.charges import Compared
from pipeline.flow.kit import need_of
from pipeline.flow.reaper import Swept
from pipeline.flow.records import job_doc
from pipeline.flow.retention import Retention
from pipeline.flow.spool import Spool
from pipeline.flow.sweeps import Sweeps
from pipeline.ports import Pace, Sight
from tests.stories.test_intake import Bell
from tests.support.box import Rented
from tests.support.jobs import ANN, ID, a_job, a_world
from tests.support.virtual import run
from tests.support.world import HOUSE, World, offer

NEED = need_of(Recipe(trigger="mytrigger"), 1_000_000, 12, HOUSE)


def sweeps(world: World, engine: Bell | None = None) -> Sweeps:
    return Sweeps(
        clock=world.clock, pace=Pace(), store=world.store, provider=world, ledger=world.ledger(),
        engine=engine or Bell(), house=HOUSE,
        retention=Retention(store=world.store, clock=world.clock, spool=Spool(world.root)),
    )  # fmt: skip


class Ageless(World):
    """A market that tells no age of the first rental."""

    async def owned(self) -> list[Sight]:
        return [
            replace(sight, since=None if sight.instance == "i1" else sight.since) for sight in await super().owned()
        ]


def doomed(swept: Swept) -> list[str]:
    return [str(claim.sight.instance) for claim in swept.doomed]


async def rented(world: World, label: str) -> Rented:
    number = len(world.rentals) + 1
    one = Rented(InstanceId(f"i{number}"), MachineId(f"m{number}"), Label(label), world.clock.now())
    world.rentals.append(one)
    return one


def test_a_box_nobody_owns_goes_after_ten_minutes_and_a_foreign_id_is_never_destroyed(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[list[str], list[str]]:
        await rented(world, "ts-test-nobody-1")
        await rented(world, "ts-other-nobody-1")
        await rented(world, "somebody's own box")
        early = doomed(await sweeps(world).reap())
        await asyncio.sleep(601)
        return early, doomed(await sweeps(world).reap())

    assert run(life()) == ([], ["i1"])
    assert [one.label for one in world.alive] == ["ts-other-nobody-1", "somebody's own box"]


def test_a_box_of_a_job_that_is_over_or_moved_on_goes_at_once_and_the_one_in_use_stays(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> list[str]:
        over = replace(a_job(), id=JobId("over"), stage=Stage.DONE)
        moved = replace(a_job(), stage=Stage.TRAIN, attempt=2)
        for job in (over, moved):
            await world.store.create("jobs", job.id, job_doc(job))
        for label in ("ts-test-over-1", f"ts-test-{ID}-1", f"ts-test-{ID}-2"):
            await rented(world, label)
        return doomed(await sweeps(world).reap())

    assert run(life()) == ["i1", "i2"]


def test_of_two_boxes_with_one_label_the_one_the_job_does_not_know_goes(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> list[str]:
        for _ in range(2):
            await rented(world, f"ts-test-{ID}-1")
        known = Machine(
            instance=InstanceId("i2"), machine=MachineId("m2"), gpu="RTX 4090", vram_mb=24_564,
            rate=MicroUsd(300_000), since=world.clock.now(),
        )  # fmt: skip
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.TRAIN, machine=known)))
        await asyncio.sleep(601)
        return doomed(await sweeps(world).reap())

    assert (run(life()), [one.instance for one in world.alive]) == (["i1"], ["i2"])


def test_a_box_that_tells_no_age_or_one_in_the_future_goes_ten_minutes_after_we_first_saw_it(tmp_path: Path) -> None:
    world = Ageless(root=tmp_path)

    async def life() -> list[list[str]]:
        await rented(world, "ts-test-nobody-1")
        (await rented(world, "ts-test-nobody-2")).since += timedelta(days=900)
        found = []
        for _ in range(3):
            found.append(doomed(await sweeps(world).reap()))
            await asyncio.sleep(301)
        return found

    assert run(life()) == [[], [], ["i1", "i2"]]


def test_a_record_that_cannot_be_read_keeps_its_box_and_stops_no_other_from_going(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> list[str]:
        await world.store.create("jobs", "garbled", {"stage": "?", "changed_ms": 0, "account": "x"})
        await rented(world, "ts-test-garbled-1")
        await rented(world, "ts-test-nobody-1")
        await asyncio.sleep(3600)
        return doomed(await sweeps(world).reap())

    assert run(life()) == ["i2"]


def test_a_condemned_box_is_worked_off_for_ever_and_its_alarm_grows_louder(tmp_path: Path) -> None:
    world = a_world(tmp_path, refuse_destroy=4)

    async def life() -> list[str]:
        job = replace(a_job(), stage=Stage.DONE, condemned=(InstanceId("i1"),))
        await world.store.create("jobs", job.id, job_doc(job))
        await rented(world, f"ts-test-{ID}-1")
        refused = []
        for pause in (300, 400, 3600, 120, 120, 120):
            try:
                await sweeps(world).reap()
            except OperatorFault as fault:
                refused.append(fault.code)
            await asyncio.sleep(pause)
        assert await world.store.find("condemned") == []
        return refused

    with structlog.testing.capture_logs() as logs:
        assert (run(life()), world.alive) == (["market-down"] * 4, [])
    alarms = [(line["log_level"], line["tries"]) for line in logs if line["event"] == "reaping"]
    assert alarms == [("warning", 1), ("warning", 2), ("error", 3), ("critical", 4), ("critical", 5)]


def test_one_refusal_keeps_no_other_box_alive(tmp_path: Path) -> None:
    world = a_world(tmp_path, refuse_destroy=1)

    async def life() -> frozenset[InstanceId]:
        for _ in range(3):
            await rented(world, "ts-test-nobody-1")
        await asyncio.sleep(3600)
        return (await sweeps(world).reaper.reap()).left

    assert run(life()) == {"i1"}
    assert [one.instance for one in world.alive] == ["i1"]


def test_a_blind_reaper_destroys_nothing_and_health_keeps_when_it_last_saw(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> float:
        assert await sweeps(world).seen_at() is None
        await rented(world, "ts-test-nobody-1")
        await sweeps(world).reap()
        await asyncio.sleep(3600)
        world.blind_for = 1
        with pytest.raises(OperatorFault, match="market-down"):
            await sweeps(world).reap()
        seen = await sweeps(world).seen_at()
        assert seen is not None
        return (world.clock.now() - seen).total_seconds()

    assert run(life()) == 3600
    assert len(world.alive) == 1


def test_a_dry_run_names_and_destroys_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> int:
        await rented(world, "ts-test-nobody-1")
        await asyncio.sleep(3600)
        return len((await sweeps(world).reaper.reap(dry=True)).doomed)

    assert (run(life()), len(world.alive)) == (1, 1)


def test_a_lease_keeps_its_box_until_it_expires_and_then_the_box_is_ended(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> list[list[str]]:
        leases = sweeps(world).reaper.leases
        lease = await leases.begin(JobId("k0000000lease"), timedelta(hours=2))
        await leases.rent(lease, [offer(1)], NEED, "")
        found = []
        for pause in (3600, 3700, 60):
            await asyncio.sleep(pause)
            found.append(doomed(await sweeps(world).reap()))
        assert await leases.open() == []
        return found

    assert (run(life()), world.alive) == ([[], ["i1"], []], [])


def test_a_leases_lost_answer_leaves_no_box(tmp_path: Path) -> None:
    world = a_world(tmp_path, lose_reply_of=1)

    async def life() -> bool:
        leases = sweeps(world).reaper.leases
        lease = await leases.begin(JobId("k0000000lease"), timedelta(hours=2))
        with pytest.raises(HostSilent, match="rent-unanswered"):
            await leases.rent(lease, [offer(1), offer(2)], NEED, "")
        return await leases.open() == []

    assert run(life())
    assert (world.alive, len(world.rentals)) == ([], 1)


def test_a_lease_whose_command_died_while_renting_is_nobodys_after_ten_minutes(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> list[list[str]]:
        lease = await sweeps(world).reaper.leases.begin(JobId("k0000000lease"), timedelta(hours=9))
        await rented(world, lease.label)
        early = doomed(await sweeps(world).reap())
        await asyncio.sleep(601)
        return [early, doomed(await sweeps(world).reap())]

    assert run(life()) == [[], ["i1"]]


def test_a_snatched_offer_leads_a_lease_to_the_next(tmp_path: Path) -> None:
    world = a_world(tmp_path, snatched=2)

    async def life() -> str:
        leases = sweeps(world).reaper.leases
        lease = await leases.begin(JobId("k0000000lease"), timedelta(hours=2))
        lease = await leases.rent(lease, [offer(1), offer(2), offer(3)], NEED, "")
        assert lease.machine is not None
        return lease.machine.machine

    assert run(life()) == "m3"


def test_a_returned_lease_is_read_back_and_a_box_that_will_not_go_is_left_to_the_reaper(tmp_path: Path) -> None:
    world = a_world(tmp_path, refuse_destroy=1000)

    async def life() -> tuple[bool, list[str]]:
        leases = sweeps(world).reaper.leases
        lease = await leases.begin(JobId("k0000000lease"), timedelta(hours=2))
        gone = await leases.give_back(await leases.rent(lease, [offer(1)], NEED, ""))
        world.refuse_destroy = 0
        return gone, doomed(await sweeps(world).reap())

    assert (run(life()), world.alive) == ((False, ["i1"]), [])


def test_what_the_market_took_is_compared_with_our_record_and_only_differences_are_told(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> Compared:
        for _ in range(3):
            await rented(world, "ts-test-gone-1")
        await asyncio.sleep(3600)
        costs = {"i1": 300_000, "i2": 900_000, "i9": 5_000_000}  # right, wrong, and one the market does not know yet
        rentals = tuple(
            Rental(instance=InstanceId(each), machine=MachineId("m"), cost=MicroUsd(cost), useful=True)
            for each, cost in costs.items()
        )
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.DONE, rentals=rentals)))
        return await sweeps(world).compare_charges()

    found = run(life())
    assert (found.rentals, found.ours, found.theirs) == (2, 1_200_000, 600_000)
    assert [(each.instance, each.ours, each.theirs) for each in found.differences] == [("i2", 900_000, 300_000)]


def test_every_job_that_is_not_over_has_somebody_who_tells_it(tmp_path: Path) -> None:
    world, engine = a_world(tmp_path), Bell()

    async def life() -> None:
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.TRAIN)))
        await world.store.create("jobs", "over", job_doc(a_job(id=JobId("over"), stage=Stage.DONE)))
        await sweeps(world, engine).wake_jobs()

    run(life())
    assert engine.started == [ID]


def test_points_of_a_job_that_is_over_do_not_stay_held(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[int, int]:
        ledger = world.ledger()
        await ledger.deposit(ANN, "gift", 1000, source="test")
        await ledger.hold(ANN, f"{ID}:hold", 400, job=ID)
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.DONE)))
        await sweeps(world).free_holds()
        await sweeps(world).free_holds()
        balance = await ledger.balance(ANN)
        return balance.available, balance.held

    assert run(life()) == (1000, 0)
