"""The trainer's log: real bytes of real runs, and a stranger's."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.trainers.log import (
    BURST,
    COST,
    PHASES,
    SAME,
    TROUBLES,
    Began,
    OptimizerSaved,
    Phase,
    Reader,
    Resumed,
    Saved,
    Step,
    Stopped,
    Trouble,
    shown,
)
from pipeline.trainers.verdict import NAN_STEPS
from tests.bench.reader import HOSTILE
from tests.support.captures import CAPTURES, read


def capture(name: str) -> bytes:
    return next(CAPTURES.glob(f"{name}*.raw")).read_bytes()


def test_a_fresh_run_is_read_step_by_step_to_its_final_file() -> None:
    found = read(capture("01"))
    steps = [reading for reading in found if isinstance(reading, Step)]
    assert (steps[-1].done, steps[-1].total, steps[-1].loss, steps[-1].lr) == (20, 20, 1.465, 1e-4)
    assert [reading.done for reading in steps] == sorted(reading.done for reading in steps)
    saved = [reading.name for reading in found if isinstance(reading, Saved)]
    assert saved[-1] == "tiny_flux_lora.safetensors"
    assert sum(isinstance(reading, OptimizerSaved) for reading in found) == len(saved)
    phases = list(dict.fromkeys(reading.name for reading in found if isinstance(reading, Phase)))
    assert phases == ["loading", "quantizing", "caching", "baseline", "saving", "sampling"]
    assert not any(isinstance(reading, Trouble | Stopped) for reading in found)


def test_an_interrupted_run_is_stopped_though_its_exit_code_is_zero() -> None:
    assert any(isinstance(reading, Stopped) for reading in read(capture("31")))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("13", "dataset_empty"), ("14-hf-badtoken401", "hub_bad_token"), ("14-hf-gated403", "hub_gated"),
        ("15b", "out_of_memory"), ("16", "nan"), ("26b", "disk_full"),
    ],
)  # fmt: skip
def test_the_true_cause_is_found_behind_the_headline(name: str, code: str) -> None:
    assert code in [reading.code for reading in read(capture(name)) if isinstance(reading, Trouble)]


def test_a_good_run_has_no_trouble_whatever_its_config_block_says() -> None:
    for name in ("01", "36", "41", "42"):
        assert not [reading for reading in read(capture(name)) if isinstance(reading, Trouble)], name


@given(st.integers(1, 97), st.sampled_from(["01-", "28", "36", "44", "15b", "17b"]))
def test_chunks_cut_anywhere_give_the_same_readings(size: int, name: str) -> None:
    log = capture(name)[-3000:]
    assert read(log, size) == read(log)


@given(
    st.lists(st.sampled_from([*dict((*PHASES, *TROUBLES)), "\x1b[A", "\n", "\r", "]", "# Running job: j"])),
    st.integers(1, 40),
)
def test_words_in_any_order_with_cursor_codes_between_them_read_the_same_in_any_cut(said: list[str], size: int) -> None:
    log = "".join(said).encode()
    assert read(log, size) == read(log)


def test_a_cursor_code_inside_a_word_does_not_hide_it() -> None:
    assert read(b"Quan\x1b[Atizing\nCUDA out \x1b[0mof memory\n") == [Phase("quantizing"), Trouble("out_of_memory")]


def test_download_cache_and_load_bars_are_no_steps() -> None:
    found = read(capture("28"))
    assert {reading.total for reading in found if isinstance(reading, Step)} == {4}
    assert {(reading.name, reading.total) for reading in found if isinstance(reading, Phase) and reading.total} == {
        ("caching", 6)
    }


def test_blocks_being_quantized_are_counted_and_weights_being_loaded_are_not() -> None:
    log = (
        b"Quantizing Transformer\n - quantizing 40 transformer blocks\n"
        b"\r100%|####| 40/40 [03:15<00:00,  4.88s/it]\n\rLoading weights: 100%|####| 21/21 [00:00<00:00, 9.00it/s]\n"
    )
    assert read(log)[-1] == Phase("quantizing", 40, 40)


def test_an_old_toolkits_bar_ends_one_short_and_a_new_ones_does_not() -> None:
    last = {name: [r for r in read(capture(name)) if isinstance(r, Step)][-1] for name in ("30a", "01")}
    assert (last["30a"].done, last["30a"].total, last["01"].done, last["01"].total) == (11, 12, 20, 20)


def test_a_finished_jobs_bar_tells_its_steps_without_a_loss() -> None:
    assert [reading for reading in read(capture("10")) if isinstance(reading, Step)][-1] == Step(40, 40, None, None)


def test_a_resumed_run_names_its_job_and_the_step_it_goes_on_from() -> None:
    found = read(capture("05"))
    assert [reading for reading in found if isinstance(reading, Began | Resumed)] == [Began("t_kill"), Resumed(10)]


def test_samples_before_training_are_the_baseline_and_later_ones_are_not() -> None:
    names = [reading.name for reading in read(capture("01")) if isinstance(reading, Phase) and reading.total == 2]
    assert names == ["baseline"] * 3 + ["sampling"] * 6


@given(st.binary(max_size=4000), st.integers(1, 50))
def test_no_bytes_make_it_raise_and_any_cut_reads_the_same(log: bytes, size: int) -> None:
    assert read(log, size) == read(log)


@given(st.integers(0, 10**9 - 1), st.integers(1, 10**9 - 1), st.floats(0, 100))
def test_what_a_bar_says_is_read_back(done: int, total: int, loss: float) -> None:
    said = f"\rjob:   5%|▌    | {done}/{total} [1:03:42<?,  2.67s/it, lr: 1.0e-04 loss: {loss:.3e}]\n".encode()
    assert read(said) == [Step(done, total, float(f"{loss:.3e}"), 1e-4)]


def test_1_mb_of_any_one_character_cut_anywhere_reads_in_a_moment_and_changes_nothing() -> None:
    slowest = 0.0
    for code in range(256):
        blob = bytes([code]) * 1_000_000
        began = time.perf_counter()
        assert read(blob, 65_536) == []
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 1.0  # the aim is 0.2 s; a cubic pattern would take hours


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_stranger_tells_more_than_a_bounded_number_of_things(text: bytes) -> None:
    log = (text * (2_000_000 // len(text) + 1))[:2_000_000]
    assert len(read(log, 65_536)) <= (len(log) + BURST) // COST + 1


@pytest.mark.parametrize("text", HOSTILE)
def test_a_flood_reads_the_same_in_any_cut(text: bytes) -> None:
    flood = (text * (120_000 // len(text) + 1))[:120_000]
    whole = read(flood)
    assert read(flood, 113) == whole
    assert read(flood, 4099) == whole


def test_the_same_line_without_end_is_told_often_enough_to_be_believed_and_no_more() -> None:
    for line, reading in ((b"loss is nan\n", Trouble("nan")), (b"Error running job:\n", Trouble("trainer_failed"))):
        assert read(line * 100_000) == [reading] * SAME
    assert SAME > NAN_STEPS


def test_steps_of_nan_are_each_told_however_many_there_are() -> None:
    bar = "\rj:  1%|x| {}/900 [00:01<00:02,  1.00it/s, lr: 1.0e-04 loss: 0.000e+00]loss is nan\n"
    found = read("".join(bar.format(at) for at in range(900)).encode())
    assert found.count(Trouble("nan")) == 900


def test_what_follows_a_flood_of_one_line_is_read() -> None:
    end = b"Saved checkpoint to /w/out/j.safetensors\n"
    assert read(b"loss is nan\n" * 500_000 + end)[-1] == Saved("j.safetensors")


def test_a_long_run_of_the_shortest_training_bars_is_read_to_its_last_step() -> None:
    bar = "\rk3v9q0000000:   0%|          | {}/90000 [00:00<00:00,  6.33it/s, lr: 1.0e-04 loss: 1.515e+00]"
    reader, told = Reader(), 0
    for start in range(0, 60_000, 3000):
        reader, found = reader.feed("".join(bar.format(at) for at in range(start, start + 3000)).encode())
        told += len(found)
    assert told + len(reader.finish()) == 60_000


def test_a_hostile_bar_is_a_number_or_nothing() -> None:
    for loss in ("nan", "inf", "-inf", "1e999", "\x1b[2J", "9" * 24):
        line = f"\r 5%|x| 1/2 [00:01<00:02,  1.00it/s, lr: 1 loss: {loss}]\n".encode()
        for reading in read(line):
            assert isinstance(reading, Step)
            assert reading.loss is None or re.fullmatch(r"[\d.e+-]+", repr(reading.loss))


def test_the_last_lines_are_shown_as_a_terminal_would_and_nothing_in_them_acts() -> None:
    said = b"cut in the mid\nLoading\x1b[31m Flux\x1b[0m\r\n\n 1/9 |#\r 2/9 |##\r\nx\xff\xe2\x80\xaey\n 3/9 |###\r"
    assert shown(said, 4) == ["Loading Flux", "2/9 |##", "x\ufffdy", "3/9 |###"]
    assert shown(b"") == []
    assert len(shown(b"\n".join([b"x" * 5000] * 99))) == 25
