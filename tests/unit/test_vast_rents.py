"""Renting and giving back over the wire: every refusal named, nothing sent twice."""

import asyncio
import itertools
import json
import random
from typing import Any

import httpx
import pytest

from pipeline.adapters.http import Http
from pipeline.adapters.providers.vast.client import Line
from pipeline.domain.faults import Fault, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId
from pipeline.ports import Pace
from tests.support.virtual import run
from tests.unit.vast_desk import NEED, NOW, ORDER, ROW, answers, fault, json_reply, market, offer, served


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
