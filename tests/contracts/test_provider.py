"""Port Provider: one suite for every market there is, the small one in memory and each adapter over real sockets."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from pydantic import SecretStr

from pipeline.adapters import providers
from pipeline.adapters.discover import discover, plugins
from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.quote import Need, Offer, ranked
from pipeline.ports import Provider, RentOrder, Sight, Status
from tests.sandbox.market_scene import KEY, SPEED, Client, played
from tests.support.jobs import a_world
from tests.support.virtual import run

OURS = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
NOW = datetime(2026, 11, 24, tzinfo=UTC)
NEED = Need(
    steps=1000, step_factor=1, model_gb=34, dataset_gb=0.1, image_gb=20, disk_gb=120, vram_mb=23_500,
    setup_seconds=300, sample_seconds=60,
)  # fmt: skip
Scene = Callable[[Provider], Coroutine[Any, Any, None]]
Play = Callable[[Path, Scene], None]


def built(name: str, url: str, key: str = KEY) -> Provider:
    """A provider as the program would build it, in step with the sandbox."""
    settings = SimpleNamespace(vast_url=url, vast_api_key=SecretStr(key), pace=1 / SPEED)
    found: Provider = discover(providers, settings)[name]
    return found


def in_memory(folder: Path, scene: Scene) -> None:
    run(scene(a_world(folder, boot_seconds=2.0)))


def on_vast(folder: Path, scene: Scene) -> None:
    async def act(client: Client) -> None:
        provider = built("vast", str(client.http.base_url))
        try:
            await scene(provider)
        finally:
            await provider.close()

    played(folder, act)


PLAYS: Mapping[str, Play] = {"memory": in_memory, "vast": on_vast}  # a new provider's file needs its row here
each_market = pytest.mark.parametrize("play", [PLAYS[name] for name in ("memory", *plugins(providers))])


async def best(market: Provider) -> Offer:
    return ranked(await market.offers(NEED, fresh=True), NEED)[0]


def order(label: str) -> RentOrder:
    return RentOrder(label=Label(label), image="trainer:1", disk_gb=120, onstart="true")


async def seen_running(market: Provider, instance: InstanceId) -> Sight:
    async with asyncio.timeout(60):
        while True:
            sight = await market.look(instance)
            assert sight
            assert sight.status is not Status.BROKEN
            if sight.status is Status.RUNNING and sight.endpoints:
                return sight
            assert sight.endpoints == ()
            await asyncio.sleep(0.01)


async def seen_gone(market: Provider, instance: InstanceId) -> None:
    """A market may show for seconds what it said to have destroyed."""
    async with asyncio.timeout(60):
        while await market.look(instance) is not None:  # noqa: ASYNC110  # the market tells nobody, it is asked
            await asyncio.sleep(0.01)


@each_market
def test_a_rental_lives_under_its_label_until_it_is_destroyed(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        offer = await best(market)
        machine = await market.rent(offer, order("ts-a-job-1"), NEED, NOW)
        assert (machine.machine, machine.rate > 0, machine.key != "") == (offer.machine, True, True)
        found = await market.find(Label("ts-a-job-1"))
        assert found
        assert (found.instance, found.machine) == (machine.instance, machine.machine)
        assert await market.find(Label("ts-a-job")) is None
        sight = await seen_running(market, machine.instance)
        assert sight.label == "ts-a-job-1"
        await market.destroy(machine.instance)
        await market.destroy(machine.instance)
        await seen_gone(market, machine.instance)
        await market.destroy(machine.instance)
        assert await market.find(Label("ts-a-job-1")) is None
        assert await market.owned() == []

    play(tmp_path, scene)


@each_market
def test_what_is_rented_is_not_offered(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        offer = await best(market)
        await market.rent(offer, order("one"), NEED, NOW)
        assert offer.machine not in {each.machine for each in await market.offers(NEED, fresh=True)}
        assert [sight.label for sight in await market.owned()] == ["one"]

    play(tmp_path, scene)


@each_market
def test_an_offer_that_somebody_took_is_said_to_be_gone_and_nothing_is_made(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        offer = await best(market)
        await market.rent(offer, order("one"), NEED, NOW)
        with pytest.raises(HostFault, match="offer-gone"):
            await market.rent(offer, order("two"), NEED, NOW)
        assert [sight.label for sight in await market.owned()] == ["one"]

    play(tmp_path, scene)


@each_market
def test_there_is_a_choice_of_machines_and_owners(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        left = ranked(await market.offers(NEED), NEED)
        assert len({offer.machine for offer in left}) >= 5
        assert len({offer.host for offer in left} - {""}) >= 3

    play(tmp_path, scene)


@each_market
def test_keys_are_made_known_any_number_of_times(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        await market.admit_key(OURS)
        await market.admit_key(OURS)
        machine = await market.rent(await best(market), order("one"), NEED, NOW)
        await market.attach_key(machine.instance, OURS)
        assert await market.look(machine.instance) is not None

    play(tmp_path, scene)


@each_market
def test_credit_is_in_micro_dollars(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        assert await market.credit() == 25_000_000

    play(tmp_path, scene)


def test_the_account_keeps_no_double_of_our_key_and_its_own_key_shows_nowhere(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        market = built("vast", str(client.http.base_url))
        await market.admit_key(OURS)
        await market.admit_key(OURS)
        await market.close()
        assert [key["key"] for key in (await client.http.get("/api/v0/ssh/")).json()] == [OURS]
        wrong = built("vast", str(client.http.base_url), "wrong-key-0123456789")
        with pytest.raises(OperatorFault) as caught:
            await wrong.credit()
        await wrong.close()
        assert caught.value.code == "market-key"
        assert "0123456789" not in repr(caught.value)

    played(tmp_path, act)


def test_a_market_without_a_key_is_not_configured() -> None:
    assert discover(providers, SimpleNamespace(vast_url="https://x", vast_api_key=None, pace=1.0)) == {}
