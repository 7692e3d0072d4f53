"""Checkpoints on the box: our few lines of shell, run by a real one, and what we make of its answers."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.domain.ids import JobId
from pipeline.trainers import saves
from pipeline.trainers.box import Command, folder, numbers
from pipeline.trainers.log import OptimizerResumed, Reader, Resumed

JOB = JobId("k3v9q0000000")


def at(home: Path, command: Command) -> bytes:
    return subprocess.run(["sh", "-c", command.script], cwd=home, check=True, capture_output=True).stdout


@pytest.fixture
def out(tmp_path: Path) -> Path:
    there = tmp_path / saves.output(JOB)
    there.mkdir(parents=True)
    return there


def said(out: Path, *lines: str) -> saves.Whole | None:
    """What is whole when the log says `lines`."""
    (out.parents[1] / "run.log").write_text("\n".join(lines))
    return saves.read_whole(JOB, at(out.parents[3], saves.whole(JOB)))


def saved(step: int | None) -> list[str]:
    name = f"{JOB}.safetensors" if step is None else f"{JOB}_{step:09d}.safetensors"
    begun = [] if step is None else [f"{JOB}: 5%|| 1/2 [00:01<00:01,  1.00it/s]", f"Saving at step {step}"]
    return [
        *begun,
        f"Saved checkpoint to /home/box/out/{JOB}/{name}",
        f"Saved optimizer to /home/box/out/{JOB}/optimizer.pt",
    ]


def test_a_set_is_whole_once_both_lines_are_there_and_no_save_began_since(out: Path) -> None:
    (out / "optimizer.pt").write_bytes(b"x")
    assert said(out, "Loading") is None
    assert said(out, *saved(10)[:-1]) is None
    whole = said(out, *saved(10))
    assert whole is not None
    assert (whole.name, whole.count, whole.age < 60) == (f"{JOB}_000000010.safetensors", 3, True)
    assert said(out, *saved(10), "Saving at step 20") is None
    final = said(out, *saved(10), *saved(None))
    assert final is not None
    assert (final.name, saves.step_of(JOB, final.name, 30)) == (f"{JOB}.safetensors", 30)


def test_an_optimizer_that_is_rewritten_in_place_shows(out: Path) -> None:
    state = out / "optimizer.pt"
    state.write_bytes(b"x")
    first = said(out, *saved(10))
    time.sleep(0.02)  # a file's time has a grain of a tick
    state.write_bytes(b"y")
    again = said(out, *saved(10))
    assert first is not None
    assert again is not None
    assert again.changed > first.changed


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff" * 99,
        b"count=1\nchanged=\nage=0\n",
        b"Saved checkpoint to /x/other.safetensors\nSaved optimizer to\n",
    ],
)
def test_no_answer_of_a_stranger_makes_a_set(answer: bytes) -> None:
    assert saves.read_whole(JOB, answer) is None


def test_what_lay_there_before_the_start_was_not_made_by_it(out: Path) -> None:
    start = out.parents[1] / "run.lock"
    start.mkdir()
    for name, age in ((f"{JOB}_000000010.safetensors", -9), (f"{JOB}_000000020.safetensors", 9), ("x.safetensors", 9)):
        (out / name).write_bytes(b"")
        os.utime(out / name, (start.stat().st_mtime + age,) * 2)
    made = saves.read_made(JOB, at(out.parents[3], saves.made(JOB)), 30)
    assert made == {20: f"{JOB}_000000020.safetensors"}


@pytest.mark.parametrize("optimizer", [True, False])
def test_the_set_that_is_laid_down_is_the_only_one(out: Path, *, optimizer: bool) -> None:
    home, staged = out.parents[3], out.parents[1] / saves.STAGED
    staged.mkdir()
    (staged / "weights.safetensors").write_bytes(b"weights")
    (staged / saves.OPTIMIZER).write_bytes(b"state")
    for litter in (f"{JOB}_000000999.safetensors", f"{JOB}.log", "optimizer.pt"):
        (out / litter).write_bytes(b"old")
    assert numbers(at(home, saves.lay(JOB, 250, optimizer=optimizer))) == {"laid": 250}
    found = {file.name: file.read_bytes() for file in out.iterdir()}
    state = {saves.OPTIMIZER: b"state"} if optimizer else {}
    assert found == {f"{JOB}_000000250.safetensors": b"weights", **state}


def test_once_the_trainer_was_started_its_folder_is_its_own(out: Path) -> None:
    (out.parents[1] / "run.lock").mkdir()
    (out / f"{JOB}_000000010.safetensors").write_bytes(b"its own")
    assert at(out.parents[3], saves.lay(JOB, 250, optimizer=True)) == b""
    assert [file.name for file in out.iterdir()] == [f"{JOB}_000000010.safetensors"]


@pytest.mark.parametrize(
    ("capture", "step", "kept"),
    [
        ("32-resume-elsewhere-from-mirrored-set", 13, True),
        ("37-resume-elsewhere-adamw8bit", 23, True),
        ("45-resume-hostile-optimizer", None, False),
        ("29b-resume-truncated-optimizer", None, False),
    ],
)
def test_a_resumed_run_tells_its_step_and_whether_its_optimizer_went_on(
    capture: str, step: int | None, *, kept: bool
) -> None:
    readings = Reader().feed((Path(__file__).parents[1] / "data" / "aitoolkit" / f"{capture}.raw").read_bytes())[1]
    steps = [each.step for each in readings if isinstance(each, Resumed)]
    states = [each.kept for each in readings if isinstance(each, OptimizerResumed)]
    assert len(steps) == 1
    assert steps[0] == (step or steps[0])
    assert states[-1] is kept


def test_the_last_words_are_the_exit_code_and_the_end_of_the_log(out: Path) -> None:
    here = out.parents[1]
    (here / "run.log").write_bytes(b"x" * 100_000 + b"\n\nTraceback: boom\n")
    assert saves.read_last_words(at(out.parents[3], saves.last_words(JOB)))[0] is None
    (here / "run.rc").write_text("1\n")
    code, log = saves.read_last_words(at(out.parents[3], saves.last_words(JOB)))
    assert (code, log.endswith(b"Traceback: boom\n"), len(log)) == (1, True, 61_440)
    assert str(here).endswith(folder(JOB))
