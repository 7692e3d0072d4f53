"""Every real run we hold is read to what truly became of it."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.trainers.log import (
    RANK,
    SPOILED,
    TROUBLES,
    Began,
    OptimizerSaved,
    Phase,
    Reading,
    Resumed,
    Saved,
    Step,
    Stopped,
    Trouble,
)  # fmt: skip
from pipeline.trainers.verdict import MOST_CHECKPOINTS, Verdict, judge, worse
from tests.support.captures import CAPTURES, read

# What INDEX.md and the raw files say became of each run. 23a-c ran in the harness, which kept no .rc of theirs.
RUNS: Final = {
    # name: verdict, cause, step, steps, last phase, checkpoints seen
    "01-fresh-run": ("success", "", 20, 20, "sampling", 4),
    "02-buffered-separate-pipes": ("success", "", 12, 12, "sampling", 3),
    "03-buffered-merged": ("success", "", 12, 12, "sampling", 3),
    "04-sigkill-after-step10": ("failed", "killed", 10, 40, "saving", 1),
    "05-resume-after-sigkill": ("success", "", 40, 40, "sampling", 3),
    "06-sigint-mid-train": ("stopped", "", 15, 400, "training", 1),
    "07-sigterm-mid-train": ("failed", "killed", 15, 400, "training", 1),
    "08-sighup-mid-train": ("failed", "killed", 15, 400, "training", 1),
    "09-sigint-during-load": ("stopped", "", None, None, "loading", 0),
    "10-rerun-finished": ("success", "", 40, 40, "sampling", 1),
    "12-dataset-missing": ("failed", "dataset_missing", None, None, "loading", 0),
    "13-dataset-empty": ("failed", "dataset_empty", None, None, "caching", 0),
    "14-hf-badtoken401": ("failed", "hub_bad_token", None, None, "loading", 0),
    "14-hf-gated401": ("failed", "hub_gated", None, None, "loading", 0),
    "14-hf-gated403": ("failed", "hub_gated", None, None, "loading", 0),
    "14-hf-norepo401": ("failed", "hub_repo_missing", None, None, "loading", 0),
    "14-hf-offline": ("failed", "hub_offline", None, None, "loading", 0),
    "15a-oom-one-step": ("success", "", 10, 10, "sampling", 1),
    "15b-oom-repeated": ("failed", "out_of_memory", 5, 10, "training", 0),
    "15d-oom-load": ("failed", "out_of_memory", None, None, "loading", 0),
    "16-nan-loss": ("failed", "nan", 8, 8, "sampling", 1),
    "17a-hazard-first": ("success", "", 12, 12, "training", 3),
    "17b-resume-picks-log-file": ("failed", "checkpoint_truncated", None, None, "loading", 0),
    "18a-corrupt-image-cached": ("success", "", 12, 12, "training", 3),
    "18b-corrupt-image-uncached": ("success", "", 12, 12, "training", 3),
    "20-unknown-process": ("failed", "config_invalid", None, None, "", 0),
    "20b-config-not-found": ("failed", "config_invalid", None, None, "", 0),
    "22-log-option": ("success", "", 12, 12, "sampling", 3),
    "23a-db-stop-flag": ("stopped", "", 15, 200, "training", 1),
    "23b-db-sigint": ("stopped", "", 14, 200, "training", 1),
    "23c-db-completed": ("success", "", 12, 12, "sampling", 2),
    "25-zimage-cached-te": ("success", "", 12, 12, "sampling", 3),
    "26a-disk-full-optimizer": ("failed", "disk_full", 5, 5, "training", 1),
    "26b-disk-full-checkpoint": ("failed", "disk_full", 3, 5, "training", 0),
    "27a-path-cn-first": ("success", "", 6, 6, "training", 2),
    "27b-path-cn-second": ("success", "", 6, 6, "training", 2),
    "28-download": ("success", "", 4, 4, "training", 1),
    "29a-base": ("success", "", 8, 8, "training", 2),
    "29b-resume-truncated-optimizer": ("success", "", 12, 12, "training", 2),
    "29c-resume-rank-changed": ("success", "", 14, 14, "training", 1),
    "30a-version-0.11.0-fresh": ("success", "", 12, 12, "sampling", 3),
    "31-offline-hub-id-save-now-sigint": ("stopped", "", 13, 4000, "saving", 3),
    "32-resume-elsewhere-from-mirrored-set": ("success", "", 23, 23, "sampling", 3),
    "33-offline-hub-id-sharded-transformer": ("failed", "hub_offline", None, None, "loading", 0),
    "34-offline-local-folder-sharded": ("success", "", 12, 12, "sampling", 3),
    "35-online-gated401-hub-id-cached": ("failed", "hub_gated", None, None, "loading", 0),
    "36-adamw8bit-quantize-ema-save-now-sigint": ("stopped", "", 23, 4000, "saving", 5),
    "37-resume-elsewhere-adamw8bit": ("success", "", 30, 30, "training", 1),
    "38-sigint-ignored-ampersand-launch": ("failed", "killed", 187, 100000, "training", 0),
    "39-jobdb-reader-held-50s": ("stopped", "", 46, 100000, "training", 0),
    "41-steps-1-four-samples": ("success", "", 1, 1, "sampling", 1),
    "42-disable-sampling": ("success", "", 3, 3, "training", 1),
    "44-base-shard-truncated": ("failed", "base_missing", None, None, "loading", 0),
    "45-resume-hostile-optimizer": ("success", "", 34, 34, "training", 1),
}
CODES: Final = {"23a-db-stop-flag": 1, "23b-db-sigint": 0, "23c-db-completed": 0}  # facts/aitoolkit.md 7


def code_of(name: str) -> int:
    return CODES[name] if name in CODES else int((CAPTURES / f"{name}.rc").read_text())


def run(name: str, code: int | None) -> Verdict:
    return judge(read((CAPTURES / f"{name}.raw").read_bytes()), code)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_every_real_run_is_read_to_what_became_of_it(name: str) -> None:
    said = run(name, code_of(name))
    found = (said.verdict, said.cause, said.step, said.steps, said.phase, len(said.checkpoints))
    assert found == RUNS[name]


def test_no_capture_is_left_out() -> None:
    assert {file.stem for file in CAPTURES.glob("*.raw")} == set(RUNS)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_without_an_exit_code_a_log_never_tells_the_opposite(name: str) -> None:
    verdict, cause = run(name, None).verdict, RUNS[name][1]
    assert verdict == ("unfinished" if cause == "killed" else RUNS[name][0])


@pytest.mark.parametrize("name", sorted(RUNS))
def test_cut_anywhere_no_log_of_a_run_that_failed_or_was_stopped_reads_as_success(name: str) -> None:
    if RUNS[name][0] == "success":
        return
    log = (CAPTURES / f"{name}.raw").read_bytes()
    for end in range(0, len(log), max(1, len(log) // 40)):
        code = code_of(name)
        assert judge(read(log[:end]), code).verdict != "success" or RUNS[name][1] == "nan"


def test_loss_and_learning_rate_are_the_last_that_were_said() -> None:
    said = run("01-fresh-run", 0)
    assert (said.loss, said.lr, said.checkpoints[-1]) == (1.465, 1e-4, "tiny_flux_lora.safetensors")


def test_a_log_of_two_runs_is_judged_by_the_last_and_keeps_what_the_first_saved() -> None:
    killed = (CAPTURES / "04-sigkill-after-step10.raw").read_bytes()
    resumed = (CAPTURES / "05-resume-after-sigkill.raw").read_bytes()
    refused = (CAPTURES / "14-hf-gated403.raw").read_bytes()
    said = judge(read(refused + killed + resumed), 0)
    assert (said.verdict, said.step, len(said.checkpoints)) == ("success", 40, 4)
    assert judge(read(killed + refused), 1).cause == "hub_gated"


@pytest.mark.parametrize("phase", ["Loading transformer", "Quantizing transformer", "Quantizing T5"])
@pytest.mark.parametrize("code", [137, -9, 139, -11])
def test_killed_without_a_word_while_loading_means_the_machines_memory_was_full(phase: str, code: int) -> None:
    assert judge(read(f"Running 1 job\n# Running job: j\n{phase}\n".encode()), code).cause == "host_ram"


SECTION_6: Final = (  # the texts of facts/aitoolkit.md 6 that end a run, each as it stands there
    ("OOM during training step 3 times in a row, aborting training", "out_of_memory"),
    ("CUDA out of memory. Tried to allocate", "out_of_memory"), ("torch.OutOfMemoryError", "out_of_memory"),
    ("CUDA error: out of memory", "out_of_memory"), ("GatedRepoError: 401", "hub_gated"),
    ("Cannot access gated repo", "hub_gated"), ("RepositoryNotFoundError: 401", "hub_repo_missing"),
    ("Invalid credentials in Authorization header", "hub_bad_token"),
    ("Cannot send a request, as the client has been closed.", "hub_offline"), ("ConnectError", "hub_offline"),
    ("LocalEntryNotFoundError", "hub_offline"), ("no images found in /w/dataset", "dataset_empty"),
    ("no videos found in /w/dataset", "dataset_empty"),
    ("There are not any lora modules in this network", "no_modules"),
    ("Error while serializing: I/O error: No space left on device (os error 28)", "disk_full"),
    ("unexpected pos 311424 vs 311312", "disk_full"),
    ("config file is invalid. Unknown process type", "config_invalid"),
    ("Could not find config file", "config_invalid"), ("name_or_path must be specified", "config_invalid"),
    ("no kernel image is available for execution on the device", "gpu_driver"),
    ("sm_120 is not compatible", "gpu_driver"), ("unsatisfied condition: cuda>=13.0", "gpu_driver"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0", "caption_not_utf8"),
        ("Error while deserializing header: incomplete metadata, file not fully covered", "checkpoint_truncated"),
        ("403 Forbidden: Please enable access to public gated repositories in your settings", "hub_token_permission"),
        ("RuntimeError: The NVIDIA driver on your system is too old (found version 12040)", "gpu_driver"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "gpu_driver"),
        ("There are not any lora modules in this network", "no_modules"),
        ("Environment variable NOBODY not set", "config_invalid"),
        ("[Errno 28] No space left on device", "disk_full"),
        ("RuntimeError: DataLoader worker (pid 71) is killed by signal: Bus error.", "shared_memory"),
        ("Unexpected bus error encountered in worker: insufficient shared memory (shm)", "shared_memory"),
        ("Error while deserializing header: header too small", "checkpoint_truncated"),
        ("Error while deserializing header: HeaderTooSmall", "checkpoint_truncated"),
        ("Error while deserializing header: InvalidHeaderDeserialization", "checkpoint_truncated"),
        *SECTION_6,
        ("something nobody has seen", "trainer_failed"),
    ],
)
def test_texts_we_have_no_capture_of_are_told_apart_in_the_failures_frame(text: str, cause: str) -> None:
    frame = f"Error running job: {text}\n\n====\nResult:\n - 0 completed jobs\n - 1 failure\n====\nTraceback\n{text}\n"
    assert judge(read(frame.encode()), 1).cause == cause


UNQUANTIZED: Final = "Failed to quantize blocks.{}.attn.to_q: module 'torchao' has no attribute 'x'\n"
GOOD_END: Final = "Saved checkpoint to /w/out/j/j.safetensors\nSaved optimizer to /w/out/j/optimizer.pt\n"


def test_hundreds_of_modules_that_could_not_be_quantized_fail_a_run_that_ends_well_and_a_handful_do_not() -> None:
    def after(count: int) -> Verdict:
        spoiled = "".join(UNQUANTIZED.format(at) for at in range(count))
        return judge(read(f"# Running job: j\nQuantizing transformer\n{spoiled}{GOOD_END}".encode()), 0)

    assert (after(300).verdict, after(300).cause) == ("failed", "quantize_failed")
    assert (after(SPOILED).verdict, after(SPOILED - 1).verdict, after(9).verdict) == ("failed", "success", "success")


def test_modules_that_another_run_in_the_same_log_could_not_quantize_do_not_count() -> None:
    spoiled = "".join(UNQUANTIZED.format(at) for at in range(SPOILED - 1))
    assert judge(read(f"# Running job: j\n{spoiled}# Running job: j\n{spoiled}{GOOD_END}".encode()), 0).cause == ""


def test_a_token_without_the_gated_right_is_no_missing_file_though_the_headline_says_so() -> None:
    frame = (
        b"Error running job: black-forest-labs/FLUX.1-dev does not appear to have a file named config.json.\n"
        b"Traceback (most recent call last):\n"
        b"403 Forbidden: Please enable access to public gated repositories in your fine-grained token settings\n"
        b"huggingface_hub.errors.GatedRepoError: 403 Client Error.\n"
    )
    assert judge(read(frame), 1).cause == "hub_token_permission"


def test_a_warning_before_a_kill_or_before_the_headline_is_not_its_cause() -> None:
    warned = b"# Running job: j\nQuantizing transformer\nLocalEntryNotFoundError: kernels\n"
    assert judge(read(warned), -9).cause == "host_ram"
    assert judge(read(warned), -11).cause == "hub_offline"  # all that is known
    assert judge(read(warned + b"Error running job: CUDA out of memory. Tried\n"), 1).cause == "out_of_memory"


def test_an_exit_code_beyond_the_signals_is_an_exit_code() -> None:
    assert [judge([], code).cause for code in (255, 129, -64, 1)] == [
        "trainer_failed",
        "killed",
        "killed",
        "trainer_failed",
    ]


def test_an_interrupt_of_an_old_toolkit_ends_by_signal_and_is_a_stop() -> None:
    assert [judge([], code).verdict for code in (-2, 130)] == ["stopped", "stopped"]


def test_exit_code_zero_without_a_final_model_failed_and_without_an_exit_code_it_may_still_run() -> None:
    steps: list[Reading] = [Began("j"), Step(3, 9, 1.0, 1e-4), Saved("j_000000003.safetensors")]
    assert (judge(steps, 0).verdict, judge(steps, 0).cause) == ("failed", "no_model")
    assert judge(steps).verdict == "unfinished"


def test_only_the_jobs_own_name_is_a_final_model() -> None:
    assert judge([Began("j"), Saved("k.safetensors")], 0).verdict == "failed"
    assert judge([Saved("j_000000010.safetensors")], 0).verdict == "failed"
    assert judge([Saved("k.safetensors")], 0, "k").verdict == "success"
    assert judge([Saved("k.safetensors")], 0).verdict == "success"  # a log cut at its head: no name to go by


def test_one_step_of_nan_among_good_ones_is_no_failure_but_ten_in_a_row_are() -> None:
    good, bad = Step(1, 99, 1.0, 1e-4), Trouble("nan")
    end: list[Reading] = [Saved("j.safetensors"), OptimizerSaved()]
    assert judge([Began("j"), good, bad, good, *end], 0).verdict == "success"
    assert judge([Began("j"), good, *[bad] * 10, good, *end], 0).cause == "nan"
    assert judge([Began("j"), bad, Step(1, 1, 0.0, 1e-4), *end], 0).cause == "nan"


def test_a_prompt_in_the_printed_config_is_not_believed() -> None:
    said = '{\n    "prompts": [\n        "CUDA out of memory Job stopped Error running job: x loss is nan"\n    ]\n}\n'
    assert read(said.encode()) == []


def test_a_resumed_run_that_dies_before_its_first_bar_stands_where_it_resumed() -> None:
    assert judge([Began("j"), Resumed(23)], 1).step == 23


def readings() -> Iterator[st.SearchStrategy[Reading]]:
    number = st.none() | st.floats(0, 5)
    yield st.builds(Step, st.integers(0, 99), st.integers(0, 99), number, number)
    yield st.builds(Phase, st.sampled_from(["loading", "saving", "sampling"]))
    yield st.builds(Saved, st.from_regex(r"[a-z]{1,3}(_\d{9})?\.safetensors", fullmatch=True))
    yield st.builds(Trouble, st.sampled_from([*RANK, "nan", "trainer_failed"]))
    yield st.sampled_from([Stopped(), Began("j"), OptimizerSaved(), Resumed(4)])


@given(st.lists(st.one_of(*readings()), max_size=40), st.none() | st.integers(-64, 255))
def test_any_readings_have_a_verdict_and_a_cause_exactly_when_it_failed(told: list[Reading], code: int | None) -> None:
    said = judge(told, code)
    assert (said.verdict == "failed") == bool(said.cause)
    assert not (said.verdict == "success" and code)


def test_a_log_that_saves_without_end_costs_a_bounded_list() -> None:
    said = judge(Saved(f"j_{at:09d}.safetensors") for at in range(10_000))
    assert len(said.checkpoints) == MOST_CHECKPOINTS
    assert said.checkpoints[-1] == "j_000009999.safetensors"


def test_the_more_telling_cause_wins_in_either_order() -> None:
    codes = [*dict(TROUBLES).values(), "trainer_failed", ""]
    assert all(worse(one, two) == worse(two, one) for one in codes for two in codes)
    assert (worse("", "trainer_failed"), worse("trainer_failed", "disk_full")) == ("trainer_failed", "disk_full")


def test_every_cause_code_is_plain() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+", code) for code in RANK)
