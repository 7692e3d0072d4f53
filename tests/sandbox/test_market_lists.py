"""The sandbox's market tells: lists, keys, charges, logs, and lies as armed."""

import asyncio
import base64
import json
from pathlib import Path

import httpx
import pytest

from tests.sandbox.market_keys import PUBLIC, written
from tests.sandbox.market_scene import GOOD, KEY, Client, played


def test_the_list_comes_in_pages_and_a_row_that_left_in_between_breaks_none(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        offers = await client.offers(num_gpus={"eq": 1}, dph_total={"lte": 0.7})
        for offer in offers[:28]:
            await client.create(offer["id"], label="many")
        first = (await client.page(limit=100)).json()
        assert (len(first["instances"]), first["instances_found"], first["total_instances"]) == (25, 25, 28)
        assert first["label_counts"] == {"many": 28}
        assert json.loads(base64.b64decode(first["next_token"])) == {"values": {"id": first["instances"][-1]["id"]}}
        gone = first["instances"][-1]["id"]
        await client.http.delete(f"/api/v0/instances/{gone}/")
        await client.until(gone, lambda row: row is None)
        second = (await client.page(after_token=first["next_token"])).json()
        assert second["next_token"] is None
        ids = [row["id"] for row in first["instances"] + second["instances"]]
        assert len(ids) == len(set(ids)) == 28

    played(tmp_path, act, credit=1000)


def test_the_list_filters_orders_and_picks_columns(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        for label in ("a", "b", None):
            await client.rent(label=label)
        by_label = {"select_filters": json.dumps({"label": {"in": ["a", None]}})}
        order = {"order_by": json.dumps([{"col": "id", "dir": "desc"}])}
        columns = {"select_cols": json.dumps(["label", "nonsense"])}
        rows = (await client.page(**by_label, **order, **columns)).json()["instances"]
        assert rows == [{"label": None, "nonsense": None}, {"label": "a", "nonsense": None}]
        assert len((await client.page(limit=0)).json()["instances"]) == 3

    played(tmp_path, act)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"after_token": "bm8="}, "invalid_token"),
        ({"select_filters": '{"dph_total": {"lt": 1}}'}, "invalid_request"),
        ({"select_filters": "nonsense"}, "invalid_request"),
    ],
)
def test_a_bad_list_is_400(tmp_path: Path, query: dict[str, str], error: str) -> None:
    async def act(client: Client) -> None:
        await client.rent()
        reply = await client.page(**query)
        assert (reply.status_code, reply.json()["error"]) == (400, error)

    played(tmp_path, act)


def test_the_old_list_is_410(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        reply = await client.http.get("/api/v0/instances/", params={"owner": "me"})
        assert (reply.status_code, reply.json()["error"]) == (410, "deprecated_endpoint")

    played(tmp_path, act)


def test_a_destroyed_rental_lingers_then_is_null_and_then_404_to_destroy(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent())["new_contract"]
        for _ in range(2):
            reply = await client.http.request("DELETE", f"/api/v0/instances/{number}/", json={})
            assert reply.json() == {"success": True}
        row = await client.row(number)
        assert row is not None
        assert row["next_state"] == "unloaded"
        await client.until(number, lambda row: row is None)
        assert (await client.page()).json()["instances"] == []
        reply = await client.http.delete(f"/api/v0/instances/{number}/")
        assert (reply.status_code, reply.json()["error"]) == (404, "no_such_instance")

    played(tmp_path, act, speed=100)


def test_many_are_destroyed_in_one_call(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        numbers = [(await client.rent())["new_contract"] for _ in range(2)]
        await client.http.request("DELETE", "/api/v0/instances/", json={"instance_ids": numbers})
        assert client.market.live() == 0

    played(tmp_path, act)


def test_keys_are_listed_as_life_lists_them(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        assert (await client.http.get("/api/v0/ssh/")).status_code == 404
        made = (await client.http.post("/api/v0/ssh/", json={"ssh_key": PUBLIC})).json()["key"]
        assert made["public_key"] == PUBLIC
        assert [key["key"] for key in (await client.http.get("/api/v0/ssh/")).json()] == [PUBLIC]
        number = (await client.rent())["new_contract"]
        inside = (await client.http.get(f"/api/v0/instances/{number}/ssh/")).json()["ssh_keys"]
        assert [key["public_key"] for key in json.loads(inside)] == [PUBLIC]
        await client.http.delete(f"/api/v0/ssh/{made['id']}/")
        assert (await client.http.delete(f"/api/v0/ssh/{made['id']}/")).json()["error"] == "no_ssh_key"
        assert (await client.http.post("/api/v0/ssh/", json={"ssh_key": "no"})).status_code == 400

    played(tmp_path, act)


def test_the_meter_runs_on_lifes_time_and_the_credit_falls_by_the_charges(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent(label="run-1"))["new_contract"]
        row = await client.running(number)
        await asyncio.sleep(0.1)
        await client.http.delete(f"/api/v0/instances/{number}/")
        query = {"select_filters": json.dumps({"day": {"gte": 0, "lte": 4e9}, "type": {"in": ["instance"]}})}
        (charge,) = (await client.http.get("/api/v0/charges/", params=query)).json()["results"]
        assert charge["source"] == f"instance-{number}"
        assert charge["metadata"]["label"] == "run-1"
        parts = {item["type"]: item["amount"] for item in charge["items"]}
        assert parts.keys() >= {"gpu", "disk"}
        assert parts["gpu"] > row["dph_base"] * 0.1 * 400 / 3600  # at least the time slept
        user = (await client.http.get("/api/v0/users/current/")).json()
        assert user["credit"] == pytest.approx(25 - charge["amount"], abs=1e-5)

    played(tmp_path, act)


def test_logs_come_in_two_steps_the_second_without_a_key(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent(onstart="echo hello from onstart"))["new_contract"]
        await client.running(number)
        await written(client.market.rentals[number].box.onstart_log, "hello from onstart\n")
        reply = await client.http.put(f"/api/v0/instances/request_logs/{number}/", json={"tail": "50"})
        async with httpx.AsyncClient() as nobody:
            url = reply.json()["result_url"]
            while (log := await nobody.get(url)).status_code == 403:  # noqa: ASYNC110  # as the official client polls
                await asyncio.sleep(0.01)
        assert "hello from onstart" in log.text

    played(tmp_path, act)


def test_who_calls_too_often_reads_429_in_plain_text_and_waits_longer(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        assert (await client.create(1)).status_code == 404
        hasty = await client.create(1)
        assert (hasty.status_code, hasty.text) == (429, "API requests too frequent: endpoint threshold=4.5")
        assert hasty.headers["content-type"].startswith("text/plain")
        await asyncio.sleep(0.45)
        assert (await client.create(1)).status_code == 429  # 4.5 s have passed, the penalty has not
        await asyncio.sleep(1.2)
        assert (await client.create(1)).status_code == 404

    played(tmp_path, act, speed=10)


def test_a_snatched_offer_is_410_and_stays_gone(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        client.market.faults.arm("offer-snatched")
        first, second, *_ = await client.offers(**GOOD)
        assert (await client.create(first["id"])).status_code == 410
        assert (await client.create(first["id"])).status_code == 410
        assert (await client.create(second["id"])).status_code == 200

    played(tmp_path, act)


def test_a_lost_reply_and_a_502_leave_a_rental_behind(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        client.market.faults.arm("lost-create-reply")
        client.market.faults.arm("create-502")
        first, second, *_ = await client.offers(**GOOD)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.create(first["id"])
        assert client.market.live() == 1
        reply = await client.create(second["id"])
        assert (reply.status_code, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")
        assert client.market.live() == 2

    played(tmp_path, act)


@pytest.mark.parametrize(("fault", "left"), [("destroy-500", 1), ("destroy-500-applied", 0)])
def test_a_500_on_destroy_says_nothing_about_what_was_done(tmp_path: Path, fault: str, left: int) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent())["new_contract"]
        client.market.faults.arm(fault)
        assert (await client.http.delete(f"/api/v0/instances/{number}/")).status_code == 500
        assert client.market.live() == left

    played(tmp_path, act)


def test_a_slow_listing_hides_a_new_rental_from_list_and_look(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        client.market.faults.arm("slow-listing", seconds=40)
        number = (await client.rent())["new_contract"]
        assert await client.row(number) is None
        assert (await client.page()).json()["instances"] == []
        assert await client.until(number, lambda row: row is not None)

    played(tmp_path, act)


def test_a_stuck_rental_loads_for_ever_with_a_frozen_text(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        client.market.faults.arm("stuck-loading")
        number = (await client.rent())["new_contract"]
        await asyncio.sleep(0.6)
        before = await client.row(number)
        await asyncio.sleep(0.2)
        assert before is not None
        assert before["actual_status"] == "loading"
        assert await client.row(number) == before

    played(tmp_path, act)


def test_a_list_of_html_and_a_429_strike_as_often_as_armed(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        client.market.faults.arm("list-html", times=2)
        for _ in range(2):
            reply = await client.page()
            assert (reply.status_code, reply.text[:6]) == (200, "<html>")
        assert (await client.page()).json()["instances"] == []
        client.market.faults.arm("429-text")
        assert (await client.page()).status_code == 429
        assert (await client.page()).status_code == 200

    played(tmp_path, act)


def test_a_misspelt_fault_is_an_error(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        with pytest.raises(ValueError, match="offer-snached"):
            client.market.faults.arm("offer-snached")

    played(tmp_path, act)


def test_the_key_in_the_query_still_opens(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        reply = await client.http.get("/api/v0/users/current/", params={"api_key": KEY}, headers={"Authorization": ""})
        assert reply.status_code == 200

    played(tmp_path, act)
