"""From log bytes to a card: what a watched training costs us."""

from pathlib import Path
from tempfile import TemporaryDirectory

from notifier.cards import render
from notifier.view import view_of
from notifier.words import Words
from pipeline.domain.progress import Progress, stepped
from pipeline.domain.stage import Stage
from pipeline.trainers.log import Reader, Step
from tests.bench.row import Row, median_seconds
from tests.support.jobs import a_job
from tests.support.virtual import EPOCH


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
                    progress = stepped(progress, EPOCH, reading.done, reading.total, reading.loss, reading.lr)
                    with_card = render(view_of(job, progress), words, now=EPOCH, spool=folder, simulated=False)
                    count += bool(with_card.title)
        return count

    with TemporaryDirectory() as name:
        folder = Path(name)
        events = whole()
        taken = median_seconds(whole)
    return [Row("log bytes to card", events / taken, "events/s", "", None, f"{len(log) / taken / 1e6:.1f} MB/s of log")]
