"""The rows. Each function measures one thing and may return several rows; its name is what ONLY= matches."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from notifier.cards import render
from notifier.view import view_of
from notifier.words import Words
from pipeline.domain.progress import Progress, stepped
from pipeline.domain.stage import Stage
from pipeline.trainers.log import Reader, Step
from tests.bench.row import RUNS, Row, median_seconds
from tests.support.jobs import a_job
from tests.support.virtual import EPOCH

BIN = Path(sys.executable).parent / "trainstation"


def startup() -> list[Row]:
    """`trainstation --help`, beside a Python that does nothing."""

    def bare() -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)

    def ours() -> None:
        subprocess.run([BIN, "--help"], check=True, capture_output=True)

    ours()
    floor, taken = median_seconds(bare), median_seconds(ours)
    return [Row("help start-up", taken, "s", "< 0.4", taken < 0.4, f"{taken / floor:.1f} x an empty Python")]


def demo() -> list[Row]:
    """The whole demo once it is installed, and how much of it the sandbox was told to take."""
    taken: list[tuple[float, float]] = []
    for _ in range(RUNS):
        before = time.perf_counter()
        child = subprocess.run([BIN, "demo"], check=True, capture_output=True)
        wall = time.perf_counter() - before
        assert child.returncode == 0
        taken.append((wall, _cpu_of_children()))
    wall = statistics.median(pair[0] for pair in taken)
    cpu = taken[-1][1] / len(taken)
    share = max(0.0, 1 - cpu / wall)
    return [
        Row("demo wall time", wall, "s", "< 60", wall < 60, "median of 5"),
        Row("demo share of waiting", 100 * share, "%", "", None, f"{cpu:.1f} s of processor time in all processes"),
    ]


def _cpu_of_children() -> float:
    import resource  # noqa: PLC0415  # only here

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cards() -> list[Row]:
    """Events a second from log bytes to a rendered card: read, fold, view, render, for every step."""
    capture = Path(__file__).parents[1] / "data" / "aitoolkit" / "01-fresh-run.raw"
    log = capture.read_bytes() * 20
    words, job = Words("en"), a_job(stage=Stage.TRAIN)

    def whole() -> int:
        reader, progress, count = Reader(), Progress(at=EPOCH), 0
        for start in range(0, len(log), 4096):
            reader, readings = reader.feed(log[start : start + 4096])
            for reading in readings:
                if isinstance(reading, Step):
                    progress = stepped(progress, EPOCH, reading.done, reading.total, reading.loss, reading.lr, 0)
                    with_card = render(view_of(job, progress), words, now=EPOCH, spool=folder, simulated=False)
                    count += bool(with_card.title)
        return count

    with TemporaryDirectory() as name:
        folder = Path(name)
        events = whole()
        taken = median_seconds(whole)
    return [Row("log bytes to card", events / taken, "events/s", "", None, f"{len(log) / taken / 1e6:.1f} MB/s of log")]


FIGURES: Mapping[str, Callable[[], list[Row]]] = {"startup": startup, "cards": cards, "demo": demo}
