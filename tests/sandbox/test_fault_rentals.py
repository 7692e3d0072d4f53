"""Faults of the market (facts/vast.md 10), rows 10-18, 23, 24, 27: what becomes of a rental, and what its row says."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.quote import ranked
from pipeline.ports import RentOrder, Status
from tests.sandbox.fault_scene import NEED, OURS, SPEED, Scene, against, fails

# 10-15: booting -------------------------------------------------------------------------------------------------------


def test_10_a_rental_that_is_not_listed_yet_shows_up_under_its_label(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("slow-listing", seconds=900)
        machine = await scene.rent()
        assert await scene.vast.look(machine.instance) is None
        assert await scene.vast.find(OURS) is None
        assert await scene.until(machine.instance, bool)

    against(tmp_path, act)


def test_11_a_frozen_text_is_booting_whether_it_ends_or_not(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("slow-loading", seconds=300)
        slow = await scene.rent(Label("ts-test-slow-1"))
        scene.arm("stuck-loading")
        stuck = await scene.rent(Label("ts-test-stuck-1"))
        await scene.seen(slow.instance, Status.BOOTING)
        await scene.seen(slow.instance, Status.RUNNING)
        sight = await scene.vast.look(stuck.instance)
        assert sight is not None
        assert sight.status is Status.BOOTING

    against(tmp_path, act)


@pytest.mark.parametrize(("fault", "said"), [("pull-error", "manifest unknown"), ("oci-error", "OCI runtime")])
def test_12_an_image_that_will_not_start_is_broken_at_once_and_says_why(tmp_path: Path, fault: str, said: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        sight = await scene.seen((await scene.rent()).instance, Status.BROKEN)
        assert said in sight.said

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["ports-null", "ports-other"])
def test_13_without_a_mapped_port_only_the_proxy_pair_is_offered(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        machine = await scene.rent()
        sight = await scene.seen(machine.instance, Status.RUNNING)
        box = scene.market.rentals[int(machine.instance)].box
        assert [end.port for end in sight.endpoints] == [box.proxy_port]

    against(tmp_path, act)


def test_13_ports_that_lag_behind_running_are_waited_for(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("ports-late", seconds=600)
        machine = await scene.rent()
        early = await scene.seen(machine.instance, Status.RUNNING)
        late = await scene.until(machine.instance, lambda sight: sight is not None and len(sight.endpoints) == 2)
        assert late is not None
        assert late.endpoints[1:] == early.endpoints

    against(tmp_path, act)


# 16-18: what becomes of it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["host-exited", "host-offline", "host-unknown", "outbid", "rental-expired"])
def test_16_17_24_a_rental_that_stopped_behind_our_back_is_broken_and_can_be_destroyed(
    tmp_path: Path, fault: str
) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault, seconds=100)
        sight = await scene.seen((await scene.rent()).instance, Status.BROKEN)
        assert sight.said.startswith("success, running")
        assert sight.endpoints == ()

    against(tmp_path, act)


def test_16_a_host_that_was_offline_is_back_under_another_address_and_is_the_same_machine(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("host-moves", seconds=100)
        machine = await scene.rent()
        box = scene.market.rentals[int(machine.instance)].box
        before = {box.port, box.proxy_port}
        while box.port in before:  # noqa: ASYNC110  # the market tells nobody
            await asyncio.sleep(0.005)
        after = await scene.seen(machine.instance, Status.RUNNING)
        assert [end.port for end in after.endpoints] == [box.port, box.proxy_port]
        assert (after.machine, after.label) == (machine.machine, OURS)

    against(tmp_path, act)


def test_17_a_rental_that_resumes_by_itself_still_carries_our_label_and_is_destroyed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("outbid-resumed", seconds=50)
        machine = await scene.rent()
        rental = scene.market.rentals[int(machine.instance)]
        while "outbid-resumed" in rental.lot:  # noqa: ASYNC110  # the market tells nobody
            await asyncio.sleep(0.005)
        assert rental.ran > 0
        assert (await scene.seen(machine.instance, Status.RUNNING)).label == OURS

    against(tmp_path, act)


def test_18_a_start_that_was_queued_does_not_outlive_a_destroy(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        number = int((await scene.rent()).instance)
        wire = f"/api/v0/instances/{number}/"
        await scene.client.http.put(wire, json={"state": "stopped"})
        await asyncio.sleep(0.06)  # the endpoint's own interval and its jitter
        scene.arm("start-queued", seconds=100)
        reply = (await scene.client.http.put(wire, json={"state": "running"})).json()
        assert reply == {
            "success": False, "msg": "Required resources are currently unavailable, state change queued.",
        }  # fmt: skip
        await scene.vast.destroy(InstanceId(str(number)))
        await asyncio.sleep(150 / SPEED)
        assert await scene.until(InstanceId(str(number)), lambda sight: sight is None) is None

    against(tmp_path, act)


def test_18_a_start_that_was_queued_runs_and_bills_when_nobody_thinks_of_it_any_more(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        await scene.seen(machine.instance, Status.RUNNING)
        wire = f"/api/v0/instances/{machine.instance}/"
        await scene.client.http.put(wire, json={"state": "stopped"})
        await scene.seen(machine.instance, Status.BROKEN)
        await asyncio.sleep(0.06)  # the endpoint's own interval and its jitter
        scene.arm("start-queued", seconds=100)
        await scene.client.http.put(wire, json={"state": "running"})
        await scene.seen(machine.instance, Status.RUNNING)

    against(tmp_path, act)


# 23, 24, 27: rows -----------------------------------------------------------------------------------------------------


def test_23_another_gpu_than_offered_is_seen_in_the_row(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("gpu-differs")
        machine = await scene.rent()
        sight = await scene.vast.look(machine.instance)
        assert sight is not None
        assert sight.gpu != machine.gpu
        assert sight.vram_mb < machine.vram_mb

    against(tmp_path, act)


def test_23_a_tenth_of_the_claimed_line_pulls_the_image_ten_times_as_long(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("slow-line")
        slow = scene.market.rentals[int((await scene.rent()).instance)]
        fair = scene.market.rentals[int((await scene.rent(Label("ts-test-fair-1"))).instance)]
        while fair.pulled_gb < 15:  # noqa: ASYNC110  # the market tells nobody
            await asyncio.sleep(0.005)
        assert slow.pulled_gb < fair.pulled_gb / 2

    against(tmp_path, act, speed=300)


def test_24_when_the_credit_is_gone_everything_stops_and_nothing_can_be_rented(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        offer = ranked(await scene.vast.offers(NEED, fresh=True), NEED)[3]
        other = await scene.rent(Label("ts-test-other-1"))
        await scene.seen(other.instance, Status.RUNNING)
        scene.arm("credit-gone", seconds=50)
        machine = await scene.rent()
        for each in (machine, other):
            await scene.seen(each.instance, Status.BROKEN)
        assert await scene.vast.credit() <= 0
        order = RentOrder(label=Label("ts-test-third-1"), image="ostris/aitoolkit:1", disk_gb=120, onstart="")
        assert (await fails(scene.vast.rent(offer, order, NEED, machine.since))).code == "market-credit"

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["row-strings", "row-extra", "row-strange", "clock-ahead", "gpu-count", "disk-short"])
def test_27_a_row_told_strangely_is_read_all_the_same(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        scene.arm("slow-loading", seconds=300)
        machine = await scene.rent()
        assert (await scene.vast.find(OURS) or machine).instance == machine.instance
        booting = await scene.vast.look(machine.instance)
        assert booting is not None
        assert booting.status is Status.BOOTING
        sight = await scene.until(machine.instance, lambda sight: sight is not None and len(sight.endpoints) == 2)
        assert sight is not None
        assert (sight.machine, sight.gpu, sight.label) == (machine.machine, machine.gpu, OURS)
        assert sight.rate > 0
        assert sight.since is not None
        ahead = timedelta(hours=1) if fault == "clock-ahead" else timedelta()
        assert abs(sight.since - machine.since - ahead) < timedelta(seconds=5)

    against(tmp_path, act)
