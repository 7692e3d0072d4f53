"""A training is given up when it will not come to its end here, and never because it is at its end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.stall import (
    GRAIN,
    MUTE,
    PHASES,
    SILENT,
    SLOW,
    STALLED,
    STUCK,
    WINDOW,
    History,
    Promise,
    Sign,
    noted,
    slow,
    stalled,
)
from tests.support.virtual import EPOCH

LOOK = 5.0
QUOTED = Promise(step=3.25, start=900.0)


def at(second: float) -> datetime:
    return EPOCH + timedelta(seconds=second)


def sign(second: float, phase: str, done: int = 0, total: int = 0, heard: float | None = None) -> Sign:
    now = at(second)
    return Sign(
        at=now, since=now, moved=now, heard=now if heard is None else at(heard), phase=phase, done=done, total=total
    )


def given_up(look: Callable[[float], Sign], seconds: float, factor: float = 1.0) -> float | None:
    """The second at which a run that looks like `look` is given up, or None."""
    history: History = ()
    for each in range(int(seconds / LOOK)):
        now = each * LOOK
        history = noted(history, at(now), look(now), factor=factor)
        if stalled(history, at(now), factor=factor):
            return now
    return None


def training(second: float, pace: float = 3.25, total: int = 2000) -> Sign:
    done = min(total, int(second / pace))
    return replace(sign(second, "training", done, total), left=(total - done) * pace, pace=pace, measured=second)


@pytest.mark.parametrize("phase", ["loading", "quantizing"])
def test_loading_and_quantizing_may_chatter_but_not_for_ever(phase: str) -> None:
    assert given_up(lambda now: sign(now, phase), PHASES[phase] - LOOK) is None
    assert given_up(lambda now: sign(now, phase), 2 * PHASES[phase]) == pytest.approx(PHASES[phase], abs=2 * LOOK)


def test_each_phase_has_its_own_time() -> None:
    half = PHASES["loading"] * 0.75
    assert given_up(lambda now: sign(now, "loading" if now < half else "quantizing"), 1.9 * half) is None


@pytest.mark.parametrize("phase", ["loading", "quantizing", "caching", "baseline", "sampling", "saving"])
def test_silence_outside_of_training_is_borne_for_half_an_hour(phase: str) -> None:
    assert given_up(lambda now: sign(now, phase, heard=0), 2 * SILENT) == pytest.approx(SILENT, abs=2 * LOOK)


def test_a_training_that_falls_silent_is_given_up_after_a_quarter_of_an_hour() -> None:
    def look(now: float) -> Sign:
        return training(now) if now < 1000 else replace(training(1000), at=at(now), heard=at(1000))

    assert given_up(look, 9000) == pytest.approx(1000 + MUTE, abs=2 * LOOK)


def test_a_training_that_talks_without_a_step_is_given_up_too() -> None:
    def look(now: float) -> Sign:
        return replace(training(min(now, 1000)), at=at(now), heard=at(now))

    assert given_up(look, 9000) == pytest.approx(1000 + STUCK, abs=3 * LOOK)


def test_an_eta_that_doubles_over_a_window_is_a_stall_though_steps_and_log_go_on() -> None:
    def look(now: float) -> Sign:
        usual = training(min(now, 2000))
        worse = replace(usual, left=(usual.left or 0) * (1 + max(0.0, now - 2000) / 1200))
        return replace(worse, at=at(now), heard=at(now), moved=at(now), done=usual.done + int(max(0, now - 2000) / 60))

    found = given_up(look, 9000)
    assert found is not None
    assert 2000 < found <= 2000 + WINDOW + 2 * GRAIN


@pytest.mark.parametrize("pace", [0.2, 1.25, 3.25, 12.0])
def test_a_run_that_comes_nearer_is_never_given_up(pace: float) -> None:
    assert given_up(lambda now: training(now, pace), 2000 * pace) is None


def test_half_speed_is_no_stall() -> None:
    def look(now: float) -> Sign:
        left = 6000 - now if now < 2000 else 8000 - (now - 2000) * 1.0
        return replace(training(now), left=left)

    assert given_up(look, 6000) is None


@pytest.mark.parametrize(("done", "total"), [(2000, 2000), (1999, 2000)])
@pytest.mark.parametrize("phase", ["training", "saving", "sampling"])
def test_at_the_end_of_a_run_nothing_is_given_up(done: int, total: int, phase: str) -> None:
    assert given_up(lambda now: sign(now, phase, done, total, heard=0), 4 * WINDOW) is None
    late = replace(sign(9e4, phase, done, total), pace=99.0, left=9e9, measured=9e4)
    assert slow((late,), QUOTED) is None


def test_a_sandbox_waits_as_much_shorter_as_its_time_is_faster() -> None:
    silent = given_up(lambda now: sign(now, "caching", heard=0), SILENT, factor=0.1)
    assert silent == pytest.approx(SILENT / 10, abs=2 * LOOK)


@pytest.mark.parametrize(
    ("pace", "done", "measured", "code"),
    [
        (3.25, 200, 900, None),  # as quoted
        (6.0, 200, 900, None),  # slow, not far slower
        (12.0, 60, 900, SLOW),
        (12.0, 20, 300, None),  # too early to tell
        (12.0, 1500, 18_000, None),  # the rest here is shorter than all of it elsewhere
    ],
)
def test_a_host_far_slower_than_quoted_is_left_when_another_would_be_done_sooner(
    pace: float, done: int, measured: float, code: str | None
) -> None:
    seen = replace(sign(1000, "training", done, 2000), pace=pace, left=pace * (2000 - done), measured=measured)
    assert slow((seen,), QUOTED) == code


def test_what_is_already_at_home_makes_another_machine_sooner_done() -> None:
    seen = replace(sign(1000, "training", 1500, 2000), pace=12.0, left=12.0 * 500, measured=18_000)
    assert slow((seen,), QUOTED) is None
    assert slow((seen,), replace(QUOTED, kept=1400)) == SLOW


def test_nothing_is_said_of_a_run_nobody_has_seen() -> None:
    assert (stalled((), EPOCH), slow((), QUOTED)) == (None, None)


signs = st.builds(
    sign, st.floats(0, 1e5), st.sampled_from(["", "loading", "training", "sampling", "x"]),
    st.integers(0, 2000), st.integers(0, 2000),
)  # fmt: skip


@given(st.lists(signs, max_size=30))
def test_any_looks_have_an_answer_and_the_history_stays_short(looks: list[Sign]) -> None:
    history: History = ()
    for look in sorted(looks, key=lambda each: each.at):
        history = noted(history, look.at, look)
        assert stalled(history, look.at) in {None, STALLED}
    assert len(history) <= 30


def test_a_day_of_looks_is_kept_as_half_an_hour_of_signs() -> None:
    history: History = ()
    for each in range(17_280):
        history = noted(history, at(each * LOOK), training(each * LOOK, 60.0))
    assert len(history) <= WINDOW / GRAIN + 8
