"""Our own market client before a market that lies, on real sockets; at the end nothing of ours may live."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.adapters.providers.vast import Settings, connect
from pipeline.adapters.providers.vast.market import Vast
from pipeline.domain.faults import Fault
from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.job import Machine
from pipeline.domain.quote import Need, ranked
from pipeline.ports import RentOrder, Sight, Status
from tests.sandbox.market_scene import KEY, Client, played

SPEED = 1500.0  # a rental is up in a tenth of a second
NEED = Need(
    steps=1000, step_factor=1, model_gb=34, dataset_gb=0.1, image_gb=20, disk_gb=120, vram_mb=23_000,
    setup_seconds=300, sample_seconds=60,
)  # fmt: skip
OURS = Label("ts-test-job-1")


class Scene:
    """Our client before a market that lies."""

    def __init__(self, client: Client, vast: Vast) -> None:
        self.client = client
        self.vast = vast
        self.market = client.market
        self.arm = client.market.faults.arm

    async def rent(self, label: Label = OURS, down: tuple[float, float] = (0, math.inf)) -> Machine:
        """The best offer, asked for once; of those who claim a line of so many Mbit/s."""
        best = ranked(await self.vast.offers(NEED, fresh=True), NEED)
        offer = next(offer for offer in best if down[0] <= offer.down_mbps <= down[1])
        order = RentOrder(label=label, image="ostris/aitoolkit:1", disk_gb=120, onstart="")
        return await self.vast.rent(offer, order, NEED, datetime.now(UTC))  # noqa: TID251  # the market's clock is the wall's

    async def until(self, instance: InstanceId, right: Callable[[Sight | None], bool]) -> Sight | None:
        while not right(sight := await self.vast.look(instance)):  # noqa: ASYNC110  # the market is asked; the test's own time limit ends a wait in vain
            await asyncio.sleep(0.005)
        return sight

    async def seen(self, instance: InstanceId, status: Status) -> Sight:
        sight = await self.until(instance, lambda sight: sight is not None and sight.status is status)
        assert sight is not None
        return sight

    async def give_back(self) -> None:
        """As TERMINATE and the reaper do: what is listed is destroyed until nothing is."""
        while sights := await self.vast.owned():
            for sight in sights:
                await self.vast.destroy(sight.instance)

    def asked_for(self) -> Counter[str]:
        """How many rentals each of our labels ever had."""
        return Counter(rental.order.label for rental in self.market.history if rental.order.label)


def against(folder: Path, act: Callable[[Scene], Awaitable[None]], **how: float) -> None:
    """At the end nothing of ours lives, and nothing was asked for twice."""

    async def play(client: Client) -> None:
        speed = how.get("speed", SPEED)
        vast = connect(Settings(url=str(client.http.base_url).rstrip("/"), api_key=KEY, pace=1 / speed))
        scene = Scene(client, vast)
        try:
            await act(scene)
            await scene.give_back()
        finally:
            await vast.close()
        assert client.market.live() == 0
        assert not scene.asked_for() or max(scene.asked_for().values()) == 1

    played(folder, play, **{"speed": SPEED, **how})


async def fails(doing: Awaitable[object]) -> Fault:
    with pytest.raises(Fault) as failed:
        await doing
    return failed.value
