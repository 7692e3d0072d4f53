"""Looking at one rental and listing all: an error is neither gone nor none."""

import asyncio
from typing import Any

import httpx
import pytest

from pipeline.domain.ids import InstanceId, Label
from tests.unit.vast_desk import ROW, answers, fault, json_reply, market

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


def page(ids: range, token: str | None, total: int) -> httpx.Response:
    rows = [ROW | {"id": n, "label": f"l{n}"} for n in ids]
    return json_reply({"instances": rows, "next_token": token, "total_instances": total, "instances_found": len(rows)})


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


@pytest.mark.parametrize("reply", BLIND)
def test_not_understood_is_neither_gone_nor_none(reply: Any) -> None:
    assert fault(market(answers(reply)).look(InstanceId("1001"))).code == "market-down"
    assert fault(market(answers(reply)).owned()).code == "market-down"
    assert fault(market(answers(reply)).find(Label("x"))).code == "market-down"


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
