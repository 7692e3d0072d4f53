"""What can be asked to go wrong with a trainer: each mode does what its name says, and is a fault of a rental, too."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.sandbox.market.faults import KNOWN, Faults
from pipeline.sandbox.toolkit.standin.modes import MODES
from pipeline.sandbox.toolkit.standin.optimizer import CAPTURED
from pipeline.trainers.log import Phase
from pipeline.trainers.verdict import Verdict, judge
from tests.sandbox.standin_box import Box, training_bars, until
from tests.support.captures import read

pytestmark = pytest.mark.torture  # tests/sandbox/test_standin_readings.py has the commonest

TRAIN = {"steps": 10, "skip_first_sample": True}
SAVE = {"save_every": 4, "dtype": "fp16"}
SAMPLE = {"width": 64, "height": 64, "prompts": ["a bear"]}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def run(box: Box, mode: str, **train: object) -> Verdict:
    code = box.run(str(box.config(train={**TRAIN, **train}, save=SAVE, sample=SAMPLE)), mode=mode)
    return judge(read(box.said().encode()), code)


def test_every_mode_is_a_fault_that_a_rental_can_draw() -> None:
    assert MODES.keys() <= KNOWN.keys()
    faults = Faults()
    for name in MODES:
        faults.arm(name)
    assert faults.lot().keys() == MODES.keys()
    assert not faults.lot(), "once each"


def test_a_mode_that_does_not_exist_is_refused(box: Box) -> None:
    assert run(box, "no-such-fault").verdict == "failed"
    assert "SANDBOX_TRAINER knows" in box.said()


@pytest.mark.parametrize(
    ("mode", "verdict", "cause", "saved"),
    [
        ("oom-sampling", "failed", "out_of_memory", True),
        ("disk-full-sample", "failed", "disk_full", True),
        ("rc-137", "failed", "host_ram", False),
        ("crash-late", "failed", "trainer_failed", False),
        ("silent-exit-0", "failed", "no_model", False),
        ("hostile-log", "success", "", True),
        ("generating-samples", "success", "", True),
    ],
)
def test_it_ends_as_it_should_with_or_without_the_last_weights(
    box: Box, mode: str, verdict: str, cause: str, *, saved: bool
) -> None:
    said = run(box, mode)
    assert (said.verdict, said.cause) == (verdict, cause)
    assert (box.job / "j1.safetensors").exists() is saved
    assert ("\x1b]52;c;" in box.said() and "A" * 1_000_000 in box.said()) is (mode == "hostile-log")
    assert ("Generating Samples: 100%" in box.said()) is (mode == "generating-samples")


def test_going_down_the_ladder_helps_a_card_that_is_a_little_too_small_and_no_smaller_one(box: Box) -> None:
    assert run(box, "oom-always", cache_text_embeddings=True).cause == "out_of_memory"
    assert run(box, "oom-four-times", cache_text_embeddings=True).verdict == "success"


def test_what_crashes_once_goes_on_at_the_second_start(box: Box) -> None:
    assert run(box, "crash-once").cause == "trainer_failed"
    assert run(box, "crash-once").verdict == "success"
    assert "Found step 4 in metadata" not in box.said(), "it crashed before the first save"


def test_repeated_checkpoints_are_the_same_to_the_byte_and_still_weights_to_the_number(box: Box) -> None:
    names = ("j1_000000004.safetensors", "j1_000000008.safetensors", "j1.safetensors")
    assert run(box, "repeated-checkpoints").verdict == "success"
    assert len({(box.job / name).read_bytes() for name in names}) == 1
    for name in names:
        (box.job / name).unlink()
    assert run(box, "still-weights").verdict == "success"
    assert len({(box.job / name).read_bytes() for name in names}) == 3
    first, *others = (load_file(box.job / name) for name in names)
    assert any(tensor.any() for key, tensor in first.items() if "lora_B" in key)
    assert all(np.array_equal(first[key], other[key]) for other in others for key in first)


def test_a_full_disk_leaves_a_stump_of_the_optimizer_and_no_whole_weights_behind_it(box: Box) -> None:
    assert run(box, "disk-full-optimizer").cause == "disk_full"
    assert 0 < (box.job / "optimizer.pt").stat().st_size < CAPTURED.stat().st_size
    assert [path.name for path in box.job.glob("*.safetensors")] == ["j1_000000004.safetensors"]


@pytest.mark.parametrize(
    ("mode", "phase"),
    [("stall-in-quantize", "quantizing"), ("stall-in-baseline", "baseline"), ("stall-in-training", "training")],
)
def test_a_stall_is_silence_in_its_phase_until_somebody_ends_it(box: Box, mode: str, phase: str) -> None:
    program = box.start(str(box.config(train={**TRAIN, "steps": 12}, save=SAVE, sample=SAMPLE)), mode=mode)
    try:
        until(lambda: _asleep(program))
        assert judge(read(box.said().encode())).phase == phase
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=20) == 0
    finally:
        program.kill()


def _asleep(program: "subprocess.Popen[bytes]") -> bool:
    """It waits for a signal, and for nothing else."""
    return "pause" in Path(f"/proc/{program.pid}/wchan").read_text("utf-8")


def test_an_old_toolkits_bar_lags_and_an_interrupt_ends_it_by_signal_with_a_traceback(box: Box) -> None:
    program = box.start(str(box.config(train={"steps": 400})), speed=600, mode="old-bar")
    try:
        until(lambda: " 5/400 " in box.said())
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=20) == -signal.SIGINT
    finally:
        program.kill()
    bars = [int(bar["n"]) for bar in training_bars(box.said(), "j1")]
    assert bars[:5] == [0, 0, 0, 0, 1], "two redraws a step, one behind"
    assert "KeyboardInterrupt" in box.said()
    assert judge(read(box.said().encode()), -2).verdict == "stopped"


def test_slow_steps_are_slow_and_half_way_is_told_to_who_waits_for_it(box: Box) -> None:
    mark = box.folder / "halfway"
    config = str(box.config(train=TRAIN, save=SAVE, sample=SAMPLE))
    env = {"SANDBOX_STEP_SECONDS": "2000", "SANDBOX_HALFWAY": str(mark)}
    seconds = {}
    for mode in ("slow-steps", ""):
        assert box.start(config, mode=mode, env=env, speed=1e5).wait(timeout=60) == 0
        row = json.loads(json.dumps(box.row()))
        rate, unit = row["speed_string"].split()
        seconds[mode] = float(rate) if unit == "sec/iter" else 1 / float(rate)
        (box.job / "j1.safetensors").unlink()
        for path in box.job.glob("j1_*"):
            path.unlink()
    assert mark.exists()
    assert 3.5 < seconds["slow-steps"] / seconds[""] < 6.5


def test_newer_archs_count_the_blocks_they_quantize(tmp_path: Path) -> None:
    box = Box(tmp_path, "zimage")
    config = box.config(train=TRAIN, sample=SAMPLE, save=SAVE, model={"arch": "zimage", "low_vram": True})
    assert box.run(str(config)) == 0
    counted = [
        reading for reading in read(box.said().encode()) if isinstance(reading, Phase) and reading.name == "quantizing"
    ]
    assert (30, 30) in [(reading.done, reading.total) for reading in counted]
    assert "Moving transformer to CPU" in box.said()
    keys = load_file(box.job / "j1.safetensors")
    assert len(keys) == 480
    assert "diffusion_model.layers.0.attention.to_q.lora_A.weight" in keys
