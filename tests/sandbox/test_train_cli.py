"""train, watch, logs, jobs, stop, cancel: the real program against a sandbox, beside a running bot and alone."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from typer.testing import CliRunner, Result

from bot.cli import app
from pipeline.sandbox.pictures import make_pictures
from tests.sandbox.test_processes import BIN, a_sandbox, environment, instances, program

QUICK: Final = ("--trigger", "mytrigger", "--steps", "12", "--rank", "1", "--samples", "0")
KEYS: Final = {
    "success", "job", "loraModel", "charged", "cacheRefreshed", "comfyDeploy", "errors", "gpuHourlyRate",
    "durationSeconds", "trainingCost",
}  # fmt: skip


class Rig:
    def __init__(self, folder: Path, world: dict[str, str]) -> None:
        self.folder, self.world = folder, world
        self.env = environment(folder, {**world, "PLATFORMS": "terminal", "LOG_LEVEL": "error"})
        self.pictures = make_pictures(folder / "pictures")

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN, *argv], env=self.env, cwd=self.folder, capture_output=True, text=True, check=False, timeout=100
        )

    def inside(self, *argv: str) -> Result:
        """The same without a process of its own: for what only reads or writes the store."""
        return CliRunner().invoke(app, list(argv), env=self.env)

    def jobs(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.inside("jobs", "--json").stdout)
        return rows


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    with a_sandbox(folder) as world:
        yield Rig(folder, world)
    structlog.reset_defaults()  # commands run in this process set it up for themselves


def test_without_a_runner_background_is_refused_with_the_reason_and_a_code_of_its_own(rig: Rig) -> None:
    refused = rig.inside("train", str(rig.pictures), *QUICK, "--background")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "trainstation run" in refused.stderr
    assert rig.jobs() == []


def test_a_dry_run_says_the_price_and_starts_nothing(rig: Rig) -> None:
    said = json.loads(rig.inside("train", str(rig.pictures), *QUICK, "--dry-run", "--json").stdout)
    assert 0 < said["usd"] <= said["usd_most"]
    assert (said["steps"], said["slug"], rig.jobs(), instances(rig.world)) == (12, "mytrigger", [], [])


def test_a_mistake_is_told_on_stderr_with_code_2(rig: Rig) -> None:
    for wrong in (["--steps", "5"], ["--captions", "some"], ["--ssh-timeout", "1"], ["--base", "flux9"]):
        done = rig.inside("train", str(rig.pictures), "--trigger", "mytrigger", *wrong)
        assert (done.exit_code, done.stdout) == (2, ""), wrong
    for wrong in (["--trigger", "ab--w"], ["--trigger", "mytrigger", "--max-price", "0"]):
        done = rig.inside("train", str(rig.pictures), *wrong)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr


@pytest.mark.parametrize("verb", ["watch", "logs", "stop", "cancel"])
def test_an_unknown_job_is_told_first_and_alone_in_an_operator_s_words(rig: Rig, verb: str) -> None:
    done = rig.inside(verb, "nosuchjob")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("no-such-job: ")
    assert done.stderr.count("\n") == 1
    assert "`trainstation jobs`" in done.stderr


@pytest.mark.parametrize("verb", ["watch", "logs"])
def test_an_unknown_job_is_told_without_a_key_of_the_market_or_the_hub(tmp_path: Path, verb: str) -> None:
    done = CliRunner().invoke(
        app, [verb, "nosuchjob"], env={"DATA_DIR": str(tmp_path), "VAST_API_KEY": "", "HF_TOKEN": ""}
    )
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("no-such-job: ")


def test_watched_without_a_runner_it_is_trained_in_this_process_to_a_result_in_json(rig: Rig) -> None:
    done = rig.run("train", str(rig.pictures), *QUICK, "--name", "watched-mytrigger", "--ssh-timeout", "30", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.keys() == KEYS
    model = said["loraModel"]
    assert (said["success"], said["cacheRefreshed"], said["errors"]) == (True, True, [])
    assert (model["slug"], model["step"], model["complete"]) == ("watched-mytrigger", 12, True)
    assert Path(model["file"]).stat().st_size == model["size"]
    job = rig.jobs()[0]["id"]
    (kept,) = json.loads(rig.inside("checkpoints", job, "--json").stdout)
    assert (kept["step"], kept["sha256"], kept["points"], kept["current"]) == (12, model["sha256"], 0, True)
    assert kept["sha256"][:12] in rig.inside("checkpoints", job).stdout
    assert rig.inside("take", job, "--step", "12").exit_code == 2  # it is the model already
    assert rig.inside("take", job, "--step", "11", "--dry-run").exit_code == 2
    assert said["charged"] > 0
    assert 0 < said["trainingCost"] < said["gpuHourlyRate"] * said["durationSeconds"] / 3600 + 1
    assert instances(rig.world) == []
    (row,) = rig.jobs()
    assert (row["id"], row["state"], row["step"]) == (said["job"], "done", 12)
    again = rig.inside("watch", said["job"], "--json")
    assert (again.exit_code, json.loads(again.stdout)) == (0, said)
    too_late = rig.inside("cancel", said["job"])
    assert too_late.exit_code == 2


@pytest.mark.torture  # the longer of two
def test_beside_a_running_bot_it_is_ordered_watched_read_and_stopped_from_outside(rig: Rig) -> None:
    with program(["run"], rig.env, rig.folder) as bot:
        _until_live(rig)
        order = (
            "--trigger",
            "mytrigger",
            "--steps",
            "3000",
            "--rank",
            "1",
            "--samples",
            "0",
            "--name",
            "far-mytrigger",
        )
        ordered = rig.run("train", str(rig.pictures), *order, "--background", "--json")
        assert ordered.returncode == 0, ordered.stderr
        job = json.loads(ordered.stdout)["job"]
        with program(["watch", job], rig.env, rig.folder) as watching:
            watching.until(r"[1-9]\d*/3000")
            read = rig.run("logs", job)
            assert re.search(rf"{job}: +\d+%.*/3000 ", read.stdout), read.stderr
            assert "\x1b" not in read.stdout
            assert rig.inside("stop", job, "--dry-run").exit_code == 0
            stopped = json.loads(rig.inside("stop", job, "--json").stdout)
            assert (stopped["stored"], stopped["runner"]) == (True, True)
            watching.until(r"stopped and kept")
            assert watching.child.wait(20) == 4
        assert bot.end(signal.SIGTERM, 5) == 0
    row = rig.jobs()[0]
    assert (row["id"], row["state"]) == (job, "stopped")
    assert 0 < row["step"] < 3000
    assert instances(rig.world) == []


def _until_live(rig: Rig) -> None:
    """Until the bot holds its lock."""
    from bot.cli import counter  # noqa: PLC0415  # beside its one use

    end = time.monotonic() + 30
    while not counter.runs(Path(rig.env["DATA_DIR"])):
        assert time.monotonic() < end
        time.sleep(0.05)
