"""The market's moods and our manners: 429, quotas, pauses, keys, redirects."""

import asyncio
import json
import random
from dataclasses import replace

import httpx
import pytest

from pipeline.adapters.http import Http
from pipeline.adapters.providers.vast import Settings
from pipeline.adapters.providers.vast.board import Board
from pipeline.adapters.providers.vast.client import Line
from pipeline.adapters.providers.vast.market import Vast
from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.ids import InstanceId
from pipeline.domain.money import MicroUsd
from pipeline.domain.quote import Filters, Need, Offer
from pipeline.ports import Pace
from tests.support.virtual import run
from tests.unit.vast_desk import NEED, NOW, OFFER, ORDER, answers, fault, json_reply, market, offer, served


def searches(count: list[float]) -> Vast:
    """A market on which `count` grows by the loop's time at each search."""

    def handler(_: httpx.Request) -> httpx.Response:
        count.append(asyncio.get_running_loop().time())
        return json_reply({"offers": [OFFER]})

    http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
    return Vast(Line(http, Pace(0), random.Random(1)), Pace(), local=False)


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

    run(ask())
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

    run(ask())  # in virtual time: the list grows old in a moment


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

    run(ask())


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
