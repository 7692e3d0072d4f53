"""What our rentals taught us: speeds that correct the table, machines and owners we leave alone for a while."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from pipeline.domain.ids import AccountId, InstanceId, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.domain.quote import owner
from pipeline.flow.history import History, Measured
from pipeline.flow.shuns import Shuns
from tests.support.store import MemoryStore
from tests.support.virtual import EPOCH, VirtualClock, run

ANN, BEN = AccountId("ann"), AccountId("ben")
DAY = 86_400.0


def machine(n: int, host: str = "7") -> Machine:
    return Machine(
        instance=InstanceId(f"i{n}"), machine=MachineId(f"{n}"), host=host, gpu="RTX 4090", vram_mb=24_564,
        rate=MicroUsd(300_000), since=EPOCH, endpoints=(Endpoint("1.1.1.1", 22), Endpoint("ssh5.vast.ai", 10)),
    )  # fmt: skip


@dataclass
class Scene:
    store: MemoryStore = field(default_factory=lambda: MemoryStore(dice=random.Random(3)))
    clock: VirtualClock = field(default_factory=VirtualClock)

    @property
    def shuns(self) -> Shuns:
        return Shuns(self.store, self.clock)

    @property
    def history(self) -> History:
        return History(self.store, self.clock)


def test_a_shun_of_a_machine_and_its_address_expires_the_address_first() -> None:
    async def life(scene: Scene) -> None:
        await scene.shuns.add(machine(1), ANN, "boot-failed")
        assert await scene.shuns.marks() == {"1", "1.1.1.1"}
        await asyncio.sleep(3 * 3600 + 1)
        assert await scene.shuns.marks() == {"1"}
        await asyncio.sleep(DAY)
        assert await scene.shuns.marks() == frozenset()
        await scene.shuns.add(machine(2, host=""), ANN, "boot-failed")
        assert await scene.store.get("shuns", "1") is None, "what has expired is forgotten"

    run(life(Scene()))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.5", "ssh5.vast.ai"])
def test_an_address_that_is_everybodys_is_not_shunned(host: str) -> None:
    async def life(scene: Scene) -> None:
        await scene.shuns.add(replace(machine(1), endpoints=(Endpoint(host, 22),)), ANN, "")
        assert await scene.shuns.marks() == {"1"}

    run(life(Scene()))


def test_the_third_machine_of_one_owner_that_fails_one_person_makes_the_owner_suspect_for_that_person() -> None:
    async def life(scene: Scene) -> None:
        for n in (1, 2, 2, 2):  # a stage played again is no further machine
            await scene.shuns.add(machine(n), ANN, "boot-failed")
        assert not await scene.shuns.suspect(ANN, "7")
        for person in (ANN, BEN):
            await scene.shuns.add(machine(3), person, "boot-failed")
        assert [await scene.shuns.suspect(who, "7") for who in (ANN, BEN)] == [True, False]
        assert owner("7") in await scene.shuns.marks(ANN)
        assert owner("7") not in await scene.shuns.marks(BEN) | await scene.shuns.marks()
        assert not await scene.shuns.suspect(ANN, "")
        await asyncio.sleep(timedelta(days=31).total_seconds())
        assert not await scene.shuns.suspect(ANN, "7")

    run(life(Scene()))


def test_measurements_add_up_also_when_two_jobs_measure_at_once() -> None:
    async def life(scene: Scene) -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(8):
                seen = Measured(step=2.0 + n % 2, link=0.25, boot=1.0)
                group.create_task(scene.history.add(MachineId("12"), "RTX 4090", seen))
        known = await scene.history.known()
        assert (known.machines[MachineId("12")].step.n, known.gpus["RTX 4090"].step.n) == (8, 8)
        assert known.machines[MachineId("12")].step.value == pytest.approx(2.5)
        assert known.gpus["RTX 4090"].link.n == 0, "a link is the machine's, not the card's"
        assert known.efficiency(MachineId("12")) == pytest.approx((4 * 0.5 + 8 * 0.25) / 12)
        assert known.efficiency(MachineId("13")) == 0.5

    run(life(Scene()))
