"""The stand-in trainer, judged by what the real ai-toolkit printed and wrote (tests/data/aitoolkit)."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from tests.sandbox.standin_box import TOOLKIT, Box, captured, kinds, training_bars, until


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_save_now_and_sigint_end_like_the_real_ones(box: Box) -> None:
    program = box.start(str(box.config()), speed=300)
    until(lambda: box.row()["step"] >= 7)
    box.ask("save_now")
    until(lambda: box.row()["save_now"] == 0)
    until(lambda: "Saved optimizer" in box.said().rpartition("Saving at step")[2])
    program.send_signal(signal.SIGINT)
    assert program.wait(timeout=20) == 0
    ours, theirs = kinds(box.said(), "j1"), kinds(captured("36-adamw8bit-quantize-ema-save-now-sigint"), "job-01k8")
    first = theirs.index("Saving at step N")
    assert ours[:first] == theirs[:first]
    assert ours[-3:] == theirs[-3:]
    row = box.row()
    assert (row["status"], row["info"]) == ("stopped", "Job stopped")
    assert row["step"] == max(int(path.stem[-9:]) for path in box.job.glob("j1_*.safetensors"))


def test_a_set_saved_on_demand_resumes_elsewhere_at_its_step(box: Box, tmp_path: Path) -> None:
    program = box.start(str(box.config(save={"save_every": 1000})), speed=300)
    until(lambda: box.row()["step"] >= 5)
    box.ask("save_now")
    until(lambda: "Saved optimizer" in box.said())
    program.send_signal(signal.SIGINT)
    program.wait(timeout=20)
    (saved,) = box.job.glob("j1_*.safetensors")
    step = int(saved.stem[-9:])
    elsewhere = Box(tmp_path / "elsewhere")
    elsewhere.job.mkdir(parents=True)
    for path in (saved, box.job / "optimizer.pt"):
        shutil.copy(path, elsewhere.job)
    config = elsewhere.config(type="sd_trainer", train={"steps": step + 9, "skip_first_sample": False},
                              save={"save_every": 1000}, performance_log_every=0)  # fmt: skip
    assert elsewhere.run(str(config)) == 0
    assert f"Found step {step} in metadata, starting from there" in elsewhere.said()
    bars = [int(bar["n"]) for bar in training_bars(elsewhere.said(), "j1")]
    assert (bars[0], bars[-1]) == (step, step + 9)
    theirs = kinds(captured("05-resume-after-sigkill"), "t_kill")
    ours = [kind for kind in kinds(elsewhere.said(), "j1") if "shards" not in kind]
    loop = theirs.index("bar JOB:")
    assert ours[:loop] == theirs[:loop]


def test_every_step_redraws_its_bar_twice_and_the_bounded_pattern_reads_it(box: Box) -> None:
    assert box.run(str(box.config(train={"steps": 12}, save={"save_every": 1000}))) == 0
    bars = list(training_bars(box.said(), "j1"))
    counts = [int(bar["n"]) for bar in bars]
    assert counts == sorted([0, *range(12), *range(1, 13), 12])
    assert all(bar["loss"] for bar in bars[1:])
    shown = [line for line in re.split(r"[\r\n]", box.said()) if line.startswith("j1: ")]
    assert len(shown) == len(bars)


def test_the_weights_have_every_key_and_shape_and_move_between_saves(box: Box) -> None:
    config = box.config(train={"steps": 12}, save={"save_every": 6, "dtype": "fp16"}, network={"linear": 2})
    assert box.run(str(config)) == 0
    early, late = (load_file(box.job / name) for name in ("j1_000000006.safetensors", "j1.safetensors"))
    assert len(late) == 988
    assert sum(tensor.size for tensor in late.values()) == 2 * 5_369_856
    block = "transformer.single_transformer_blocks.37.proj_out"
    assert late[f"{block}.lora_A.weight"].shape == (2, 5 * 3072)
    assert late[f"{block}.lora_B.weight"].shape == (3072, 2)
    for key, tensor in late.items():
        assert np.isfinite(tensor).all()
        assert tensor.any()
        assert ("lora_B" in key) != np.array_equal(tensor, early[key])


def test_a_bf16_file_carries_the_toolkits_metadata_and_is_private(box: Box) -> None:
    assert box.run(str(box.config(train={"steps": 3}, trigger_word="p3r5on", save={"dtype": "bf16"}))) == 0
    path = box.job / "j1.safetensors"
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    said = header.pop("__metadata__")
    assert json.loads(said["training_info"])["step"] == 3
    assert json.loads(said["ss_tag_frequency"]) == {"1_p3r5on": {"p3r5on": 1}}
    assert (said["ss_base_model_version"], said["ss_output_name"], said["name"]) == ("flux.1", "j1", "j1")
    assert {one["dtype"] for one in header.values()} == {"BF16"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(box.job.glob(".tmp*"))


@pytest.mark.parametrize("steps", [1, 12])
def test_any_number_of_steps_ends_with_exactly_four_samples(box: Box, steps: int) -> None:
    sample = {
        "prompts": ["[trigger] in a cafe", "a bear", "a boat", "a lamp"],
        "sample_every": 0,
        "width": 128,
        "height": 64,
    }
    config = box.config(train={"steps": steps, "skip_first_sample": True}, sample=sample)
    assert box.run(str(config)) == 0
    names = sorted(path.name for path in (box.job / "samples").glob("*.jpg"))
    assert [name.partition("__")[2] for name in names] == [f"{steps:09}_{n}.jpg" for n in range(4)]
    pictures = []
    for name in names:
        with Image.open(box.job / "samples" / name) as picture:
            assert (picture.format, picture.size) == ("JPEG", (128, 64))
            pictures.append(picture.tobytes())
        with Image.open(box.job / "samples" / ".thumbs" / f"{name}.jpg") as thumb:
            assert thumb.size == (300, 300)
    assert len(set(pictures)) == 4


def test_only_the_newest_checkpoints_are_kept(box: Box) -> None:
    config = box.config(train={"steps": 12}, save={"save_every": 2, "max_step_saves_to_keep": 2})
    assert box.run(str(config)) == 0
    assert sorted(path.name for path in box.job.glob("*.safetensors")) == [
        "j1.safetensors", "j1_000000008.safetensors", "j1_000000010.safetensors",
    ]  # fmt: skip


def test_the_row_and_the_loss_log_tell_what_happens(box: Box) -> None:
    config = box.config(train={"steps": 12}, performance_log_every=5, logging={"log_every": 1, "use_ui_logger": True})
    assert box.run(str(config)) == 0
    row = box.row()
    assert (row["status"], row["info"], row["step"]) == ("completed", "Training completed", 12)
    assert re.fullmatch(r"\d+\.\d\d iter/sec", row["speed_string"])
    with closing(sqlite3.connect(f"file:{box.job / 'loss_log.db'}?mode=ro", uri=True)) as db:
        steps = [step for (step,) in db.execute("SELECT step FROM metrics WHERE key = 'loss/loss' ORDER BY step")]
    assert steps == list(range(1, 12)), "the first loop step is not logged"


def test_the_stop_flag_is_a_failure_with_its_frame(box: Box) -> None:
    program = box.start(str(box.config()), speed=300)
    until(lambda: box.row()["step"] >= 2)
    box.ask("stop")
    assert program.wait(timeout=20) == 1
    assert "]Error running job: Job stopped\n\n" in box.said(), "glued to the bar"
    assert " - 0 completed jobs\n - 1 failure\n" in box.said()
    assert box.row()["status"] == "stopped"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("transformer/diffusion_pytorch_model-00002-of-00003.safetensors", "does not appear to have a file named"),
        ("vae/config.json", "Error no file named config.json found in directory"),
        ("tokenizer_2/tokenizer_config.json", "Error no file named tokenizer_config.json found in directory"),
    ],
)
def test_a_base_with_a_missing_file_is_refused_in_the_real_words(box: Box, spoil: str, words: str) -> None:
    (box.base / spoil).unlink()
    assert box.run(str(box.config())) == 1
    assert f"Error running job: {box.base}" in box.said() or f"Error running job: {words}" in box.said()
    assert words in box.said()


def test_a_cut_shard_is_refused_in_the_real_words(box: Box) -> None:
    shard = box.base / "transformer" / "diffusion_pytorch_model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-60])
    assert box.run(str(box.config())) == 1
    assert f"Error running job: Unable to load weights from checkpoint file for '{shard}'" in box.said()
    assert "incomplete metadata, file not fully covered" in box.said()


def test_a_base_by_its_hub_name_is_refused_like_a_gated_one(box: Box) -> None:
    assert box.run(str(box.config(model={"name_or_path": "black-forest-labs/FLUX.1-dev"}))) == 1
    assert "is not a local folder and is not a valid model identifier" in box.said()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"config": {"name": "x", "process": [{"type": "sd_trainr"}]}}', "Unknown process type: sd_trainr"),
        ('{"config": {"name": "${NO_SUCH}", "process": []}}', "Environment variable NO_SUCH not set"),
        (None, "Could not find config file"),
    ],
)
def test_a_bad_config_is_refused_in_the_real_words(box: Box, text: str | None, words: str) -> None:
    path = box.folder / "bad.json"
    if text is not None:
        path.write_text(text, "utf-8")
    assert box.run(str(path)) == 1
    assert words in box.said()
    assert "Error running on_error: cannot access local variable 'job'" in box.said()


def test_an_empty_or_missing_dataset_is_refused_in_the_real_words(box: Box) -> None:
    shutil.rmtree(box.dataset)
    assert box.run(str(box.config())) == 1
    assert f"Error running job: [Errno 2] No such file or directory: '{box.dataset}'" in box.said()
    box.dataset.mkdir()
    assert box.run(str(box.config())) == 1
    assert f"Error running job: no images found in {box.dataset}" in box.said()


def test_a_copy_of_the_folder_reads_its_speed_from_its_own_dotenv(box: Box) -> None:
    copy = box.folder / "app"
    shutil.copytree(TOOLKIT, copy)
    (copy / ".env").write_text("SANDBOX_SPEED=1000000\n", "utf-8")
    with box.log.open("wb") as log:
        code = subprocess.run(
            [sys.executable, "run.py", str(box.config(train={"steps": 2}))],
            cwd=copy, env={}, stdout=log, stderr=subprocess.STDOUT, timeout=60, check=False,
        ).returncode  # fmt: skip
    assert code == 0, box.said()
    assert (box.job / "j1.safetensors").exists()
    assert box.row()["status"] == "queued", "without AITK_JOB_ID the row stays as it was, silently"


def test_a_log_file_gets_everything_with_bars_of_digits(box: Box) -> None:
    log = box.folder / "logs" / "x.log"
    assert box.run(str(box.config(train={"steps": 4})), "-l", str(log)) == 0
    assert "100%|##########| 4/4" in log.read_text("utf-8")
    assert "Saved checkpoint to" in log.read_text("utf-8")
