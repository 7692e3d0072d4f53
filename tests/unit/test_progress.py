"""The bar never walks back, and the ETA counts what comes after the steps."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.progress import CURVE_POINTS, Progress, stepped
from tests.support.virtual import EPOCH


def trained(seconds: list[float], total: int, tail: float = 0.0) -> Progress:
    progress, now = Progress(at=EPOCH), EPOCH
    for step, pace in enumerate(seconds, 1):
        now += timedelta(seconds=pace)
        progress = stepped(progress, now, step, total, 1.0, 1e-4, tail)
    return progress


def test_a_steady_run_knows_its_end_and_counts_the_samples() -> None:
    progress = trained([3.0] * 50, 100, tail=80.0)
    assert progress.seconds_left == 50 * 3.0 + 80.0


def test_a_replayed_log_never_walks_the_bar_back() -> None:
    progress = trained([3.0] * 8, 9)
    again = stepped(progress, EPOCH + timedelta(hours=1), 2, 9, 0.1, None, 0)
    assert (again.done, again.loss) == (8, 1.0)


@given(st.lists(st.floats(0.5, 20), min_size=2, max_size=60))
def test_the_eta_stays_between_the_slowest_and_the_fastest_step_seen(seconds: list[float]) -> None:
    progress = trained(seconds, 100)
    assert progress.seconds_left is not None
    remaining = 100 - len(seconds)
    assert min(seconds) * remaining * 0.999 <= progress.seconds_left <= max(seconds) * remaining * 1.001


def test_a_long_curve_is_thinned_and_keeps_its_newest_point() -> None:
    progress = trained([1.0] * 2000, 2000)
    assert len(progress.curve) <= CURVE_POINTS + 1
    assert progress.curve[-1][0] == 2000
