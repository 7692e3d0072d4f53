"""Quotes: the same offers, the same sum and the same memory as rents have, and not for free to ask for."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.faults import UserFault
from pipeline.domain.ids import Identity, InstanceId, MachineId
from pipeline.domain.job import Machine
from pipeline.domain.money import micro
from pipeline.flow.history import History, Measured
from pipeline.flow.shuns import Shuns
from tests.stories.test_intake import RECIPE, desk, offered
from tests.support.jobs import a_world
from tests.support.virtual import EPOCH, run
from tests.support.world import offer


def rented(machine: str) -> Machine:
    return Machine(
        instance=InstanceId("i1"), machine=MachineId(machine), gpu="RTX 4090", vram_mb=24_564, rate=micro(0.1),
        since=EPOCH,
    )  # fmt: skip


def test_the_seventh_price_within_a_minute_is_refused_to_one_person_and_not_to_another(tmp_path: Path) -> None:
    async def life() -> None:
        intake = desk(a_world(tmp_path))
        account, _ = await offered(intake)
        for _ in range(5):
            await asyncio.sleep(8)
            await intake.quote(account, RECIPE)
        with pytest.raises(UserFault) as refused:
            await intake.quote(account, RECIPE)
        assert (refused.value.code, refused.value.facts) == ("too-many-quotes", {"most": 6, "seconds": 20})
        other = await intake.account(Identity("terminal:ben"))
        await intake.add(other, Path("pictures.zip"))
        await intake.quote(other, RECIPE)
        await asyncio.sleep(20)
        await intake.quote(account, RECIPE)
        with pytest.raises(UserFault, match="too-many-quotes"):
            await intake.quote(account, RECIPE)

    run(life())


def test_a_quote_believes_what_our_own_machines_measured(tmp_path: Path) -> None:
    async def life() -> tuple[float, float]:
        world = a_world(tmp_path)
        intake = desk(world)
        account, before = await offered(intake, replace(RECIPE, steps=2000))
        for _ in range(20):
            seen = Measured(step=6.5)
            await History(world.store, world.clock).add(offer(77).machine, "RTX 4090", seen)
        after = await intake.quote(account, replace(RECIPE, steps=2000))
        return before.quote.seconds, after.quote.seconds

    before, after = run(life())
    assert after - before == pytest.approx(2000 * 3.25 * 20 / 24)


def test_a_quote_does_not_count_on_a_machine_we_shun(tmp_path: Path) -> None:
    async def life() -> None:
        world = a_world(tmp_path)
        world.offers_now = [offer(1, 0.1), *(offer(n, 0.4) for n in range(2, 9))]
        intake = desk(world)
        account, cheap = await offered(intake)
        await Shuns(world.store, world.clock).add(rented("m1"), account, "boot-failed")
        dear = await intake.quote(account, RECIPE)
        assert dear.quote.cost > 1.4 * cheap.quote.cost

    run(life())


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"region": "SE"}, "filters-too-narrow"),
        ({"max_price": micro(0.32)}, "filters-too-narrow"),
        ({"gpu": "H100"}, "unknown-gpu"),
        ({"gpu": "4090", "region": "US"}, ""),
    ],
)
def test_filters_are_heeded_or_refused_with_a_reason(tmp_path: Path, asked: dict[str, object], code: str) -> None:
    async def life() -> str:
        try:
            await offered(desk(a_world(tmp_path)), replace(RECIPE, **asked))  # type: ignore[arg-type]  # a test names fields freely
        except UserFault as fault:
            return fault.code
        return ""

    assert run(life()) == code
