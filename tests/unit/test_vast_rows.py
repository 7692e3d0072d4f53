"""The market's rows as values: offers, rentals, states, ways in."""

from dataclasses import replace

import pytest

from pipeline.adapters.providers.vast import asks, rentals
from pipeline.domain.job import Endpoint
from pipeline.ports import Status
from tests.unit.vast_desk import NEED, OFFER, ROW, offer


def test_an_offer_is_read_in_our_units() -> None:
    found = offer()
    assert (found.id, found.machine, found.gpu_rate, found.storage_rate) == ("111", "12", 300_000, 150_000)
    assert (found.up_mbps, found.up_per_gb, found.driver, found.region) == (500.5, 0, 580_065_006, "SE")


@pytest.mark.parametrize("key", sorted(set(OFFER) - {"id", "machine_id"}))
def test_an_offer_lacking_any_other_field_is_still_read(key: str) -> None:
    assert asks.read_offer({name: value for name, value in OFFER.items() if name != key}, NEED, local=False)
    assert asks.read_offer(OFFER | {key: None}, NEED, local=False)


@pytest.mark.parametrize(
    "lie",
    [
        {"id": None},
        {"id": "../../users"},
        {"machine_id": None},
        {"dph_base": None, "dph_total": None},
        {"dph_base": -1, "dph_total": -1},
        {"dph_base": "1e308", "dph_total": float("inf")},
        {"public_ipaddr": "127.0.0.1"},
        {"public_ipaddr": "10.0.0.5"},
        {"public_ipaddr": "64:ff9b::7f00:1"},
    ],
)
def test_an_offer_that_cannot_be_true_is_left_out(lie: dict[str, object]) -> None:
    assert asks.read_offers([OFFER | lie, OFFER], NEED, local=False) == [offer()]


def test_host_memory_is_asked_for_only_where_a_base_needs_it_and_is_the_slice_s_not_the_machine_s() -> None:
    assert "cpu_ram" not in asks.search(NEED)
    assert asks.search(replace(NEED, ram_mb=60_000))["cpu_ram"] == {"gte": 60_000}
    whole = asks.read_offer(OFFER | {"cpu_ram": 128_000, "gpu_frac": 1.0}, NEED, local=False)
    half = asks.read_offer(OFFER | {"cpu_ram": 128_000, "gpu_frac": 0.5}, NEED, local=False)
    unknown = asks.read_offer(OFFER | {"cpu_ram": None}, NEED, local=False)
    assert whole
    assert half
    assert unknown
    assert (whole.ram_mb, half.ram_mb, unknown.ram_mb) == (128_000, 64_000, 0)


def test_a_price_understated_in_one_field_is_not_believed() -> None:
    found = asks.read_offer(OFFER | {"dph_base": 0.01}, NEED, local=False)
    assert found
    assert found.gpu_rate == 300_000


def test_an_offer_at_127_0_0_1_is_refused_unless_the_market_itself_is_on_loopback() -> None:
    assert asks.read_offer(OFFER | {"public_ipaddr": "127.0.0.1"}, NEED, local=False) is None
    assert asks.read_offer(OFFER | {"public_ipaddr": "127.0.0.1"}, NEED, local=True)


def test_a_running_rental_has_a_direct_pair_and_then_a_proxy_pair() -> None:
    sight = rentals.read_sight(ROW, local=False)
    assert sight
    assert sight.status is Status.RUNNING
    assert sight.endpoints == (Endpoint("1.1.1.1", 20000), Endpoint("ssh5.vast.ai", 10600))
    assert (sight.rate, sight.label) == (802_100, "ts-a-job-1")


@pytest.mark.parametrize(
    ("lie", "left"),
    [
        ({"public_ipaddr": "10.0.0.5"}, (Endpoint("ssh5.vast.ai", 10600),)),
        ({"ssh_host": "evil.example"}, (Endpoint("1.1.1.1", 20000),)),
        ({"ssh_host": "ssh5.vast.ai.evil.example"}, (Endpoint("1.1.1.1", 20000),)),
        ({"ports": None}, (Endpoint("ssh5.vast.ai", 10600),)),
        ({"ports": {"22/tcp": None}, "ssh_host": None}, ()),
        ({"image_runtype": "jupyter_direc"}, (Endpoint("1.1.1.1", 20000), Endpoint("ssh5.vast.ai", 10601))),
    ],
)
def test_a_pair_that_lies_or_is_missing_is_left_out(lie: dict[str, object], left: tuple[Endpoint, ...]) -> None:
    sight = rentals.read_sight(ROW | lie, local=False)
    assert sight
    assert (sight.endpoints, sight.status) == (left, Status.RUNNING)


def test_a_rental_that_points_inward_only_is_broken() -> None:
    sight = rentals.read_sight(ROW | {"public_ipaddr": "192.168.0.1", "ssh_host": None}, local=False)
    assert sight
    assert sight.status is Status.BROKEN


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"actual_status": None}, Status.BOOTING),
        ({"actual_status": "loading", "status_msg": "f1555660aa88: Download complete"}, Status.BOOTING),
        ({"actual_status": "loading", "status_msg": "manifest unknown\n"}, Status.BROKEN),
        ({"actual_status": "created", "status_msg": "x: OCI runtime create failed: y"}, Status.BROKEN),
        ({"actual_status": "connecting"}, Status.BOOTING),
        ({"actual_status": "exited"}, Status.BROKEN),
        ({"actual_status": "offline"}, Status.BROKEN),
        ({"actual_status": None, "cur_state": "stopped", "intended_status": "stopped"}, Status.BROKEN),
        ({"actual_status": "running", "status_msg": "success, running x/ssh"}, Status.RUNNING),
    ],
)
def test_states_are_boiled_down(row: dict[str, object], status: Status) -> None:
    sight = rentals.read_sight(ROW | row, local=False)
    assert sight
    assert sight.status is status
