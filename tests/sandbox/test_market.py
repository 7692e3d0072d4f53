"""The sandbox's market, held to the fact sheet on real sockets: offers, rentals, keys, money, refusals, faults."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import asyncssh
import httpx
import pytest

from tests.sandbox.market_scene import GOOD, KEY, Client, played

SSH_KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC = SSH_KEY.export_public_key().decode().strip()


async def written(file: Path, text: str) -> None:
    """Wait for a box to have written it; the test's own time limit ends a wait in vain."""
    while not file.exists() or file.read_text() != text:  # noqa: ASYNC110  # the writer is another process
        await asyncio.sleep(0.01)


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


# Offers -----------------------------------------------------------------------------------------------------------


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


# Renting ----------------------------------------------------------------------------------------------------------


def test_an_ask_is_gone_once_rented_and_comes_back_under_a_new_id(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        (offer, *_) = await client.offers(**GOOD)
        number = (await client.create(offer["id"])).json()["new_contract"]
        again = await client.create(offer["id"])
        assert (again.status_code, again.json()["error"]) == (410, "no_such_ask")
        same = {"machine_id": {"eq": offer["machine_id"]}}
        assert await client.offers(**same) == []
        await client.http.delete(f"/api/v0/instances/{number}/")
        assert client.market.live() == 0
        await client.until(number, lambda row: row is None)
        (back,) = await client.offers(**same)
        assert back["id"] != offer["id"]
        assert (await client.create(offer["id"])).status_code == 410

    played(tmp_path, act)


def test_a_slice_that_is_rented_takes_the_larger_ones_off_the_market(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        whole = (await client.offers(num_gpus={"eq": 4}, gpu_frac={"eq": 1}))[0]
        part = (await client.offers(machine_id={"eq": whole["machine_id"]}, num_gpus={"eq": 1}))[0]
        await client.create(part["id"])
        left = await client.offers(machine_id={"eq": whole["machine_id"]})
        assert sorted(row["num_gpus"] for row in left) == [1, 1, 1, 2]
        assert (await client.create(whole["id"])).status_code == 410

    played(tmp_path, act)


def test_an_ask_that_never_was_is_404_with_an_error_of_another_name(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        reply = await client.create(5)
        assert (reply.status_code, reply.json()["error"]) == (404, "invalid_args")
        assert "no_such_ask" in reply.json()["msg"]

    played(tmp_path, act)


def test_without_credit_nothing_is_rented_and_the_offer_stays(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        (offer, *_) = await client.offers(**GOOD)
        for _ in range(2):
            reply = await client.create(offer["id"])
            assert (reply.status_code, reply.json()["error"]) == (400, "insufficient_credit")
        assert client.market.live() == 0

    played(tmp_path, act, credit=0.01)


def test_a_bid_that_is_too_low_fails_and_leaves_a_stopped_rental(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        (offer, *_) = await client.offers(**GOOD)
        reply = await client.create(offer["id"], price=0.001)
        assert (reply.status_code, reply.json()["success"]) == (200, False)
        row = await client.row(reply.json()["new_contract"])
        assert row is not None
        assert (row["cur_state"], row["intended_status"], row["next_state"]) == ("stopped",) * 3
        assert row["is_bid"]

    played(tmp_path, act)


def test_a_rental_passes_through_null_and_loading_to_running_and_then_to_its_ports(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent(label="run-1", env={"DOG": "CAT", "-p 70001:70001": "1"}))["new_contract"]
        seen, said = [], set()
        while True:
            row = await client.row(number)
            assert row is not None
            state = (row["actual_status"], bool(row["ports"]))
            seen += [state] if state not in seen else []
            said.add((row["status_msg"] or "").strip().split(": ")[-1])
            if row["ports"]:
                break
            await asyncio.sleep(0.002)
        assert seen == [(None, False), ("loading", False), ("running", False), ("running", True)]
        assert {"Pull complete", "Download complete"} <= said
        assert isinstance(row["ports"]["22/tcp"][0]["HostPort"], str)
        assert row["public_ipaddr"].strip() == "127.0.0.1"
        assert row["extra_env"] == [["DOG", "CAT"], ["-p 70001:70001", "1"]]
        assert row["label"] == "run-1"
        assert row["disk_usage"] >= 0

    played(tmp_path, act, speed=150)


def test_a_running_rental_is_a_machine_that_knows_the_accounts_keys_of_its_birth(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent())["new_contract"]
        row = await client.running(number)
        port = int(row["ports"]["22/tcp"][0]["HostPort"])

        def login(port: int) -> "asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]":
            return asyncssh.connect(
                "127.0.0.1",
                port,
                username="root",
                client_keys=[SSH_KEY],
                known_hosts=None,
                config=None,
                agent_path=None,
            )

        await client.http.post("/api/v0/ssh/", json={"ssh_key": PUBLIC})
        with pytest.raises(asyncssh.PermissionDenied):  # existing rentals do not get a new account key
            await login(port)
        async with login(row["ssh_port"]) as conn:  # the proxy asks the account
            gpu = await conn.run("nvidia-smi --query-gpu=name --format=csv,noheader", check=True)
            assert str(gpu.stdout).strip().endswith(row["gpu_name"])
        await client.http.post(f"/api/v0/instances/{number}/ssh/", json={"ssh_key": PUBLIC})
        async with login(port):
            pass

    played(tmp_path, act)


def test_a_box_can_end_itself_with_its_own_key_and_touch_no_other(tmp_path: Path) -> None:
    onstart = (
        'me() { curl -s -o /dev/null -w "%{http_code}" -H "Authorization: Bearer $CONTAINER_API_KEY" "$@"; }\n'
        "until test -e told; do sleep 0.02; done\n"
        'me -X DELETE "$VAST_URL/api/v0/instances/$(cat told)/" > other.part; mv other.part other\n'
        "until test -e last; do sleep 0.02; done\n"
        'me -X DELETE "$VAST_URL/api/v0/instances/$CONTAINER_ID/"\n'
    )

    async def act(client: Client) -> None:
        mine = (await client.rent(onstart=onstart))["new_contract"]
        other = (await client.rent())["new_contract"]
        await client.running(mine)
        home = client.market.rentals[mine].box.home
        (home / "told").write_text(str(other))
        await written(home / "other", "403")
        assert client.market.live() == 2
        (home / "last").touch()
        await client.until(mine, lambda row: row is None)
        assert client.market.live() == 1
        assert await client.row(other)

    played(tmp_path, act)


def test_a_rentals_own_key_lists_and_rents_nothing(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        scoped = {"Authorization": "Bearer " + (await client.rent())["instance_api_key"]}
        assert (await client.http.get("/api/v1/instances/", headers=scoped)).status_code == 403
        assert (await client.http.put("/api/v0/asks/5/", json={}, headers=scoped)).status_code == 403

    played(tmp_path, act)


def test_stop_and_start_keep_the_files_and_run_onstart_again(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent(onstart="echo once >> starts"))["new_contract"]
        await client.running(number)
        starts = client.market.rentals[number].box.home / "starts"
        await written(starts, "once\n")
        await client.http.put(f"/api/v0/instances/{number}/", json={"state": "stopped"})
        row = await client.until(number, lambda row: bool(row and row["actual_status"] == "stopped"))
        assert row is not None
        assert row["ports"] == {}
        await client.http.put(f"/api/v0/instances/{number}/", json={"state": "running"})
        await client.running(number)
        await written(starts, "once\nonce\n")

    played(tmp_path, act)


def test_whoever_flips_the_switch_last_wins(tmp_path: Path) -> None:
    async def act(client: Client) -> None:
        number = (await client.rent())["new_contract"]
        await client.running(number)
        for state in ("stopped", "running", "stopped", "running"):
            await client.http.put(f"/api/v0/instances/{number}/", json={"state": state})
        await client.running(number)
        await client.http.delete(f"/api/v0/instances/{number}/")
        reply = await client.http.put(f"/api/v0/instances/{number}/", json={"state": "running"})
        assert reply.status_code == 404
        await client.until(number, lambda row: row is None)

    played(tmp_path, act)


def test_when_the_market_stops_nothing_runs_on(tmp_path: Path) -> None:
    pids: list[int] = []

    async def act(client: Client) -> None:
        number = (await client.rent(onstart="setsid -f sh -c 'echo $$ > pid.part; mv pid.part pid; exec sleep 300'"))[
            "new_contract"
        ]
        await client.running(number)
        file = client.market.rentals[number].box.home / "pid"
        while not file.exists():  # noqa: ASYNC110  # the writer is another process
            await asyncio.sleep(0.01)
        pids.append(int(file.read_text()))

    played(tmp_path, act)
    assert not Path(f"/proc/{pids[0]}").exists()


# Listing ----------------------------------------------------------------------------------------------------------


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


# Ending -----------------------------------------------------------------------------------------------------------


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


# Account ----------------------------------------------------------------------------------------------------------


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


# Faults -----------------------------------------------------------------------------------------------------------


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
