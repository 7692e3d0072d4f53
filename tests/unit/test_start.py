"""The start of a trainer, by a real shell: exactly one, whoever asks, however often, and whatever died on the way."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from pipeline.domain.ids import JobId
from pipeline.trainers import aitoolkit
from pipeline.trainers.box import folder, numbers

JOB: Final = JobId("k3v9q0000000")
TIMES: Final = 20
HOSTILE: Final = {
    "NVIDIA_REQUIRE_CUDA": "cuda>=13.0 brand=tesla,driver>=535 'x' \"y\" $(touch \"$HOME/owned\") `id` \\",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "NV_CUDA_LIB_VERSION": "13.0.3-1", "CUDA_VISIBLE_DEVICES": "",
    "LD_LIBRARY_PATH": "/usr/local/nvidia/lib:/usr/local/nvidia/lib64", "NVIDIA_TWO_LINES": "one\nCUDA_FALSE=two\n",
}  # fmt: skip
# It writes its pid down before anything else; then it ends as it is told, or runs until it is stopped.
TRAINER: Final = """#!/bin/sh
echo $$ >> "$HOME/born"; env -0 > "$HOME/environment"
test -e "$HOME/brief" && exit 3
exec sleep 60
"""


class Box:
    """A home with a job's folder in it, and a trainer that only sleeps."""

    def __init__(self, home: Path) -> None:
        self.home, self.job, self.toolkit = home, home / folder(JOB), home / "toolkit"
        for each in (self.job, self.toolkit, home / "bin"):
            each.mkdir(parents=True)
        (home / "bin" / "python").write_text(TRAINER)
        (home / "bin" / "python").chmod(0o755)
        self.script = aitoolkit.start(JOB, str(self.toolkit)).script

    def begin(self, script: str = "") -> "subprocess.Popen[bytes]":
        env = {"PATH": f"{self.home / 'bin'}:{os.defpath}", "HOME": str(self.home), "SECRET": "x"} | HOSTILE
        return subprocess.Popen(
            ["sh", "-c", script or self.script], cwd=self.home, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, script: str = "") -> int:
        with self.begin(script) as child:
            child.communicate(timeout=30)
        return child.returncode

    def born(self) -> list[int]:
        """Pids of all trainers there ever were: a start that came back has named its own."""
        file = self.home / "born"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    def pid(self) -> int:
        return int((self.job / "run.pid").read_text())

    def has_one_trainer(self) -> None:
        until(lambda: self.born() == [self.pid()])

    def came_to_a_trainer(self) -> bool:
        until(lambda: bool(self.born()) or rc(self) != "")
        return bool(self.born())

    def end(self) -> None:
        """Stop what runs."""
        for pid in self.born():
            if alive(pid):
                os.kill(pid, signal.SIGINT)
        until(lambda: not any(alive(pid) for pid in self.born()))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def rc(box: Box) -> str:
    file = box.job / "run.rc"
    return file.read_text() if file.exists() else ""


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[Iterator[Box]]:
    made = list[Box]()

    def one_more() -> Iterator[Box]:
        while True:
            made.append(Box(tmp_path / str(len(made))))
            yield made[-1]
            made[-1].end()

    yield one_more()
    for each in made:
        each.end()


@pytest.fixture
def a_box(boxes: Iterator[Box]) -> Box:
    return next(boxes)


def test_started_by_two_at_once_it_starts_once(boxes: Iterator[Box]) -> None:
    for a_box in islice(boxes, TIMES):
        both = [a_box.begin(), a_box.begin()]
        for each in both:
            out, _ = each.communicate(timeout=30)
            assert numbers(out) == {"started": 1}
            assert alive(a_box.pid()), "it came back before there was a trainer"
        a_box.has_one_trainer()


def test_started_twice_in_a_row_it_starts_once(boxes: Iterator[Box]) -> None:
    for a_box in islice(boxes, TIMES):
        assert [a_box.run(), a_box.run(), a_box.run()] == [0, 0, 0]
        a_box.has_one_trainer()


def shells(script: str) -> list[tuple[str, bool]]:
    """The script with a kill -9 of the shell in hand put before each line, and whether that is the outermost one."""
    lines = script.split("\n")
    inner = range(next(at for at, each in enumerate(lines) if "setsid" in each) + 1, len(lines) - 3)
    return [("\n".join([*lines[:at], "kill -9 $$", *lines[at:]]), at not in inner) for at in range(1, len(lines))]


def test_killed_between_any_two_lines_the_next_start_starts_exactly_one(boxes: Iterator[Box], a_box: Box) -> None:
    for at in range(len(shells(a_box.script))):
        box = next(boxes)
        script, outer = shells(box.script)[at]
        box.run(script)
        box.run()
        box.run()
        if outer or box.came_to_a_trainer():
            box.has_one_trainer()
        else:  # the shell that was to become the trainer: it is told as a run that ended
            assert rc(box) == "137\n"


def test_a_run_that_ended_is_over_until_it_is_cleared_away_and_then_starts_again(a_box: Box) -> None:
    (a_box.home / "brief").touch()
    assert a_box.run() == 0
    until(lambda: rc(a_box) == "3\n")
    with a_box.begin() as child:
        assert numbers(child.communicate(timeout=30)[0]) == {"over": 1}
    (a_box.home / "brief").unlink()
    assert a_box.run(aitoolkit.again(JOB, 1).script) == 0
    assert a_box.run() == 0
    until(lambda: len(a_box.born()) == 2)
    assert alive(a_box.pid())
    assert a_box.run(aitoolkit.again(JOB, 2).script) == 0
    assert alive(a_box.pid()), "what runs is not cleared away"


def test_a_trainer_that_was_killed_with_its_keeper_does_not_bar_the_next(a_box: Box) -> None:
    assert a_box.run() == 0
    a_box.has_one_trainer()
    keeper = int(Path(f"/proc/{a_box.pid()}/stat").read_text().rsplit(")", 1)[1].split()[1])
    for pid in (keeper, a_box.pid()):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(a_box.pid()))
    assert [a_box.run(aitoolkit.again(JOB, 1).script), a_box.run()] == [0, 0]
    until(lambda: len(a_box.born()) == 2)


def test_an_interrupt_reaches_the_trainer_and_its_end_is_written_down(a_box: Box) -> None:
    assert a_box.run() == 0
    a_box.has_one_trainer()
    assert a_box.run(aitoolkit.interrupt(JOB).script) == 0
    until(lambda: rc(a_box) == "130\n")


def test_the_trainer_does_not_hold_the_lock_it_was_started_under(a_box: Box) -> None:
    assert a_box.run() == 0
    a_box.has_one_trainer()
    assert "run.turn" not in {each.resolve().name for each in Path(f"/proc/{a_box.pid()}/fd").iterdir()}
    assert a_box.run(f"flock -n {a_box.job}/run.turn true") == 0


def test_the_gpus_own_variables_arrive_as_they_were_and_nothing_else_does(a_box: Box) -> None:
    assert a_box.run() == 0
    until((a_box.home / "environment").exists)
    until(lambda: (a_box.home / "environment").read_bytes().endswith(b"\0"))
    said = dict(each.split("=", 1) for each in (a_box.home / "environment").read_text().split("\0") if each)
    assert {name: value for name, value in said.items() if name in HOSTILE or name == "CUDA_FALSE"} == HOSTILE
    assert "SECRET" not in said
    assert (said["AITK_JOB_ID"], said["PYTHONUNBUFFERED"], said["HF_HUB_OFFLINE"]) == (JOB, "1", "1")
    assert not (a_box.home / "owned").exists()


def test_without_its_toolkit_nothing_is_started_and_it_says_so(a_box: Box) -> None:
    a_box.toolkit.rmdir()
    assert a_box.run() == 8
    a_box.toolkit.mkdir()
    assert a_box.run() == 0
