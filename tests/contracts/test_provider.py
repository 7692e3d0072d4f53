"""Port Provider: one suite for every market there is, the small one in memory and each adapter over real sockets."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from pipeline.adapters import providers
from pipeline.adapters.discover import discover, plugins
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.quote import Need, Offer, ranked
from pipeline.ports import Provider, RentOrder, Sight, Status
from tests.support.jobs import a_world
from tests.support.virtual import run

KEY = "market-key-0123456789"
OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOURS comment"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
NEED = Need(
    steps=1000, step_factor=1, model_gb=34, dataset_gb=0.1, image_gb=20, disk_gb=120, vram_mb=23_500,
    setup_seconds=300, sample_seconds=60,
)  # fmt: skip
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Scene = Callable[[Provider], Coroutine[Any, Any, None]]
Play = Callable[[Path, Scene], None]


RUNNING = {
    "actual_status": "running", "public_ipaddr": "127.0.0.1\n", "ports": {"22/tcp": [{"HostPort": "20000"}]},
    "ssh_host": "127.0.0.1", "ssh_port": 20001,
}  # fmt: skip
NEXT: Mapping[str | None, Mapping[str, object]] = {None: {"actual_status": "loading"}, "loading": RUNNING}


def said(body: object, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def asked(ask: int, machine: int, disk: float) -> dict[str, object]:
    """An ask as a search shows it, priced for `disk` GB."""
    return {
        "id": ask, "ask_contract_id": ask, "machine_id": machine, "host_id": machine, "gpu_name": "RTX 4090",
        "num_gpus": 1, "gpu_frac": 1.0, "gpu_ram": 24564, "dph_base": 0.3, "storage_cost": 0.15,
        "dph_total": 0.3 + disk * 0.15 / 720, "inet_down": 2000, "inet_up": 900, "inet_down_cost": 0.002,
        "inet_up_cost": 0.002, "reliability2": 0.99, "verification": "verified", "disk_space": 500,
        "direct_port_count": 10, "driver_version": "580.65.06", "duration": 2.6e6, "cpu_arch": "amd64",
    }  # fmt: skip


class Stall:
    """Just enough of Vast.ai on a socket: asks that are rented once, rentals that boot while they are looked at."""

    def __init__(self) -> None:
        self.asks = {n: n + 100 for n in range(1, 30)}
        self.rentals: dict[int, dict[str, Any]] = {}
        self.keys: list[str] = []
        self._ids = itertools.count(9001)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._door])
        app.add_routes(
            [
                web.get("/api/v0/users/current/", self._user),
                web.post("/api/v0/bundles/", self._search),
                web.put("/api/v0/asks/{id}/", self._create),
                web.get("/api/v1/instances/", self._list),
                web.get("/api/v0/instances/{id}/", self._show),
                web.delete("/api/v0/instances/{id}/", self._destroy),
                web.route("*", "/api/v0/{path:(?:.*/)?ssh/}", self._keys),
            ]
        )
        return app

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return said({"success": False, "error": "auth_error", "msg": "Invalid user key"}, 404)
        return await handler(request)

    async def _user(self, _: web.Request) -> web.StreamResponse:
        return said({"id": 1, "credit": 25.0, "api_key": KEY})

    async def _search(self, request: web.Request) -> web.StreamResponse:
        disk = (await request.json())["allocated_storage"]
        return said({"offers": [asked(ask, machine, disk) for ask, machine in self.asks.items()]})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        machine = self.asks.pop(int(request.match_info["id"]), None)
        if machine is None:
            return said({"success": False, "error": "no_such_ask", "msg": "no longer available"}, 410)
        number, body = next(self._ids), await request.json()
        self.rentals[number] = {
            "id": number, "machine_id": machine, "label": body["label"], "actual_status": None, "ports": None,
            "intended_status": "running", "cur_state": "running", "start_date": NOW.timestamp(), "dph_total": 0.325,
        }  # fmt: skip
        return said({"success": True, "new_contract": number, "instance_api_key": f"box-key-{number}"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after_token", "0"))
        rows = [row for number, row in sorted(self.rentals.items()) if number > after]
        token = str(rows[24]["id"]) if len(rows) > 25 else None
        return said({"instances": rows[:25], "next_token": token, "total_instances": len(self.rentals)})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        row = self.rentals.get(int(request.match_info["id"]))
        if row:
            row.update(NEXT.get(row["actual_status"], {}))
        return said({"instances": row})

    async def _destroy(self, request: web.Request) -> web.StreamResponse:
        gone = self.rentals.pop(int(request.match_info["id"]), None) is None
        return said({"success": False, "error": "no_such_instance"}, 404) if gone else said({"success": True})

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            known = [{"id": 1, "key": key} for key in self.keys]
            return said(known) if known else said({"error": "not_found"}, 404)
        self.keys.append((await request.json())["ssh_key"])
        return said({"success": True})


@asynccontextmanager
async def stall() -> AsyncIterator[tuple[Stall, str]]:
    made = Stall()
    runner = web.AppRunner(made.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield made, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def built(name: str, url: str, key: str = KEY) -> Provider:
    """A provider as the program would build it."""
    found: Provider = discover(providers, SimpleNamespace(vast_url=url, vast_api_key=SecretStr(key), pace=0.001))[name]
    return found


def in_memory(folder: Path, scene: Scene) -> None:
    run(scene(a_world(folder, boot_seconds=2.0)))


def on_vast(_: Path, scene: Scene) -> None:
    async def play() -> None:
        async with stall() as (_, url):
            provider = built("vast", url)
            await scene(provider)
            await provider.close()

    asyncio.run(play())


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
        assert await market.look(machine.instance) is None
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
def test_keys_are_made_known_any_number_of_times(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        await market.admit_key(OURS)
        await market.admit_key(OURS)
        machine = await market.rent(await best(market), order("one"), NEED, NOW)
        await market.attach_key(machine.instance, OURS)

    play(tmp_path, scene)


@each_market
def test_credit_is_in_micro_dollars(play: Play, tmp_path: Path) -> None:
    async def scene(market: Provider) -> None:
        assert await market.credit() == 25_000_000

    play(tmp_path, scene)


def test_the_account_keeps_no_double_of_our_key_and_its_own_key_shows_nowhere() -> None:
    async def scene() -> None:
        async with stall() as (made, url):
            market = built("vast", url)
            await market.admit_key(OURS)
            await market.admit_key(OURS)
            await market.close()
            assert made.keys == [OURS]
            wrong = built("vast", url, "wrong-key-0123456789")
            with pytest.raises(OperatorFault) as caught:
                await wrong.credit()
            await wrong.close()
            assert caught.value.code == "market-key"
            assert "0123456789" not in repr(caught.value)

    asyncio.run(scene())


def test_thirty_rentals_are_two_pages() -> None:
    async def scene() -> None:
        async with stall() as (made, url):
            made.rentals = {n: {"id": n, "machine_id": n, "label": f"l{n}"} for n in range(1, 31)}
            market = built("vast", url)
            assert len(await market.owned()) == 30
            assert (await market.find(Label("l30"))) is not None
            await market.close()

    asyncio.run(scene())


def test_a_market_without_a_key_is_not_configured() -> None:
    assert discover(providers, SimpleNamespace(vast_url="https://x", vast_api_key=None, pace=1.0)) == {}
