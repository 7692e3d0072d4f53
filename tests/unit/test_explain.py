"""`trainstation explain`: a log told to a person, to a program, and by an exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.cli.explain import CHUNK, readings
from notifier.words import Words
from pipeline.trainers.log import PHASES, RANK, Step
from pipeline.trainers.verdict import judge
from tests.support.captures import CAPTURES


def explained(name: str, *options: str) -> tuple[int, str]:
    log = next(CAPTURES.glob(f"{name}*.raw"))
    result = CliRunner().invoke(app, ["explain", str(log), *options])
    return result.exit_code, result.stdout


def as_json(name: str, *options: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(explained(name, "--json", *options)[1])
    return said


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("01", ("--exit-code", "0"), 0),
        ("12", ("--exit-code", "1"), 1),
        ("16", ("--exit-code", "0"), 1),
        ("06", ("--exit-code", "0"), 4),
        ("04", ("--exit-code", "-9"), 1),
        ("04", (), 5),
    ],
)
def test_the_exit_code_tells_the_verdict(name: str, options: tuple[str, ...], code: int) -> None:
    assert explained(name, *options)[0] == code
    assert explained(name, "--json", *options)[0] == code


def test_json_has_eight_keys_and_null_for_what_is_not_known() -> None:
    said = as_json("13", "--exit-code", "1")
    assert said == {
        "verdict": "failed", "cause": "dataset_empty", "step": None, "steps": None, "loss": None, "lr": None,
        "phase": "caching", "checkpoints": [],
    }  # fmt: skip
    assert as_json("01")["checkpoints"][-1] == "tiny_flux_lora.safetensors"


def test_a_name_decides_which_file_is_the_final_one() -> None:
    assert as_json("01", "--exit-code", "0", "--name", "tiny_flux_lora")["verdict"] == "success"
    assert as_json("01", "--exit-code", "0", "--name", "another")["cause"] == "no_model"


def test_a_person_reads_verdict_cause_step_loss_rate_phase_and_checkpoints() -> None:
    text = explained("26b", "--exit-code", "1")[1]
    for word in (
        "failed",
        "disk_full",
        "The disk was full",
        "Step 3 of 5",
        "1.41",
        "0.0001",
        "Learning",
        "No checkpoint",
    ):
        assert word in text
    assert "and one before them" in explained("36", "--exit-code", "0")[1]


def test_without_an_exit_code_a_saved_model_is_told_and_a_good_end_is_not() -> None:
    code, text = explained("01")
    assert (code, "The final model was saved." in text, "exit code" in text, "It finished" in text) == (
        0, True, True, False,
    )  # fmt: skip
    assert "It finished" in explained("01", "--exit-code", "0")[1]
    assert as_json("01")["verdict"] == "success"


def test_a_log_that_is_not_there_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["explain", "no-such.log"]).exit_code == 2


def test_every_cause_and_phase_has_its_words() -> None:
    causes = {*RANK, "nan", "host_ram", "killed", "no_model", "trainer_failed"}
    keys = [
        *(f"explain-cause-{cause}" for cause in causes),
        *(f"phase-{phase}" for phase in {"training", *(name for _, name in PHASES)}),
        *(f"explain-{verdict}" for verdict in ("success", "saved", "failed", "stopped", "unfinished")),
    ]
    assert [key for key in keys if not Words().knows(key)] == []


def test_a_large_log_is_streamed_and_read_like_a_small_one(tmp_path: Path) -> None:
    whole = next(CAPTURES.glob("05*.raw")).read_bytes()
    log = tmp_path / "large.log"
    log.write_bytes(whole * (3 * CHUNK // len(whole)))
    found = list(readings(log))
    assert judge(found, 0).verdict == "success"
    assert sum(isinstance(reading, Step) for reading in found) > 1000
