"""The sandbox's market shows its offers: doors, filters, prices."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.market_scene import GOOD, Client, played


def test_every_answer_is_json_without_a_charset_on_both_spellings_of_a_path(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        for path in ("/api/v0/users/current", "/api/v0/users/current/", "/api/v1/instances", "/api/v0/none/"):
            assert (await client.http.get(path)).headers["content-type"] == "application/json"

    played(tmp_path, act)


def test_no_key_is_403_and_a_wrong_key_is_404(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        for headers, status, msg in (
            ({"Authorization": ""}, 403, "This action requires login."),
            ({"Authorization": "Bearer bad"}, 404, "Invalid user key"),
        ):
            reply = await client.http.get("/api/v0/users/current/", headers=headers)
            assert (reply.status_code, reply.json()) == (status, {"success": False, "error": "auth_error", "msg": msg})
        assert (await client.http.get("/api/v0/gpu_names/unique/", headers={"Authorization": ""})).status_code == 200

    played(tmp_path, act)


def test_the_book_is_large_and_cut_at_64(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        found = await client.offers(limit=10_000, order=[["dph_total", "asc"]])
        rest = await client.offers(dph_total={"gt": found[-1]["dph_total"]})
        assert len(found) == 64
        assert len(found) + len(rest) >= 75
        assert len({offer["machine_id"] for offer in found + rest}) >= 30
        assert len({offer["host_id"] for offer in found + rest}) >= 18
        prices = [offer["dph_total"] for offer in found]
        assert prices == sorted(prices)

    played(tmp_path, act)


def test_a_job_finds_many_good_24_gb_machines_of_many_owners(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        found = await client.offers(
            **GOOD, gpu_name={"in": ["RTX 3090", "RTX 4090"]}, driver_version={"gte": 580_000_000},
            disk_space={"gte": 150}, dph_total={"lte": 0.6}, direct_port_count={"gte": 1}, duration={"gte": 86400},
        )  # fmt: skip
        assert len(found) >= 8
        assert len({offer["host_id"] for offer in found}) >= 8

    played(tmp_path, act)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"num_gpus": {"eq": "2"}}, lambda row: row["num_gpus"] == 2),
        ({"reliability": {"gt": "0.98"}}, lambda row: row["reliability"] > 0.98),
        ({"gpu_ram": {"gte": 23000.0, "lt": 25000}}, lambda row: 23000 <= row["gpu_ram"] < 25000),
        ({"gpu_name": {"notin": ["RTX 4090"]}}, lambda row: row["gpu_name"] != "RTX 4090"),
        ({"verified": {"eq": "False"}}, lambda row: row["verification"] == "unverified"),
        ({"geolocation": {"eq": "SE"}}, lambda row: row["geolocation"].endswith("SE")),
        ({"cpu_cores": {"neq": None}}, lambda row: row["cpu_cores"] is not None),
        ({"datacenter": {"eq": True}}, lambda row: row["hosting_type"] == 1),
        ({"gpu_name": {"eq": "any"}, "num_gpus": {"eq": 8}}, lambda row: row["num_gpus"] == 8),
    ],
)
def test_filters_hold_numbers_as_strings_scopes_and_any(tmp_path: Path, query: dict[str, Any], holds: Any) -> None:
    async def act(client: Client) -> None:
        found = await client.offers(**query)
        assert found
        assert all(map(holds, found))

    played(tmp_path, act)


def test_a_filter_on_id_matches_nothing_and_ask_contract_id_does(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        (offer, *_) = await client.offers()
        assert await client.offers(id={"eq": offer["id"]}) == []
        assert [row["id"] for row in await client.offers(ask_contract_id={"eq": offer["id"]})] == [offer["id"]]

    played(tmp_path, act)


def test_the_price_holds_the_disk_that_was_asked_for(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        for storage in (10, 250):
            for offer in await client.offers(allocated_storage=storage, limit=5):
                disk = storage * offer["storage_cost"] / 720
                assert offer["dph_total"] == pytest.approx(offer["dph_base"] + disk)
                assert offer["storage_total_cost"] == pytest.approx(disk)

    played(tmp_path, act)


def test_a_bid_search_is_priced_by_the_bid(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        assert all(offer["dph_base"] == offer["min_bid"] for offer in await client.offers(type="bid"))

    played(tmp_path, act)


def test_three_spellings_of_a_search_find_the_same(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        query = {"num_gpus": {"eq": 8}}
        one = await client.offers(**query)
        two = (await client.http.put("/api/v0/search/asks/", json={"select_cols": ["*"], "q": query})).json()["offers"]
        three = (await client.http.get("/api/v0/bundles", params={"q": json.dumps(query)})).json()["offers"]
        assert [row["id"] for row in one] == [row["id"] for row in two] == [row["id"] for row in three]

    played(tmp_path, act)


@pytest.mark.parametrize(
    ("query", "says"),
    [({"colour": {"eq": 1}}, "not a valid search key"), ({"num_gpus": {"0": 1}}, "not a valid search op")],
)
def test_a_bad_search_is_400(tmp_path: Path, query: dict[str, Any], says: str) -> None:
    async def act(client: Client) -> None:
        reply = await client.http.post("/api/v0/bundles/", json=query)
        assert reply.status_code == 400
        assert says in reply.json()["msg"]

    played(tmp_path, act)
