"""The sandbox's market rents: asks, machines, their keys and switches."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from tests.sandbox.market_keys import PUBLIC, SSH_KEY, written
from tests.sandbox.market_scene import GOOD, Client, played


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

    played(tmp_path, act, speed=50)


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
