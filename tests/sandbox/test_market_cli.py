"""The judge of the sandbox's market: the official command line, which exits 0 on errors, so its output is read."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.sandbox.market_scene import KEY, Client, played

CHILD = Path(__file__).parent / "cli_child.py"
SEARCH = "gpu_name=RTX_4090 num_gpus=1 gpu_ram>=23 reliability>0.98 inet_down>500 duration>3"
PUBLIC = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()

Says = Callable[..., Awaitable[str]]


def driven(tmp_path: Path, act: Callable[[Client, Says], Awaitable[None]]) -> None:
    """`says(*words)` runs one command, on fresh folders for its caches, and returns both outputs as one text."""

    async def play(client: Client) -> None:
        private = {f"XDG_{each}_HOME": str(tmp_path / each) for each in ("CONFIG", "CACHE", "STATE", "DATA")}
        env = private | {
            "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "VAST_URL": str(client.http.base_url).rstrip("/"),
            "VASTAI_NO_UPDATE_CHECK": "1", "PAGER": "cat", "COLUMNS": "220",
        }  # fmt: skip
        cli = await asyncio.create_subprocess_exec(
            sys.executable, str(CHILD), env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert cli.stdin and cli.stdout  # noqa: PT018  # for the type checker
        stdin, stdout, out = cli.stdin, cli.stdout, tmp_path / "said"

        async def says(*words: str, key: str = KEY) -> str:
            stdin.write(json.dumps({"argv": words, "key": key, "out": str(out)}).encode() + b"\n")
            assert await stdout.readline(), "the command line did not start"
            return out.read_text()

        try:
            await act(client, says)
        finally:
            stdin.close()
            await cli.wait()

    played(tmp_path / "world", play)


def rows(said: str) -> Any:
    return json.loads(said)


def test_it_knows_who_we_are_and_who_we_are_not(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        user = rows(await says("show", "user", "--raw"))
        assert user["credit"] == 25.0
        assert "api_key" not in user
        assert "Invalid user key" in await says("show", "user", key="bad")

    driven(tmp_path, act)


def test_it_searches_with_its_own_units_prices_the_disk_and_prints_tables_of_both_kinds_of_offer(
    tmp_path: Path,
) -> None:
    async def act(client: Client, says: Says) -> None:
        found = rows(await says("search", "offers", SEARCH, "-o", "dph_total", "--storage", "120", "--raw"))
        assert found
        for offer in found:
            assert offer["gpu_name"] == "RTX 4090"
            assert offer["gpu_ram"] >= 23000
            assert offer["duration"] > 3 * 86400
            assert abs(offer["dph_total"] - offer["dph_base"] - 120 * offer["storage_cost"] / 720) < 1e-9
        prices = [offer["dph_total"] for offer in found]
        assert prices == sorted(prices)
        for kind in ("on-demand", "bid"):
            table = await says("search", "offers", SEARCH, "--type", kind, "--limit", "3")
            assert len(table.strip().splitlines()) == 4, table
            assert "RTX_4090" in table

    driven(tmp_path, act)


def test_it_rents_once_and_is_told_so_the_second_time(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        (offer, *_) = await client.offers(num_gpus={"eq": 1}, verified={"eq": True})
        words = (
            "create", "instance", str(offer["id"]), "--image", "ostris/aitoolkit:1", "--disk", "120", "--ssh",
            "--direct", "--label", "mine", "--env", "-e A=b -p 8000:8000", "--cancel-unavail", "--raw",
        )  # fmt: skip
        made = rows(await says(*words))
        assert made["success"]
        row = await client.row(made["new_contract"])
        assert row is not None
        assert row["extra_env"] == [["A", "b"], ["-p 8000:8000", "1"]]
        assert (row["disk_space"], row["image_runtype"]) == (120, "ssh_direc ssh_proxy")
        again = rows(await says(*words))
        assert (again["error"], again["status_code"]) == (True, 410)
        assert "no longer available" in again["msg"]

    driven(tmp_path, act)


@pytest.mark.torture  # another of nine conversations with the official client
def test_it_lists_every_page_and_by_label(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        offers = await client.offers(num_gpus={"eq": 1}, dph_total={"lte": 0.5})
        for count, offer in enumerate(offers[:27]):
            assert (await client.create(offer["id"], label="odd" if count == 9 else "many", disk=10)).status_code == 200
        assert len(rows(await says("show", "instances", "--raw"))) == 27
        (odd,) = rows(await says("show", "instances", "--label", "odd", "--raw"))
        assert odd["extra_env"] == {}
        table = await says("show", "instances", "--label", "odd")
        assert str(odd["id"]) in table
        assert len((await says("show", "instances", "-q")).split()) == 27

    driven(tmp_path, act)


def test_it_finds_the_way_in_and_labels(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        client.market.faults.arm("stuck-loading")
        booting = (await client.rent())["new_contract"]
        assert rows(await says("show", "instance", str(booting), "--raw"))["ports"] == {}
        number = (await client.rent())["new_contract"]
        row = await client.running(number)
        assert (await says("ssh-url", str(number))).strip() == (
            f"ssh://root@127.0.0.1:{row['ports']['22/tcp'][0]['HostPort']}"
        )
        await says("label", "instance", str(number), "renamed")
        running = rows(await says("show", "instance", str(number), "--raw"))
        assert (running["label"], running["actual_status"]) == ("renamed", "running")
        assert rows(await says("show", "instance", "5", "--raw")) == {"instances": None}

    driven(tmp_path, act)


@pytest.mark.torture  # another of nine conversations with the official client
def test_without_a_mapped_port_it_goes_by_the_proxy_and_one_port_up_for_jupyter(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        client.market.faults.arm("ports-other", times=2)
        for runtype, up in (("ssh_direc ssh_proxy", 0), ("jupyter_direc ssh_direc ssh_proxy", 1)):
            number = (await client.rent(runtype=runtype))["new_contract"]
            row = await client.running(number)
            assert (await says("ssh-url", str(number))).strip() == f"ssh://root@127.0.0.1:{row['ssh_port'] + up}"

    driven(tmp_path, act)


@pytest.mark.torture  # another of nine conversations with the official client
def test_it_stops_starts_and_reboots_and_is_told_when_a_start_has_to_wait(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        number = (await client.rent())["new_contract"]
        await client.running(number)
        assert f"Rebooting instance {number}." in await says("reboot", "instance", str(number))
        await client.until(number, lambda row: bool(row and row["actual_status"] == "running" and row["ports"]))
        assert f"stopping instance {number}." in await says("stop", "instance", str(number))
        await client.until(number, lambda row: bool(row and row["actual_status"] == "stopped"))
        client.market.faults.arm("start-queued", seconds=600)
        assert "state change queued" in await says("start", "instance", str(number))
        assert f"starting instance {number}." in await says("start", "instance", str(number))
        await client.running(number)

    driven(tmp_path, act)


@pytest.mark.torture  # another of nine conversations with the official client
def test_it_minds_keys_and_reads_logs(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        number = (await client.rent())["new_contract"]
        await says("create", "ssh-key", PUBLIC)
        (key,) = rows(await says("show", "ssh-keys", "--raw"))
        assert key["key"] == PUBLIC
        await says("attach", "ssh", str(number), PUBLIC)
        inside = (await client.http.get(f"/api/v0/instances/{number}/ssh/")).json()["ssh_keys"]
        assert [each["public_key"] for each in json.loads(inside)] == [PUBLIC]
        await says("delete", "ssh-key", str(key["id"]))
        assert (await client.http.get("/api/v0/ssh/")).status_code == 404
        await client.running(number)
        log = await says("logs", str(number), "--tail", "2")
        assert "success, running" in log
        assert "Pull complete" not in log

    driven(tmp_path, act)


def test_it_destroys_and_reads_the_bill(tmp_path: Path) -> None:
    async def act(client: Client, says: Says) -> None:
        one, two, three = [(await client.rent())["new_contract"] for _ in range(3)]
        assert f"destroying instance {one}." in await says("destroy", "instance", str(one), "-y")
        await client.until(one, lambda row: row is None)
        again = rows(await says("destroy", "instance", str(one), "-y", "--raw"))
        assert again["status_code"] == 404
        await says("destroy", "instances", str(two), str(three), "-y")
        assert client.market.live() == 0
        bill = rows(await says("show", "invoices-v1", "--charges", "--raw"))
        assert {charge["source"] for charge in bill["results"]} == {f"instance-{each}" for each in (one, two, three)}

    driven(tmp_path, act)
