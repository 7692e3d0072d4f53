"""One look at a training, by a real shell and a real Python, at databases that a stranger may have written."""

import base64
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from pipeline.domain.ids import JobId
from pipeline.trainers import aitoolkit
from pipeline.trainers.aitoolkit import Look, Row
from pipeline.trainers.box import folder
from pipeline.trainers.lease import FOLDER, Lease
from pipeline.trainers.pump import JSON_CAP, PATIENCE, ROWS

JOB: Final = JobId("k3v9q0000000")
PUMP: Final = aitoolkit.pump(JOB, Lease(lapses=60, ends=600, every=5))
ENDLESS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
LOSSES: Final = """
CREATE TABLE steps (step INTEGER PRIMARY KEY, wall_time REAL);
CREATE TABLE metric_keys (key TEXT PRIMARY KEY, first_seen_step INTEGER, last_seen_step INTEGER);
CREATE TABLE metrics (step INTEGER, key TEXT, value_real REAL, value_text TEXT, PRIMARY KEY (step, key));
"""


class Shell:
    """The pump, asked as a box's login shell would be."""

    def __init__(self, home: Path) -> None:
        self.home, self.job = home, home / folder(JOB)
        (self.job / "out" / JOB).mkdir(parents=True)
        (home / FOLDER).mkdir()
        subprocess.run(["sh", "-c", aitoolkit.ready(JOB).script], cwd=home, env=self._env(), check=True)
        self.child = subprocess.Popen(
            ["sh", "-c", PUMP.script], cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._env()
        )

    def _env(self) -> dict[str, str]:
        return {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}

    def ask(self, offset: int = 0, since: int = 0) -> Look:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(b"%d %d\n" % (offset, since))
        self.child.stdin.flush()
        return aitoolkit.read_poll(base64.b64decode(self.child.stdout.readline().rstrip(), validate=True))

    def sql(self, name: str, script: str) -> None:
        with closing(sqlite3.connect(self.job / name)) as db:
            db.executescript(script)

    def losses(self, script: str) -> None:
        self.sql(f"out/{JOB}/loss_log.db", script)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with opened(tmp_path) as one:
        yield one


@contextmanager
def opened(home: Path) -> Iterator[Shell]:
    one = Shell(home)
    try:
        yield one
    finally:
        assert one.child.stdin is not None
        one.child.stdin.close()
        try:
            one.child.wait(10)
        finally:
            one.child.kill()


def test_a_look_tells_row_losses_saves_and_log_in_one_answer(shell: Shell) -> None:
    shell.sql("job.db", "UPDATE Job SET status='running', step=12, speed_string='2.31 sec/iter', info='Training'")
    shell.losses(
        LOSSES + "".join(f"INSERT INTO metrics VALUES ({n}, 'loss/loss', {1 / n}, NULL);" for n in range(1, 13))
    )
    (shell.job / "out" / JOB / f"{JOB}_000000010.safetensors").write_bytes(b"weights")
    (shell.job / "out" / JOB / "optimizer.pt").write_bytes(b"opt")
    (shell.job / "out" / JOB / "config.yaml").write_bytes(b"not ours to take")
    (shell.job / aitoolkit.LOG).write_bytes(b"\0one\r\ntwo\n")
    look = shell.ask(5, 10)
    assert look.row == Row(status="running", step=12, speed="2.31 sec/iter", info="Training")
    shell.sql("job.db", "UPDATE Job SET save_now=1")
    asked = shell.ask().row
    assert asked is not None
    assert asked.asked
    assert look.losses == ((11, round(1 / 11, 6)), (12, round(1 / 12, 6)))
    assert {save.name: save.size for save in look.saves} == {f"{JOB}_000000010.safetensors": 7, "optimizer.pt": 3}
    assert (look.log, look.size, look.alive, look.code, look.deaf) == (b"\ntwo\n", 10, False, None, 0)
    assert (shell.home / FOLDER / "until").read_text().strip().isdigit()


def test_process_and_exit_code_are_told_as_they_are(shell: Shell) -> None:
    (shell.job / "run.pid").write_text(f"{os.getpid()}\n")
    assert (shell.ask().alive, shell.ask().code) == (True, None)
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    (shell.job / "run.pid").write_text(f"{dead.pid}\n")
    assert not shell.ask().alive, "a zombie passes kill -0"
    dead.wait()
    (shell.job / "run.rc").write_text("137\n")
    assert (shell.ask().alive, shell.ask().code) == (False, 137)


def test_a_loss_log_db_made_of_views_costs_one_timeout_on_the_box(shell: Shell) -> None:
    shell.losses(f"CREATE VIEW metrics AS {ENDLESS} i AS step, 'loss/loss' AS key, 0.5 AS value_real FROM n;")
    (shell.job / aitoolkit.LOG).write_bytes(b"still here")
    began = time.monotonic()
    looks = [shell.ask() for _ in range(20)]
    assert time.monotonic() - began < 2 * PATIENCE
    assert {(look.log, look.losses, look.deaf, look.row and look.row.status) for look in looks} == {
        (b"still here", (), 1, "queued")
    }


@pytest.mark.parametrize(
    "value", ["zeroblob(700000000)", "'x' || hex(zeroblob(90000))", "9e999", "-9e999", "NULL", "'0.5'", "abs(-1)"]
)
def test_what_is_no_loss_is_none(shell: Shell, value: str) -> None:
    shell.losses(f"CREATE VIEW metrics AS SELECT 7 AS step, 'loss/loss' AS key, {value} AS value_real;")
    assert shell.ask().losses == ()


def test_more_losses_than_one_look_carries_come_with_the_next(shell: Shell) -> None:
    rows = f"{ENDLESS} i, 'loss/loss', 1.0 / i, NULL FROM n LIMIT {2 * ROWS}".replace(
        "WITH", "INSERT INTO metrics WITH", 1
    )
    shell.losses(LOSSES + rows)
    one = shell.ask()
    two = shell.ask(0, one.losses[-1][0])
    assert [step for step, _ in (*one.losses, *two.losses)] == list(range(1, 2 * ROWS + 1))
    assert shell.ask(0, two.losses[-1][0]).losses == ()


def test_a_writer_is_never_kept_waiting_by_our_looks(shell: Shell) -> None:
    shell.losses(LOSSES)
    with closing(sqlite3.connect(shell.job / "job.db", timeout=0)) as db:
        for step in range(1, 40):
            shell.ask()
            db.execute("UPDATE Job SET step = ?", (step,))
            db.commit()
    look = shell.ask()
    assert look.row is not None
    assert look.row.step == 39


@pytest.mark.parametrize(
    "bomb", [b"[" * 50_000, b"[" * 60_000 + b"]" * 60_000, b"[[1,1e999]]", b"[[" + b"9" * 5000 + b",1]]"]
)
def test_hostile_json_says_nothing_and_raises_nothing(bomb: bytes) -> None:
    look = aitoolkit.read_poll(b"job=%s\nloss=%s\nsaves=%s\nsize=3\n\nlog" % (bomb, bomb, bomb))
    assert (look.row, look.losses, look.saves, look.log) == (None, (), (), b"log")


def test_what_the_box_says_beside_the_log_is_capped() -> None:
    many = json.dumps([[n, 0.5] for n in range(JSON_CAP)]).encode()
    assert aitoolkit.read_poll(b"loss=%s\n\n" % many).losses == ()
