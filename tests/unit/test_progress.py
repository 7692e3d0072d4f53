"""The bar never walks back; speed leaves saves and samples out, and the ETA counts those still to come."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import cycle, islice, pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.progress import CURVE_POINTS, Course, Progress, Speed, charted, stepped
from pipeline.trainers.log import Phase, Reader, Saved, Step
from tests.support.captures import CAPTURES
from tests.support.virtual import EPOCH

LOOK: Final = 5.0  # seconds between two looks
COURSE: Final = Course(save_every=250, save_seconds=2.0, samples=4, sample_seconds=20.0)


@dataclass
class Run:
    """A run second by second: what each step, save and picture takes."""

    steps: list[float]
    save: float = 1.5
    picture: float = 20.0
    course: Course = COURSE
    marks: list[tuple[float, str, int]] = field(default_factory=list)  # (second, what came, count so far)

    def __post_init__(self) -> None:
        now, course, total = 0.0, self.course, len(self.steps)
        self.marks.append((now, "step", 0))
        for step, took in enumerate(self.steps, 1):
            now += took
            self.marks.append((now, "step", step))
            if step % course.save_every == 0 or step == total:
                now += self.save
                self.marks.append((now, "save", step))
            if step == total or (course.sample_every and step % course.sample_every == 0):
                for drawn in range(course.samples + 1):
                    now += self.picture if drawn else 0.0
                    self.marks.append((now, "picture", drawn))
        self.length = now

    def looks(self) -> Iterator[tuple[float, int, float | None]]:
        """At each look: the second, the steps done, and the seconds that are said to be left."""
        speed, done, waiting, total = Speed(), 0, list(reversed(self.marks)), len(self.steps)
        drawing = (0, 0)
        for look in range(1, math.ceil(self.length / LOOK)):
            saves = pictures = 0
            while waiting and waiting[-1][0] <= look * LOOK:
                _, what, count = waiting.pop()
                done, drawing = (count, (0, 0)) if what == "step" else (done, drawing)
                saves += what == "save"
                if what == "picture":
                    pictures, drawing = pictures + (count > 0), (count, self.course.samples)
            speed = speed.seen(EPOCH + timedelta(seconds=look * LOOK), done, total, saves, pictures)
            yield look * LOOK, done, speed.left(self.course, done, total, drawing)


def worst(run: Run, *, since: float = 0.1, until: float = 0.8) -> float:
    """The largest error of the ETA, as a share of what was truly left, from 10 % of the steps to 80 %."""
    total = len(run.steps)
    errors = [
        abs((left or 0.0) - (run.length - second)) / (run.length - second)
        for second, done, left in run.looks()
        if since * total <= done <= until * total
    ]
    assert errors
    return max(errors)


def capture_steps(name: str) -> list[float]:
    """Seconds of each step of a real run, those with a save or samples left out."""
    reader, paused = Reader(), False
    at, gaps, done = 0.0, list[float](), -1
    for row in (CAPTURES / f"{name}.jsonl").read_text("utf-8").splitlines():
        second, stream, text = json.loads(row)
        if stream != "both":
            continue
        reader, readings = reader.feed(text.encode())
        for reading in readings:
            if isinstance(reading, Step) and reading.done > done:
                if done >= 0 and not paused:
                    gaps.append(max(second - at, 0.01))
                at, done, paused = second, reading.done, False
            paused = paused or isinstance(reading, Saved | Phase)
    return gaps


@pytest.mark.parametrize("name", ["01-fresh-run", "05-resume-after-sigkill", "30a-version-0.11.0-fresh"])
@pytest.mark.parametrize("pace", [1.25, 3.25, 12.0])
def test_a_real_run_scaled_up_is_foretold_to_a_tenth_from_a_tenth_of_its_steps_on(name: str, pace: float) -> None:
    real = capture_steps(name)
    mean = sum(real) / len(real)
    steps = [gap * pace / mean for gap in islice(cycle(real), 2000)]
    assert worst(Run(steps, picture=25.0)) <= 0.10


def wave(step: int) -> float:
    return 1.0 + 0.05 * math.sin(step / 40)


DRIFTS: Final[dict[str, Callable[[int], float]]] = {
    "steady": lambda _: 1.0,
    "slower by a sixth to the end": lambda step: 1.0 + 0.16 * step / 1500,
    "faster by a sixth to the end": lambda step: 1.16 - 0.16 * step / 1500,
    "hot after a while": lambda step: 1.0 if step < 120 else 1.08,
    "in waves": wave,
    "a slow start": lambda step: 12.0 if step == 0 else 1.6 if step < 20 else 1.0,
    "every tenth step is slow": lambda step: 3.0 if step % 10 == 0 else 1.0,
}


@pytest.mark.parametrize("drift", sorted(DRIFTS))
@pytest.mark.parametrize("pace", [1.25, 3.25, 6.0])
def test_a_run_whose_speed_drifts_is_foretold_to_a_tenth(drift: str, pace: float) -> None:
    assert worst(Run([pace * DRIFTS[drift](step) for step in range(1500)])) <= 0.10


def test_saves_and_samples_between_the_steps_are_no_part_of_the_speed_and_all_of_the_eta() -> None:
    course = replace(COURSE, save_every=100, sample_every=100)
    run = Run([3.25] * 1000, save=6.0, picture=30.0, course=course)
    assert worst(run, since=0.12) <= 0.10  # from the first round on: before it, 20 s a picture is all we know
    assert run.length > 1.3 * 3250  # or it would have proved nothing
    speed = Speed()
    for step in range(1, 400):
        late = 126.0 * (step // 100)
        pause = step % 100 == 0
        speed = speed.seen(EPOCH + timedelta(seconds=3.25 * step + late), step, 1000, int(pause), 4 * pause)
    assert speed.pace == pytest.approx(3.25)


def test_while_the_last_samples_are_drawn_only_they_are_left() -> None:
    speed = Speed(at=EPOCH, step=10, seconds=30.0, steps=10.0)
    assert speed.left(COURSE, 10, 10, (1, 4)) == 60.0
    assert speed.left(COURSE, 9, 10, (1, 4)) == pytest.approx(3.0 + 2.0 + 60.0)  # an old toolkit's last bar
    between = replace(COURSE, sample_every=5)
    assert speed.left(between, 5, 10, (1, 4)) == pytest.approx(15.0 + 2.0 + 60.0 + 80.0)


def test_a_run_so_fast_that_every_look_holds_a_save_has_an_eta_all_the_same() -> None:
    speed = Speed().seen(EPOCH, 0, 100).seen(EPOCH + timedelta(seconds=5), 40, 100, saves=4)
    assert speed.pace == 0.125


def test_steps_seen_again_change_no_speed() -> None:
    speed = Speed().seen(EPOCH, 0, 9).seen(EPOCH + timedelta(seconds=6), 2, 9)
    assert speed.seen(EPOCH + timedelta(hours=1), 1, 9).pace == speed.pace == 3.0


@given(st.lists(st.floats(0.5, 20), min_size=2, max_size=60))
def test_the_speed_stays_between_the_slowest_and_the_fastest_step_seen(seconds: list[float]) -> None:
    speed, now = Speed().seen(EPOCH, 0, 100), EPOCH
    for step, took in enumerate(seconds, 1):
        now += timedelta(seconds=took)
        speed = speed.seen(now, step, 100)
    assert speed.pace is not None
    assert min(seconds) * 0.999 <= speed.pace <= max(seconds) * 1.001


looks = st.tuples(st.floats(0, 1e4), st.integers(0, 10**9), st.integers(0, 9), st.integers(0, 9))


@given(st.lists(looks, max_size=20), st.integers(0, 10**9))
def test_no_looks_make_the_eta_negative_or_raise(seen: list[tuple[float, int, int, int]], total: int) -> None:
    speed, now = Speed(), EPOCH
    for later, done, saves, pictures in seen:
        now += timedelta(seconds=later)
        speed = speed.seen(now, done, total, saves, pictures)
        left = speed.left(COURSE, done, total, (pictures, 4))
        assert left is None or left >= 0


def trained(losses: list[float], total: int) -> Progress:
    progress = Progress(at=EPOCH)
    for step, loss in enumerate(losses, 1):
        progress = stepped(progress, EPOCH + timedelta(seconds=3 * step), step, total, loss, 1e-4)
    return progress


def test_a_replayed_log_never_walks_the_bar_back() -> None:
    progress = trained([1.0] * 8, 9)
    again = stepped(progress, EPOCH + timedelta(hours=1), 2, 9, 0.1, None)
    assert (again.done, again.loss) == (8, 1.0)


def test_speed_and_eta_outlive_a_step_until_the_next_look_renews_them() -> None:
    progress = replace(trained([1.0] * 8, 9), seconds_per_step=3.0, seconds_left=3.0)
    again = stepped(progress, EPOCH + timedelta(hours=1), 9, 9, None, None)
    assert (again.seconds_per_step, again.seconds_left, again.loss, again.lr) == (3.0, 3.0, 1.0, 1e-4)


def test_a_long_curve_is_thinned_and_keeps_its_newest_point() -> None:
    progress = trained([1.0] * 2000, 2000)
    assert len(progress.curve) <= CURVE_POINTS + 1
    assert progress.curve[-1][0] == 2000


def test_a_curve_of_what_is_kept_runs_forward() -> None:
    curve = trained([1.0] * 777, 777).curve
    assert all(one[0] < two[0] for one, two in pairwise(curve))


def test_losses_that_no_bar_told_make_the_chart_and_known_points_stay() -> None:
    told = stepped(Progress(at=EPOCH), EPOCH, 3, 100, 0.9, None)
    told = charted(told, [(1, 9.0), (3, 9.0), (5, 0.8), (4, 9.0), (6, 0.7)])
    assert (told.curve, told.loss) == (((3, 0.9), (5, 0.8), (6, 0.7)), 0.7)
    late = stepped(told, EPOCH, 6, 100, 0.71, None)
    assert (late.done, late.curve) == (6, told.curve)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 10)), max_size=400))
def test_a_curve_stays_short_and_in_order_whatever_is_told(rows: list[tuple[int, float]]) -> None:
    curve = charted(Progress(at=EPOCH), rows).curve
    assert [step for step, _ in curve] == sorted({step for step, _ in curve})
    assert len(curve) <= CURVE_POINTS
