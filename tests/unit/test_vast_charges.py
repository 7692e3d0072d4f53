"""The market's bill: every page summed by rental, or a fault; half a bill is never an answer."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.adapters.http import Http
from pipeline.adapters.providers.vast.charges import charges
from pipeline.adapters.providers.vast.client import Line
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import InstanceId
from pipeline.domain.money import MicroUsd
from pipeline.ports import Pace
from tests.sandbox.market_scene import KEY, SPEED, Client, played

SINCE = datetime(2026, 11, 20, tzinfo=UTC)


def billed(answer: Callable[[httpx.Request], Any]) -> dict[InstanceId, MicroUsd]:
    async def ask() -> dict[InstanceId, MicroUsd]:
        def say(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=httpx.ByteStream(json.dumps(answer(request)).encode()))

        http = Http("https://market.example", bearer="k", transport=httpx.MockTransport(say))
        line = Line(http, Pace(0.001), random.Random(1))
        try:
            return await charges(line, SINCE)
        finally:
            await line.close()

    return asyncio.run(ask())


def row(source: object, amount: object) -> dict[str, Any]:
    return {"type": "instance", "source": source, "amount": amount}


def test_rows_of_all_pages_are_summed_by_rental_and_what_is_no_rentals_is_left_out() -> None:
    def answer(request: httpx.Request) -> Any:
        days = json.loads(request.url.params["select_filters"])["day"]
        assert days["gte"] == SINCE.timestamp() < days["lte"]
        if request.url.params.get("after_token") == "more":
            return {"results": [row("instance-7", "0.25"), row("volume-3", 9), row("instance-../8", 9)]}
        return {"results": [row("instance-7", 1.5), row("instance-8", 0.000001), "?"], "next_token": "more"}

    assert billed(answer) == {"7": 1_750_000, "8": 1}


@pytest.mark.parametrize(
    "said",
    [
        {"success": False, "error": "Invalid date range", "results": []},
        {"results": None},
        [],
        {"results": [], "next_token": 5},
        {"results": [], "next_token": "the same for ever"},
    ],
)
def test_a_bill_that_is_not_whole_is_a_fault(said: object) -> None:
    with pytest.raises(OperatorFault, match="market-down"):
        billed(lambda _: said)


def test_the_sandboxs_bill_is_read_as_its_meter_ran(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        rented = [(await client.rent())["new_contract"] for _ in range(2)]
        await client.running(rented[0])
        line = Line(Http(str(client.http.base_url), bearer=KEY), Pace(1 / SPEED), random.Random(1))
        try:
            found = await charges(line, SINCE)
        finally:
            await line.close()
        assert found.keys() == {str(each) for each in rented}
        assert found[InstanceId(str(rented[0]))] > 0

    played(tmp_path, act)
