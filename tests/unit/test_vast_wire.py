"""The market's rows, refusals and moods, spoken by a scripted server: what becomes of each at our border."""

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from pipeline.adapters.http import Http
from pipeline.adapters.providers.vast import Settings, wire
from pipeline.adapters.providers.vast.board import Board
from pipeline.adapters.providers.vast.client import Line
from pipeline.adapters.providers.vast.market import Vast
from pipeline.domain.faults import Fault, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.job import Endpoint
from pipeline.domain.money import MicroUsd
from pipeline.domain.quote import Filters, Need, Offer
from pipeline.ports import Pace, RentOrder, Status
from tests.support.virtual import run

NEED = Need(
    steps=1000, step_factor=1, model_gb=34, dataset_gb=0.1, image_gb=20, disk_gb=120, vram_mb=23_500,
    setup_seconds=300, sample_seconds=60,
)  # fmt: skip
OFFER = {
    "id": 111, "machine_id": 12, "host_id": 7, "gpu_name": "RTX 4090", "num_gpus": 1, "gpu_frac": 1.0, "gpu_ram": 24564,
    "dph_base": 0.3, "dph_total": 0.325, "storage_cost": 0.15, "inet_down": 900.0, "inet_up": "500.5",
    "inet_down_cost": 0.002, "inet_up_cost": None, "reliability2": 0.97, "verification": "verified", "disk_space": 500,
    "direct_port_count": 100, "driver_version": "580.65.06", "geolocation": "Sweden, SE", "duration": 864000.0,
}  # fmt: skip
ROW = {
    "id": 1001, "machine_id": 12, "actual_status": "running", "intended_status": "running", "cur_state": "running",
    "label": "ts-a-job-1", "public_ipaddr": " 1.1.1.1\n",
    "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20000"}]},
    "ssh_host": "ssh5.vast.ai", "ssh_port": 10600, "start_date": 1668804745.12, "dph_total": 0.8021, "gpu_ram": 24564,
    "gpu_name": "RTX 4090", "inet_down": 900.0, "image_runtype": "ssh_direc ssh_proxy", "status_msg": None,
}  # fmt: skip
ORDER = RentOrder(label=Label("ts-a-job-1"), image="i:1", disk_gb=120, onstart="touch x", env={"A": "b"})
NOW = datetime(2026, 11, 24, tzinfo=UTC)
Handler = Callable[[httpx.Request], httpx.Response]


def served(handler: Handler) -> httpx.MockTransport:
    """`handler` as a server whose bodies arrive in a stream, as over a socket."""

    def stream(request: httpx.Request) -> httpx.Response:
        reply = handler(request)
        return httpx.Response(reply.status_code, headers=reply.headers, stream=httpx.ByteStream(reply.content))

    return httpx.MockTransport(stream)


def market(handler: Handler, *, patience: float = 0.1) -> Vast:
    http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
    pace = Pace(0.0001)
    return Vast(Line(http, pace, random.Random(1), patience), pace, local=False)


def answers(*replies: httpx.Response | Exception) -> Handler:
    """A server that gives `replies` one after the other, the last one for ever."""
    left = list(replies)

    def handler(request: httpx.Request) -> httpx.Response:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    return handler


def json_reply(body: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=json.dumps(body), headers=headers)


def fault(work: Coroutine[Any, Any, object]) -> Fault:
    with pytest.raises(Fault) as caught:
        asyncio.run(work)
    assert "key-0123456789" not in repr(caught.value)
    return caught.value


def offer() -> Any:
    found = wire.read_offer(OFFER, NEED, local=False)
    assert found
    return found


def test_an_offer_is_read_in_our_units() -> None:
    found = offer()
    assert (found.id, found.machine, found.gpu_rate, found.storage_rate) == ("111", "12", 300_000, 150_000)
    assert (found.up_mbps, found.up_per_gb, found.driver, found.region) == (500.5, 0, 580_065_006, "SE")


@pytest.mark.parametrize("key", sorted(set(OFFER) - {"id", "machine_id"}))
def test_an_offer_lacking_any_other_field_is_still_read(key: str) -> None:
    assert wire.read_offer({name: value for name, value in OFFER.items() if name != key}, NEED, local=False)
    assert wire.read_offer(OFFER | {key: None}, NEED, local=False)


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
    assert wire.read_offers([OFFER | lie, OFFER], NEED, local=False) == [offer()]


def test_host_memory_is_asked_for_only_where_a_base_needs_it_and_is_the_slice_s_not_the_machine_s() -> None:
    assert "cpu_ram" not in wire.search(NEED)
    assert wire.search(replace(NEED, ram_mb=60_000))["cpu_ram"] == {"gte": 60_000}
    whole = wire.read_offer(OFFER | {"cpu_ram": 128_000, "gpu_frac": 1.0}, NEED, local=False)
    half = wire.read_offer(OFFER | {"cpu_ram": 128_000, "gpu_frac": 0.5}, NEED, local=False)
    unknown = wire.read_offer(OFFER | {"cpu_ram": None}, NEED, local=False)
    assert whole
    assert half
    assert unknown
    assert (whole.ram_mb, half.ram_mb, unknown.ram_mb) == (128_000, 64_000, 0)


def test_a_price_understated_in_one_field_is_not_believed() -> None:
    found = wire.read_offer(OFFER | {"dph_base": 0.01}, NEED, local=False)
    assert found
    assert found.gpu_rate == 300_000


def test_an_offer_at_127_0_0_1_is_refused_unless_the_market_itself_is_on_loopback() -> None:
    assert wire.read_offer(OFFER | {"public_ipaddr": "127.0.0.1"}, NEED, local=False) is None
    assert wire.read_offer(OFFER | {"public_ipaddr": "127.0.0.1"}, NEED, local=True)


def test_a_running_rental_has_a_direct_pair_and_then_a_proxy_pair() -> None:
    sight = wire.read_sight(ROW, local=False)
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
    sight = wire.read_sight(ROW | lie, local=False)
    assert sight
    assert (sight.endpoints, sight.status) == (left, Status.RUNNING)


def test_a_rental_that_points_inward_only_is_broken() -> None:
    sight = wire.read_sight(ROW | {"public_ipaddr": "192.168.0.1", "ssh_host": None}, local=False)
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
    sight = wire.read_sight(ROW | row, local=False)
    assert sight
    assert sight.status is status


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (
            json_reply({"success": False, "error": "auth_error", "msg": "Invalid user key"}, 404),
            OperatorFault,
            "market-key",
        ),
        (
            json_reply({"error": "auth_error", "msg": "This action requires login."}, 403),
            OperatorFault,
            "market-key-missing",
        ),
        (
            json_reply({"error": "auth_error", "msg": "Session expired. Please log in again."}, 404),
            OperatorFault,
            "market-key",
        ),
        (json_reply({"error": "forbidden", "msg": "no permission"}, 403), OperatorFault, "market-key-scope"),
        (json_reply({"error": "spend_rate_limit"}, 429), OperatorFault, "market-quota"),
        (json_reply({"error": "no_such_ask", "msg": "no longer available"}, 410), HostFault, "offer-gone"),
        (
            json_reply({"error": "invalid_args", "msg": "3603: no_such_ask is not available."}, 404),
            HostFault,
            "offer-gone",
        ),
        (json_reply({"error": "no_such_ask"}, 400), HostFault, "offer-gone"),
        (
            json_reply({"error": "insufficient_credit", "msg": "Your account lacks credit"}, 400),
            OperatorFault,
            "market-credit",
        ),
        (json_reply({"error": "invalid_args", "msg": "bad disk"}, 400), OperatorFault, "market-refused"),
        (httpx.Response(502, content="<html>"), HostSilent, "rent-unanswered"),
        (httpx.Response(429, content="API requests too frequent"), HostSilent, "rent-unanswered"),
        (httpx.Response(200, content='{"success": tr'), HostSilent, "rent-unanswered"),
        (json_reply({"success": True}), HostSilent, "rent-unanswered"),
        (json_reply({"success": False}), HostSilent, "rent-unanswered"),
        (httpx.ReadTimeout("silence"), HostSilent, "rent-unanswered"),
        (httpx.RemoteProtocolError("cut"), HostSilent, "rent-unanswered"),
    ],
)
def test_a_refused_or_unanswered_rent_is_sent_once_and_named(reply: Any, kind: type[Fault], code: str) -> None:
    sent: list[str] = []
    script = answers(reply)

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return script(request)

    error = fault(market(handler).rent(offer(), ORDER, NEED, NOW))
    assert (type(error), error.code, sent.count("PUT"), "DELETE" in sent) == (kind, code, 1, False)


def test_a_rental_made_by_a_refusal_is_destroyed() -> None:
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(f"{request.method} {request.url.path}")
        refused = request.method == "PUT"
        return json_reply({"success": False, "new_contract": 77} if refused else {"success": True})

    error = fault(market(handler).rent(offer(), ORDER, NEED, NOW))
    assert (error.code, sent[1:]) == ("offer-gone", ["DELETE /api/v0/instances/77/"])


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"new_contract": "77"}, ""),
        ({"instance_id": 77}, ""),
        ({"success": True, "instances": {"id": 77}, "instance_api_key": "box-key-0123"}, "box-key-0123"),
        ({"success": True, "new_contract": 77, "instance_api_key": "short"}, ""),
        ({"success": True, "new_contract": 77, "instance_api_key": "a\nb" * 8}, ""),
        ({"success": True, "new_contract": 77, "instance_api_key": 5}, ""),
    ],
)
def test_a_create_reply_is_read_by_every_name_of_its_id(said: dict[str, object], key: str) -> None:
    machine = asyncio.run(market(answers(json_reply(said))).rent(offer(), ORDER, NEED, NOW))
    assert (machine.instance, machine.key, machine.host) == ("77", key, "7")


def test_a_create_reply_without_an_id_is_named_by_its_label_and_keeps_its_key() -> None:
    made = json_reply({"success": True, "instance_api_key": "box-key-0123"})
    listing = json_reply({"instances": [ROW], "total_instances": 1})
    none = json_reply({"instances": [], "total_instances": 0})
    machine = asyncio.run(market(answers(made, none, listing)).rent(offer(), ORDER, NEED, NOW))
    assert (machine.instance, machine.key) == ("1001", "box-key-0123")
    assert fault(market(answers(made, none)).rent(offer(), ORDER, NEED, NOW)).code == "rent-unanswered"


def test_a_rent_order_is_on_demand_and_not_kept_when_it_cannot_start() -> None:
    bodies: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        assert request.headers["authorization"] == "Bearer key-0123456789"
        assert "key-0123456789" not in str(request.url)
        return json_reply({"success": True, "new_contract": 77, "instance_api_key": "box-key-0123"})

    machine = asyncio.run(market(handler).rent(offer(), ORDER, NEED, NOW))
    assert (machine.instance, machine.key, machine.rate) == ("77", "box-key-0123", 325_000)
    assert "box-key-0123" not in repr(machine)
    assert "price" not in bodies[0]
    assert (bodies[0]["cancel_unavail"], bodies[0]["env"]) == (True, {"A": "b"})


@pytest.mark.parametrize("body", [{"instances": None}, {"instances": []}, {"instances": [{}]}, {"instances": {}}])
def test_an_empty_by_id_answer_is_gone(body: object) -> None:
    assert asyncio.run(market(answers(json_reply(body))).look(InstanceId("1001"))) is None


def test_a_404_with_the_right_words_is_gone_and_an_auth_404_is_not() -> None:
    gone = json_reply({"success": False, "error": "no_such_instance", "msg": "x"}, 404)
    assert asyncio.run(market(answers(gone)).look(InstanceId("1001"))) is None
    auth = json_reply({"success": False, "error": "auth_error", "msg": "Invalid user key"}, 404)
    assert fault(market(answers(auth)).look(InstanceId("1001"))).code == "market-key"


@pytest.mark.parametrize("body", [ROW, {"instances": ROW}, {"instances": [ROW]}])
def test_a_by_id_answer_is_read_wrapped_or_not(body: object) -> None:
    sight = asyncio.run(market(answers(json_reply(body))).look(InstanceId("1001")))
    assert sight
    assert sight.instance == "1001"


BLIND = [
    httpx.Response(404, content="<html>not found</html>"),
    httpx.Response(200, content="<html>"),
    httpx.Response(200, content=b""),
    httpx.Response(200, content=b"[" * 100_000),
    httpx.Response(200, content=b'{"instances": [{"id": 1'),
    httpx.Response(308, headers={"location": "https://elsewhere.example/"}),
    httpx.Response(500, content="{}"),
    json_reply({}),
    json_reply({"instances": [{"no": "id"}]}),
    json_reply({"instances": "none"}),
    json_reply({"success": False, "instances": None}),
    httpx.ConnectError("refused"),
]


@pytest.mark.parametrize("reply", BLIND)
def test_not_understood_is_neither_gone_nor_none(reply: Any) -> None:
    assert fault(market(answers(reply)).look(InstanceId("1001"))).code == "market-down"
    assert fault(market(answers(reply)).owned()).code == "market-down"
    assert fault(market(answers(reply)).find(Label("x"))).code == "market-down"


def page(ids: range, token: str | None, total: int) -> httpx.Response:
    rows = [ROW | {"id": n, "label": f"l{n}"} for n in ids]
    return json_reply({"instances": rows, "next_token": token, "total_instances": total, "instances_found": len(rows)})


def test_all_pages_are_read() -> None:
    pages = answers(page(range(1, 26), "t1", 27), page(range(26, 28), None, 27))
    assert len(asyncio.run(market(pages).owned())) == 27


def test_a_short_listing_raises() -> None:
    assert fault(market(answers(page(range(1, 3), None, 5))).owned()).code == "market-down"


def test_a_listing_that_goes_in_circles_raises() -> None:
    assert fault(market(answers(page(range(1, 3), "t1", 4))).owned()).code == "market-down"


def test_null_rows_are_an_empty_listing_unless_something_was_counted() -> None:
    assert asyncio.run(market(answers(json_reply({"instances": None, "next_token": None}))).owned()) == []
    counted = json_reply({"instances": None, "next_token": None, "total_instances": 1})
    assert fault(market(answers(counted)).owned()).code == "market-down"


def test_a_label_is_matched_letter_by_letter() -> None:
    rows = {"instances": [ROW | {"id": 5, "label": "ts-a-job-1\u200b"}, ROW | {"id": 6, "label": "ts-a-job-12"}]}
    assert asyncio.run(market(answers(json_reply(rows))).find(Label("ts-a-job-1"))) is None


@pytest.mark.parametrize(
    "busy",
    [
        httpx.Response(429, content="API requests too frequent"),
        json_reply({"detail": "API requests too frequent endpoint threshold=4.5"}, 429),
        json_reply({"error": "x", "retry_after": 0.01}, 429),
        httpx.Response(429, content="slow", headers={"retry-after": "0.01"}),
    ],
)
def test_a_429_is_ridden_out_once_and_ends_when_it_is_for_ever(busy: httpx.Response) -> None:
    user = json_reply({"id": 1, "credit": 25.5})
    assert asyncio.run(market(answers(busy, user)).credit()) == 25_500_000
    assert fault(market(answers(busy)).credit()).code == "market-busy"


def test_a_daily_quota_is_not_waited_for() -> None:
    calls: list[int] = []

    def handler(_: httpx.Request) -> httpx.Response:
        calls.append(1)
        return json_reply({"error": "search_quota_exceeded"}, 429, **{"x-ratelimit-reset": "1795000000"})

    assert fault(market(handler).offers(NEED)).code == "market-searches"
    assert len(calls) == 1


def test_a_read_is_tried_again_after_a_bad_gateway() -> None:
    down = httpx.Response(502, content="<html>")
    assert asyncio.run(market(answers(down, json_reply({"credit": 1}))).credit()) == 1_000_000


def searches(count: list[float]) -> Vast:
    """A market on which `count` grows by the loop's time at each search."""

    def handler(_: httpx.Request) -> httpx.Response:
        count.append(asyncio.get_running_loop().time())
        return json_reply({"offers": [OFFER]})

    http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
    return Vast(Line(http, Pace(0), random.Random(1)), Pace(), local=False)


def test_1_000_re_quotes_a_minute_make_2_searches() -> None:
    """One without a person's filters, one with; prices and steps are looked at here."""
    calls: list[float] = []

    async def minute() -> None:
        vast = searches(calls)
        for n in range(500):
            mine = Filters(region="US", max_rate=MicroUsd(100_000 + n))
            await vast.offers(replace(NEED, steps=10 + n, dataset_gb=n / 1000))
            await vast.offers(replace(NEED, steps=10 + n, filters=mine))
            await asyncio.sleep(59 / 500)

    run(minute())
    assert len(calls) == 2


def test_quotes_leave_a_fifth_of_the_days_searches_to_rents_and_live_on_old_answers_then() -> None:
    calls: list[float] = []

    async def search(need: Need, _: object) -> list[Offer]:
        calls.append(asyncio.get_running_loop().time())
        return [offer()]

    async def asked(board: Board, times: int, *, renting: bool = False) -> int:
        for _ in range(times):
            assert await board.offers(NEED, fresh=True, renting=renting)
        return len(calls)

    async def day() -> None:
        board = Board(search, Pace(), a_day=10)
        assert await asked(board, 9) == 8
        assert await asked(board, 1, renting=True) == 9
        await asyncio.sleep(601)
        with pytest.raises(OperatorFault, match="market-searches"):
            await asked(board, 1)
        assert await asked(board, 1, renting=True) == 10
        with pytest.raises(OperatorFault, match="market-searches"):
            await asked(board, 1, renting=True)
        await asyncio.sleep(86_400)
        assert await asked(board, 1) == 11

    run(day())


def test_a_market_that_says_quota_is_left_alone_by_quotes_and_still_asked_by_rents() -> None:
    calls: list[int] = []

    def handler(_: httpx.Request) -> httpx.Response:
        calls.append(1)
        return json_reply({"error": "search_quota_exceeded"}, 429)

    async def ask() -> None:
        vast = market(handler)
        for renting in (False, False, False, True):
            with pytest.raises(OperatorFault, match="market-searches"):
                await vast.offers(NEED, renting=renting)

    asyncio.run(ask())
    assert len(calls) == 2


def test_an_offer_somebody_took_is_on_no_list_any_more() -> None:
    gone = json_reply({"error": "no_such_ask", "msg": "no longer available"}, 410)
    two = json_reply({"offers": [OFFER, OFFER | {"id": 112, "machine_id": 13}]})

    async def ask() -> None:
        vast = market(answers(two, gone, json_reply({"success": True, "new_contract": 5}), two))
        first, second = await vast.offers(NEED)
        with pytest.raises(HostFault, match="offer-gone"):
            await vast.rent(first, ORDER, NEED, NOW)
        assert await vast.offers(NEED) == [second]
        await vast.rent(second, ORDER, NEED, NOW)
        assert await vast.offers(NEED) == []

    asyncio.run(ask())


def test_a_create_that_came_too_early_waits_out_its_penalty() -> None:
    sent: list[float] = []

    def handler(_: httpx.Request) -> httpx.Response:
        sent.append(asyncio.get_running_loop().time())
        return httpx.Response(429, content="API requests too frequent: endpoint threshold=4.5")

    async def twice() -> None:
        http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
        line = Line(http, Pace(), random.Random(1))
        for _ in range(3):
            await line.once("create", "PUT", "/x")

    run(twice())
    assert [round(after - before, 3) for before, after in itertools.pairwise(sent)] == [12.0, 12.0]


def test_calls_keep_the_pause_of_their_endpoint_however_many_ask() -> None:
    sent: list[float] = []

    def handler(_: httpx.Request) -> httpx.Response:
        sent.append(asyncio.get_running_loop().time())
        return json_reply({})

    async def many() -> None:
        http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
        line = Line(http, Pace(0.5), random.Random(1))
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(line.once("destroy", "DELETE", "/x"))

    run(many())
    assert [round(each - sent[0], 3) for each in sent] == [0.0, 1.5, 3.0, 4.5, 6.0]


def test_a_teams_key_that_may_not_keep_ssh_keys_is_told_so() -> None:
    none = json_reply({"success": False, "error": "not_found"}, 404)
    refused = json_reply({"success": False, "error": "team_ssh_keys_not_supported", "msg": "x"}, 400)
    assert fault(market(answers(none, refused)).admit_key("ssh-ed25519 AAAA x")).code == "market-team-key"


def test_a_redirect_takes_our_key_nowhere() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(308, headers={"location": "https://elsewhere.example/"})

    vast = market(handler)
    for call in (vast.credit, vast.owned, lambda: vast.offers(NEED)):
        assert fault(call()).code == "market-down"
    assert set(asked) == {"market.example"}


def test_a_hundred_quotes_at_once_make_one_search_and_fresh_makes_another() -> None:
    calls: list[int] = []

    def handler(_: httpx.Request) -> httpx.Response:
        calls.append(1)
        return json_reply({"offers": [OFFER]})

    http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
    vast = Vast(Line(http, Pace(0.001), random.Random(1)), Pace(1), local=False)

    async def ask() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(vast.offers(NEED))
        assert len(calls) == 1
        await vast.offers(NEED, fresh=True)
        assert len(calls) == 2

    asyncio.run(ask())


@pytest.mark.parametrize(
    "reply", [json_reply({"success": True}), json_reply({"success": False, "error": "no_such_instance"}, 404)]
)
def test_destroying_twice_is_success(reply: httpx.Response) -> None:
    asyncio.run(market(answers(reply)).destroy(InstanceId("77")))


@pytest.mark.parametrize(
    "reply", [json_reply({"success": False}), httpx.Response(500), httpx.Response(404, content="<h>")]
)
def test_a_destroy_without_a_yes_raises(reply: httpx.Response) -> None:
    assert fault(market(answers(reply)).destroy(InstanceId("77"))).code == "market-down"


def test_a_key_that_is_known_is_not_added_again() -> None:
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        inner = json.dumps([{"id": 1, "public_key": "ssh-ed25519 AAAA/b+c someone"}])
        return json_reply({"success": True, "ssh_keys": inner})

    asyncio.run(market(handler).attach_key(InstanceId("77"), "ssh-ed25519 AAAA/b+c ours\n"))
    assert sent == ["GET"]


def test_a_key_is_added_where_none_is_known() -> None:
    none = json_reply({"success": False, "error": "not_found"}, 404)
    asyncio.run(market(answers(none, json_reply({"success": True, "key": {"id": 1}}))).admit_key("ssh-ed25519 AAAA x"))


def test_settings_do_not_show_the_key() -> None:
    assert "key-0123456789" not in repr(Settings(url="https://x", api_key="key-0123456789"))
