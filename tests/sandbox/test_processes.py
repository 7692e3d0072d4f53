"""Real processes: the sandbox and the bot, driven from outside, killed in the middle."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.sandbox.pictures import make_pictures, make_zip

BIN = Path(sys.executable).parent / "trainstation"
SPEED = "120"


class Program:
    """A child with its output collected by a thread."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: Path) -> None:
        self.child = subprocess.Popen(
            [BIN, *argv], env=env, cwd=cwd, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said = ""
        self._grown = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            with self._grown:
                self.said += line
                self._grown.notify_all()

    def type(self, text: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{text}\n")
        self.child.stdin.flush()

    def until(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until the output holds `pattern`."""
        deadline = time.monotonic() + seconds
        with self._grown:
            while not (found := re.search(pattern, self.said)):
                left = deadline - time.monotonic()
                assert left > 0, f"no {pattern!r} in:\n{self.said[-3000:]}"
                assert self.child.poll() is None or self._grown.wait(0.2), f"it ended:\n{self.said[-3000:]}"
                self._grown.wait(min(left, 0.5))
        return found

    def end(self, by: signal.Signals, seconds: float = 10) -> int:
        self.child.send_signal(by)
        return self.child.wait(seconds)


@contextmanager
def program(argv: list[str], env: dict[str, str], cwd: Path) -> Iterator[Program]:
    one = Program(argv, env, cwd)
    try:
        yield one
    finally:
        if one.child.poll() is None:
            one.child.kill()
            one.child.wait(10)


def environment(tmp_path: Path, extra: dict[str, str] | None = None) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}  # noqa: TID251  # a child's own
    own = {"HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "METRICS_BIND": "127.0.0.1:0"}
    return {**keep, **own, **(extra or {})}


@contextmanager
def a_sandbox(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The sandbox as a process of its own; its env file, read."""
    file = tmp_path / "sandbox.env"
    with program(["sandbox", "--env-file", str(file), "--speed", SPEED], environment(tmp_path), tmp_path) as one:
        deadline = time.monotonic() + 30
        while not file.exists():
            assert time.monotonic() < deadline, one.said
            assert one.child.poll() is None, one.said
            time.sleep(0.05)
        yield dict(line.split("=", 1) for line in file.read_text().splitlines())
        assert one.end(signal.SIGTERM) == 0


def instances(env: dict[str, str]) -> list[dict[str, object]]:
    headers = {"Authorization": f"Bearer {env['VAST_API_KEY']}"}
    time.sleep(1.1 / float(SPEED))  # the endpoint's own interval
    answer = httpx.get(f"{env['VAST_URL']}/api/v1/instances/", headers=headers, trust_env=False)
    found: list[dict[str, object]] = answer.json()["instances"] or []  # null is how none is spelled
    return found


@pytest.mark.torture  # the Discord life is killed twice in make test
def test_kill_9_in_training_and_the_next_start_adopts_it_without_renting_again(tmp_path: Path) -> None:
    pictures = make_zip(make_pictures(tmp_path / "pictures"), tmp_path / "pictures.zip")
    with a_sandbox(tmp_path) as world:
        env = environment(tmp_path, {**world, "PLATFORMS": "terminal", "WELCOME_POINTS": "50000", "LOG_LEVEL": "error"})
        with program(["run"], env, tmp_path) as bot:
            bot.type(f"/train mytrigger steps=200 rank=1 samples=0 {pictures}")
            bot.until(r"1\W+Start")
            bot.type("1")
            bot.until(r"[1-9]\d*/200")
            before = [row["id"] for row in instances(world)]
            bot.end(signal.SIGKILL)
        assert len(before) == 1
        with program(["run"], env, tmp_path) as bot:
            found = bot.until(r"<lora:(\S+):0\.8>", 90)
            assert "mytrigger" in found[1]
            assert bot.end(signal.SIGTERM, 5) == 0
        assert instances(world) == []


def test_bad_settings_end_with_code_2_one_message_and_no_secret(tmp_path: Path) -> None:
    env = environment(tmp_path, {"PACE": "0", "VAST_URL": "ftp://x", "VAST_API_KEY": "very-secret-key"})
    done = subprocess.run([BIN, "run"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "PACE" in done.stderr
    assert "VAST_URL" in done.stderr
    assert "very-secret-key" not in done.stdout + done.stderr


def test_grant_works_beside_a_running_bot_and_does_not_spoil_the_welcome(tmp_path: Path) -> None:
    with a_sandbox(tmp_path) as world:
        env = environment(tmp_path, {**world, "PLATFORMS": "terminal", "WELCOME_POINTS": "500", "LOG_LEVEL": "error"})
        with program(["run"], env, tmp_path) as bot:
            argv = [str(BIN), "grant", "terminal:me", "100000", "--reason", "test"]
            done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
            assert "100,000" in done.stdout
            bot.type("/balance")
            bot.until(r"100,500")
            assert bot.end(signal.SIGTERM, 5) == 0
