"""The operators' commands as real processes, against a sandbox of their own and against markets that lie."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from bot.cli import app
from pipeline.sandbox.pictures import make_pictures
from tests.sandbox.test_processes import BIN, environment, program

SPEED = "120"
NEEDED = ("VAST_URL", "VAST_API_KEY", "PACE", "TOOLKIT_DIR")  # and nothing else: no HF_TOKEN
READY = 30.0


class Rig:
    """A sandbox, and commands run beside it on one DATA_DIR."""

    def __init__(self, world: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.env = environment(folder, {name: world[name] for name in NEEDED} | {"LABEL_PREFIX": "rig"})
        self.pace = float(world["PACE"])
        self.http = httpx.Client(
            base_url=world["VAST_URL"], headers={"Authorization": f"Bearer {world['VAST_API_KEY']}"}, trust_env=False
        )

    def run(self, *argv: str, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN, *argv], env=self.env | env, cwd=self.folder, input=typed, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip

    def json(self, *argv: str) -> Any:
        done = self.run(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def inside(self, *argv: str, **env: str) -> Result:
        """The same without a process of its own, a dozen times quicker."""
        return CliRunner().invoke(app, list(argv), env={**self.env, "HF_TOKEN": "", **env})

    def told(self, *argv: str) -> Any:
        """What it says as JSON, inside."""
        done = self.inside(*argv, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def rent(self, label: str) -> int:
        """A rental that nobody here knows of, made past the program."""
        time.sleep(12.5 * self.pace)  # the endpoint's own penalty
        (offer, *_) = self.http.post("/api/v0/bundles/", json={"num_gpus": {"eq": 1}, "verified": {"eq": True}}).json()[
            "offers"
        ]
        order = {"client_id": "me", "image": "ostris/aitoolkit:1", "disk": 10, "env": {}, "label": label}
        made = self.http.put(f"/api/v0/asks/{offer['id']}/", json=order | {"runtype": "ssh_direc ssh_proxy"}).json()
        return int(made["new_contract"])

    def end(self, rental: int) -> None:
        time.sleep(3.1 * self.pace)
        assert self.http.request("DELETE", f"/api/v0/instances/{rental}/", json={}).json()["success"]
        while rental in self.ids():  # a destroyed rental stays listed for a moment
            pass

    def ids(self) -> set[int]:
        time.sleep(1.1 * self.pace)
        return {int(row["id"]) for row in self.http.get("/api/v1/instances/").json()["instances"] or []}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    file = folder / "sandbox.env"
    with program(["sandbox", "--env-file", str(file), "--speed", SPEED], environment(folder), folder) as one:
        deadline = time.monotonic() + READY
        while not file.exists():
            assert time.monotonic() < deadline, one.said
            time.sleep(0.05)
        yield Rig(dict(line.split("=", 1) for line in file.read_text().splitlines()), folder)
        assert one.end(signal.SIGTERM) == 0


def test_offers_obey_every_filter_and_are_ranked_by_the_whole_job(rig: Rig) -> None:
    found = rig.json("offers", "--gpu", "RTX_4090", "--max-price", "0.45", "--min-reliability", "0.98")
    assert found
    for each in found:
        assert each["gpu"] == "RTX 4090"
        assert each["usd_per_hour"] <= 0.45
        assert each["reliability"] >= 0.98
        assert abs(sum(each["costs"].values()) - each["usd_job"]) < 1e-5
    costs = [each["usd_job"] for each in found]
    assert costs == sorted(costs)


def test_offers_can_be_sorted_and_say_why_the_first_wins(rig: Rig) -> None:
    by_price = json.loads(rig.inside("offers", "--sort", "price", "--json").stdout)
    assert [each["usd_per_hour"] for each in by_price] == sorted(each["usd_per_hour"] for each in by_price)
    table = rig.inside("offers", "--explain").stdout
    winner = next(each for each in by_price if each["rank"] == 1)
    assert re.search(rf"★ {winner['id']} wins at \$\d+\.\d\d: the runner-up costs \$", table)
    assert "whole job" in table


def test_no_offer_is_an_answer_and_a_wrong_option_is_a_mistake(rig: Rig) -> None:
    nothing = rig.inside("offers", "--max-price", "0.001", "--json")
    assert (nothing.exit_code, nothing.stdout) == (0, "[]\n")
    for wrong in (["offers", "--steps", "5"], ["rent"], ["offers", "--base", "none"]):
        assert rig.inside(*wrong).exit_code == 2


def test_a_wrong_key_is_a_setting_and_is_not_repeated(rig: Rig) -> None:
    wrong = rig.inside("offers", "--json", VAST_API_KEY="wrong-key-of-mine")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "wrong-key-of-mine" not in wrong.stderr


def test_regions_name_each_gpu_and_its_cheapest_job(rig: Rig) -> None:
    rows = json.loads(rig.inside("regions", "--json").stdout)
    assert {row["gpu"] for row in rows} == {"RTX 3090", "RTX 4090"}
    assert all(row["usd_per_hour_min"] <= row["usd_per_hour_median"] for row in rows)


def test_reap_ends_old_boxes_of_ours_that_nobody_owns_and_no_other(rig: Rig) -> None:
    foreign, orphan = rig.rent("somebody-else"), rig.rent("rig-nobody-1")
    owners = {row["id"]: row["owner"] for row in rig.told("instances")}
    assert owners[foreign] == "foreign"
    assert owners[orphan] in {"settling", "nobody"}  # by how long this machine took to ask
    time.sleep(601 * rig.pace)
    named = rig.told("reap", "--dry-run")
    assert ([row["id"] for row in named["doomed"]], rig.ids()) == ([orphan], {foreign, orphan})
    swept = rig.json("reap")
    assert [(row["id"], row["why"], row["gone"]) for row in swept["doomed"]] == [(orphan, "no-owner", True)]
    assert (swept["left"], rig.ids()) == ([], {foreign})
    rig.end(foreign)


def test_a_dry_run_rents_nothing(rig: Rig) -> None:
    said = json.loads(rig.inside("rent", "--best", "--dry-run", "--hours", "2", "--json").stdout)
    assert said["usd_most"] == pytest.approx(2 * said["usd_per_hour"], abs=1e-3)
    assert rig.ids() == set()


def test_a_rented_machine_is_its_leases_until_the_lease_is_ended(rig: Rig) -> None:
    rented = rig.json("rent", "--best", "--hours", "5")
    (row,) = json.loads(rig.inside("instances", "--json").stdout)
    assert (row["id"], row["owner"]) == (rented["id"], f"lease {rented['lease']}")
    assert json.loads(rig.inside("reap", "--json").stdout)["doomed"] == []
    assert [each["why"] for each in rig.told("reap", "--end", str(rented["id"]))["doomed"]] == ["lease-over"]
    assert rig.ids() == set()


def test_a_session_lays_out_pictures_config_and_environment_and_gives_the_machine_back(rig: Rig) -> None:
    make_pictures(rig.folder / "pictures")
    script = 'ls dataset | wc -l; stat -c %a env.sh "$CONFIG"; echo "in $PWD"; exit 5\n'
    done = rig.run("session", "--dataset", str(rig.folder / "pictures"), "--hours", "5", typed=script)
    start, count, *modes, where = done.stdout.splitlines()
    assert re.fullmatch(r"cd \S+/toolkit && python run\.py \S+/ts/\w{12}/config\.json", start), done.stderr
    assert (int(count), modes) == (24, ["600", "600"])
    assert where.endswith(re.findall(r"ts/\w{12}", start)[0])
    assert (done.returncode, rig.ids()) == (5, set())
    assert not list((rig.folder / "data/spool/jobs").iterdir())


@pytest.mark.torture  # the long way round
def test_a_session_that_is_ended_in_the_middle_gives_its_machine_back(rig: Rig) -> None:
    with program(["session", "--hours", "9"], rig.env, rig.folder) as one:
        one.until(r"python run\.py")
        assert len(rig.ids()) == 1
        one.end(signal.SIGTERM, 20)
        assert "read back twice" in one.said
    assert rig.ids() == set()


@pytest.mark.torture  # tests/sandbox/test_lease.py has the box without the command
def test_a_killed_sessions_machine_is_ended_when_its_lease_is_over(rig: Rig) -> None:
    with program(["session", "--hours", "0.2"], rig.env, rig.folder) as one:
        one.until(r"it boots|It runs")
        one.end(signal.SIGKILL)
    assert len(rig.ids()) == 1
    time.sleep(0.2 * 3600 * rig.pace)
    assert rig.inside("reap").exit_code == 0
    assert rig.ids() == set()


# --- markets that cannot be read


@contextmanager
def a_market(answer: Any) -> Iterator[tuple[str, list[str]]]:
    """A market that answers everything in one way; its address, and the methods it heard."""
    heard: list[str] = []
    started, stop = threading.Event(), threading.Event()
    port: list[int] = []

    async def serve() -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            heard.append(request.method)
            reply: web.StreamResponse = answer(request)
            return reply

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.append(runner.addresses[0][1])
        started.set()
        await asyncio.to_thread(stop.wait)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(READY)
        yield f"http://127.0.0.1:{port[0]}", heard
    finally:
        stop.set()
        thread.join()


ROW = {"id": 77, "label": "rig-nobody-1", "start_date": 1_600_000_000, "actual_status": "running"}
LISTED = {"success": True, "instances": [ROW], "instances_found": 1, "next_token": None}


def redirect(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})


def short(request: web.Request) -> web.Response:
    return web.json_response(LISTED | {"instances_found": 9})


def html(request: web.Request) -> web.Response:
    return web.Response(text="<html>Just a moment...</html>", content_type="text/html")


@pytest.mark.parametrize("answer", [redirect, short, html])
def test_a_market_that_cannot_be_read_is_code_3_and_nothing_is_destroyed(tmp_path: Path, answer: Any) -> None:
    with a_market(answer) as (url, heard):
        env = environment(tmp_path, {"VAST_URL": url, "VAST_API_KEY": "k", "PACE": "0.01", "LABEL_PREFIX": "rig"})
        done = subprocess.run(
            [BIN, "reap", "--json"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        said = CliRunner().invoke(app, ["instances", "--json"], env=env)
        assert (said.exit_code, said.stdout) == (3, "")
    assert "DELETE" not in heard


def test_a_text_429_is_ridden_out_once(tmp_path: Path) -> None:
    turns = iter([True])

    def busy_once(request: web.Request) -> web.Response:
        if next(turns, False):
            return web.Response(status=429, text="API requests too frequent: endpoint threshold=1.0")
        return web.json_response(LISTED)

    with a_market(busy_once) as (url, heard):
        env = environment(tmp_path, {"VAST_URL": url, "VAST_API_KEY": "k", "PACE": "0.01", "LABEL_PREFIX": "rig"})
        done = subprocess.run(
            [BIN, "instances", "--json"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
    assert [row["id"] for row in json.loads(done.stdout)] == [77]
    assert len(heard) == 2


# --- the shell


@pytest.mark.torture  # hung once on a busy machine, in one of many runs; why is not known yet
def test_a_terminal_is_handed_to_the_box_with_its_size_and_given_back_as_it_was(rig: Rig) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    termios.tcsetwinsize(theirs, (33, 111))
    said = b""

    def until(word: bytes) -> None:
        nonlocal said
        while word not in said:
            said += os.read(ours, 4096)

    try:
        child = subprocess.Popen(
            [BIN, "session", "--hours", "5"], env=rig.env | {"TERM": "xterm"}, cwd=rig.folder, stdin=theirs,
            stdout=theirs, stderr=subprocess.STDOUT,
        )  # fmt: skip
        until(b"trainstation:")  # the prompt
        os.write(ours, b"stty size\r")
        until(b"33 111")
        termios.tcsetwinsize(theirs, (44, 99))
        child.send_signal(signal.SIGWINCH)
        os.write(
            ours, b"while test \"$(stty size)\" != '44 99'; do sleep 0.01; done; echo grown $((6 * 7)); sleep 600\r"
        )
        until(b"grown 42")
        os.write(ours, b"\x03")  # the box's, not ours
        until(b"^C")
        os.write(ours, b"exit 7\r")
        until(b"read back twice")
        assert child.wait(30) == 7
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)
    assert rig.ids() == set()


def test_help_is_quick_and_each_command_has_an_example() -> None:
    heavy = "('pydantic', 'asyncssh', 'httpx', 'structlog')"
    code = f"import sys, bot.cli; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for name in ("offers", "regions", "rent", "session", "instances", "reap"):
        assert f"Example: trainstation {name}" in CliRunner().invoke(app, [name, "--help"]).stdout
