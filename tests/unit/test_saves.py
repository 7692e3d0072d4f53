"""Checkpoints on the box: our few lines of shell, run by a real one, and what we make of its answers."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.domain.faults import HostFault
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


def test_what_an_earlier_start_on_the_machine_saved_is_whole_still(out: Path) -> None:
    (out / "optimizer.pt").write_bytes(b"x")
    (out.parents[1] / "run.log.1").write_text("\n".join(saved(10)) + "\nError running job: boom\n")
    earlier = said(out, "Loading")
    assert earlier is not None
    assert earlier.name == f"{JOB}_000000010.safetensors"
    assert said(out, "Loading", "Saving at step 20") is None


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


# --- a copy on the box, which nothing overtakes


def copied(out: Path, *lines: str, path: str = "") -> saves.Whole | None:
    """What lies there as a copy when the log says `lines`; programs of `path` come before the system's."""
    (out.parents[1] / "run.log").write_text("\n".join(lines) + "\n")
    env = {"PATH": f"{path}:{os.defpath}"}
    script = saves.copy(JOB).script
    done = subprocess.run(["sh", "-c", script], cwd=out.parents[3], check=True, capture_output=True, env=env)
    return saves.read_copy(JOB, done.stdout)


def in_the_copy(out: Path, found: saves.Whole | None) -> dict[str, bytes]:
    assert found is not None
    folder = out.parents[3] / saves.copied(JOB, found)
    assert [each.name for each in folder.parent.iterdir()] == [found.mark], "there is one at a time"
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def save(out: Path, step: int) -> None:
    (out / f"{JOB}_{step:09d}.safetensors").write_bytes(b"weights %d" % step)
    (out / "optimizer.pt").write_bytes(b"state %d" % step)


def a_set(step: int) -> dict[str, bytes]:
    return {saves.COPIED: b"weights %d" % step, saves.OPTIMIZER: b"state %d" % step}


def overtaking(tmp_path: Path, out: Path, *, rounds: int) -> str:
    """A `cp` that copies as ever; while it copies an optimizer, so many times, the trainer saves the next ten steps."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = out.parents[1] / "run.log"
    (programs / "cp").write_text(f"""#!/bin/sh
/bin/cp "$@"
n=$(cat {tmp_path}/n 2>/dev/null || echo 1)
case "$1" in *optimizer.pt) ;; *) exit 0 ;; esac
test $n -le {rounds} || exit 0
echo $((n + 1)) > {tmp_path}/n
step=$((n * 10 + 10)); name={JOB}_$(printf %09d $step).safetensors
printf 'Saving at step %d\\n' $step >> {log}
printf 'weights %d' $step > {out}/$name; rm -f {out}/{JOB}_000000010.safetensors
printf 'Saved checkpoint to /home/box/%s\\n' $name >> {log}
printf 'state %d' $step > {out}/optimizer.pt
printf 'Saved optimizer to /home/box/optimizer.pt\\n' >> {log}
""")
    (programs / "cp").chmod(0o755)
    return str(programs)


def test_a_copy_holds_weights_and_optimizer_of_one_save_and_lies_outside_the_trainers_folder(out: Path) -> None:
    save(out, 10)
    found = copied(out, *saved(10))
    assert in_the_copy(out, found) == a_set(10)
    assert found is not None
    assert not saves.copied(JOB, found).startswith(saves.output(JOB))
    save(out, 20)  # in place
    (out / f"{JOB}_000000010.safetensors").unlink()
    assert in_the_copy(out, found) == a_set(10)


def test_a_copy_that_a_save_overtakes_is_made_again_of_the_later_save(tmp_path: Path, out: Path) -> None:
    save(out, 10)
    found = copied(out, *saved(10), path=overtaking(tmp_path, out, rounds=1))
    assert in_the_copy(out, found) == a_set(20)
    assert found is not None
    assert saves.step_of(JOB, found.name, 30) == 20


def test_a_copy_that_is_overtaken_each_time_is_none_and_leaves_nothing_behind(tmp_path: Path, out: Path) -> None:
    save(out, 10)
    assert copied(out, *saved(10), path=overtaking(tmp_path, out, rounds=99)) is None
    assert not (out.parents[1] / saves.COPIES).exists()


@pytest.mark.parametrize("told", [[], ["Saving at step 20"], [*saved(20)[:-1]]])
def test_while_a_save_is_being_written_nothing_is_copied(out: Path, told: list[str]) -> None:
    save(out, 20)
    assert copied(out, *(saved(10) if told else []), *told) is None


def test_the_same_save_has_the_same_copy_and_another_one_has_another_name(out: Path) -> None:
    save(out, 10)
    first = copied(out, *saved(10))
    again = copied(out, *saved(10))
    time.sleep(0.02)  # a file's time has a grain of a tick
    save(out, 10)  # asked for beside a periodic one: the same name twice
    second = copied(out, *saved(10), *saved(10))
    assert in_the_copy(out, second) == a_set(10)
    assert first is not None
    assert again is not None
    assert second is not None
    assert again.mark == first.mark != second.mark


def test_a_copy_is_gone_once_it_is_at_home(out: Path) -> None:
    save(out, 10)
    copied(out, *saved(10))
    at(out.parents[3], saves.drop(JOB))
    assert [each.name for each in out.parents[1].iterdir() if each.name not in {"out", "run.log"}] == []
    at(out.parents[3], saves.drop(JOB))


@pytest.mark.parametrize("step", [31, 999_999, 999_999_999])
def test_a_step_above_the_last_one_ordered_is_no_step(step: int) -> None:
    name = f"{JOB}_{step:09d}.safetensors"
    assert saves.step_of(JOB, name, 30) is None
    assert saves.read_made(JOB, f"{name}\n{JOB}_000000020.safetensors\n".encode(), 30) == {
        20: f"{JOB}_000000020.safetensors"
    }
    assert saves.step_of(JOB, f"{JOB}_000000030.safetensors", 30) == 30
    with pytest.raises(HostFault, match="weights-step"):
        saves.read_made(JOB, name.encode(), 30)
