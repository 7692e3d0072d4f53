"""The stand-in beside real runs: our reader takes from both the same readings, up to numbers, and judges them alike."""

import re
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.trainers.log import Began, Phase, Reading, Resumed, Saved, Step, Trouble
from pipeline.trainers.verdict import judge
from tests.sandbox.standin_box import Box, captured, captured_process, lay_base, until
from tests.support.captures import CAPTURES, read


def kinds(readings: Sequence[Reading], job: str) -> list[str]:
    """The readings without numbers and repeats. How often a bar is redrawn hangs on the machine's speed."""
    found: list[str] = []
    for kind in (_kind(reading, job) for reading in readings):
        if found[-1:] != [kind]:
            found.append(kind)
    return found


def folded(found: list[str]) -> list[str]:
    """Without rounds that come again: how many there were before somebody interrupted hangs on the machine's speed."""
    for size in range(1, len(found) // 2 + 1):
        at = 0
        while at + 2 * size <= len(found):
            if found[at : at + size] == found[at + size : at + 2 * size]:
                del found[at : at + size]
            else:
                at += 1
    return found


def _kind(reading: Reading, job: str) -> str:
    match reading:
        case Step(loss=loss):
            return "step of nan" if loss == 0 else "step"
        case Phase(name, _, total):
            return f"{name} counted" if total else name
        case Saved(name):
            return "saved " + re.sub(r"\d", "9", name.replace(job, "JOB"))
        case Trouble(code):
            return f"trouble {code}"
        case Began() | Resumed() | _:
            return type(reading).__name__


@dataclass(frozen=True)
class Case:
    """One capture: the stand-in's mode, what lies there `before` the start, who does what while it runs."""

    capture: str
    mode: str = ""
    before: Callable[[Box], None] = lambda _: None
    act: Callable[[Box, "subprocess.Popen[bytes]"], None] | None = None

    def __str__(self) -> str:
        return self.capture

    def process(self, box: Box, **train: int) -> dict[str, Any]:
        """The captured process on this box: other paths, a smaller rank."""
        process = captured_process(self.capture)
        for entry in process["datasets"]:
            entry["folder_path"] = str(box.dataset)
        process["model"]["name_or_path"] = str(box.base)
        process["network"] |= {"linear": 1, "linear_alpha": 1}
        process["train"] |= train
        return process | {"training_folder": str(box.output), "sqlite_db_path": str(box.db)}

    def run(self, box: Box) -> int:
        self.before(box)
        speed = 600 if self.act else 1e6
        program = box.start(str(box.written(self.process(box))), speed=speed, mode=self.mode)
        try:
            if self.act:
                self.act(box, program)
            return program.wait(timeout=60)
        finally:
            program.kill()


def trained(capture: str, steps: int) -> Callable[[Box], None]:
    """An earlier run of the same job; its final file is gone, the numbered ones stay."""

    def before(box: Box) -> None:
        assert box.run(str(box.written(Case(capture).process(box, steps=steps, skip_first_sample=True)))) == 0
        (box.job / "j1.safetensors").unlink()

    return before


def hostile_optimizer(box: Box) -> None:
    trained("45-resume-hostile-optimizer", 32)(box)
    with zipfile.ZipFile(box.job / "optimizer.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'true'\ntR.")


def no_pictures(box: Box) -> None:
    for path in box.dataset.iterdir():
        path.unlink()


def cut_shard(box: Box) -> None:
    shard = box.base / "transformer" / "diffusion_pytorch_model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-60])


def stray_file(box: Box) -> None:
    box.job.mkdir(parents=True)
    (box.job / "j1.train.log").write_text("not a checkpoint", "utf-8")


def interrupted_at(words: str) -> Callable[[Box, "subprocess.Popen[bytes]"], None]:
    def act(box: Box, program: "subprocess.Popen[bytes]") -> None:
        until(lambda: words in box.said())
        program.send_signal(signal.SIGINT)

    return act


def save_now(box: Box, after: int) -> None:
    """Ask for a save when `after` were made, and wait for it."""
    until(lambda: box.said().count("Saved optimizer") >= after)
    box.ask("save_now")
    until(lambda: box.said().count("Saved optimizer") > after)


def saved_and_interrupted(box: Box, program: "subprocess.Popen[bytes]") -> None:
    save_now(box, 4)
    program.send_signal(signal.SIGINT)


def two_steps(box: Box) -> None:
    since = box.row()["step"]
    until(lambda: box.row()["step"] > since + 1)


def saved_and_stopped(box: Box, _: "subprocess.Popen[bytes]") -> None:
    two_steps(box)
    save_now(box, 0)
    two_steps(box)
    box.ask("sample_now")
    until(lambda: "Sampling at step" in box.said() and box.row()["info"] == "Training")
    two_steps(box)
    box.ask("stop")


LONG: Final = pytest.mark.torture  # what other cases show, too
CASES: Final = (
    Case("01-fresh-run"),
    pytest.param(Case("05-resume-after-sigkill", before=trained("05-resume-after-sigkill", 12)), marks=LONG),
    Case("06-sigint-mid-train", act=interrupted_at(" 15/400 ")),
    pytest.param(Case("09-sigint-during-load", act=interrupted_at("Loading T5")), marks=LONG),
    pytest.param(Case("10-rerun-finished", before=trained("10-rerun-finished", 40)), marks=LONG),
    pytest.param(Case("12-dataset-missing", before=lambda box: shutil.rmtree(box.dataset)), marks=LONG),
    Case("13-dataset-empty", before=no_pictures),
    Case("14-hf-gated401", mode="gated-401"),
    pytest.param(Case("14-hf-gated403", mode="gated-403"), marks=LONG),
    Case("15a-oom-one-step", mode="oom-once"),
    Case("15b-oom-repeated", mode="oom-four-times"),
    pytest.param(Case("15d-oom-load", mode="oom-loading"), marks=LONG),
    Case("16-nan-loss", mode="nan"),
    pytest.param(Case("17b-resume-picks-log-file", before=stray_file), marks=LONG),
    pytest.param(Case("23a-db-stop-flag", act=saved_and_stopped), marks=LONG),
    Case("25-zimage-cached-te", before=lambda box: lay_base(box.base, "zimage")),
    Case("26a-disk-full-optimizer", mode="disk-full-optimizer"),
    pytest.param(Case("26b-disk-full-checkpoint", mode="disk-full-checkpoint"), marks=LONG),
    Case("30a-version-0.11.0-fresh", mode="old-bar"),
    pytest.param(Case("36-adamw8bit-quantize-ema-save-now-sigint", act=saved_and_interrupted), marks=LONG),
    Case("41-steps-1-four-samples"),
    pytest.param(Case("42-disable-sampling"), marks=LONG),
    pytest.param(Case("44-base-shard-truncated", before=cut_shard), marks=LONG),
    Case("45-resume-hostile-optimizer", before=hostile_optimizer),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_run_is_read_like_the_real_one_it_stands_in_for(tmp_path: Path, case: Case) -> None:
    box = Box(tmp_path)
    code = case.run(box)
    real = captured(case.capture)
    ours, theirs = read(box.said().encode()), read(real.encode())
    seen, meant = kinds(ours, "j1"), kinds(theirs, job_of(theirs))
    assert (folded(seen) == folded(meant)) if case.act else (seen == meant)
    said, truth = judge(ours, code), judge(theirs, code)
    assert (said.verdict, said.cause, said.phase) == (truth.verdict, truth.cause, truth.phase)
    if case.act is None:  # else it hangs on when somebody interrupted
        assert (said.step, said.steps, len(said.checkpoints)) == (truth.step, truth.steps, len(truth.checkpoints))
    if (told := CAPTURES / f"{case.capture}.rc").exists():
        assert code == int(told.read_text())


def job_of(readings: Sequence[Reading]) -> str:
    return next(reading.job for reading in readings if isinstance(reading, Began))
