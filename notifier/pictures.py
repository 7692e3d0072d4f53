"""The one picture in a card: the loss chart, the newest samples under it. The only home of matplotlib."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from notifier.view import JobView
from notifier.words import Words
from pipeline.domain.ids import JobId

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, CHART_HEIGHT, DPI = 8.0, 3.6, 100  # inches: fits a phone without zooming
TENTHS, QUARTERS = 10, 4  # pictures of a long run, of a short one: each is an upload
SHORT_RUN: Final = 200  # steps
SMOOTHING: Final = 0.2  # weight of the newest loss in the bold line
PAPER, INK, FAINT, LINE = "#ffffff", "#333a45", "#c9d4e5", "#2563eb"

Curve = tuple[tuple[int, float], ...]


class Gallery:
    """Draws off the loop, into `<spool>/cards/`, and keeps one picture a job.

    A file's name says how far the run in it is: none is drawn twice, not even after a restart.
    """

    def __init__(self, spool: Path) -> None:
        self._folder = spool / "cards"

    async def picture(self, view: JobView, words: Words, sheet: Path | None) -> Path | None:
        """The picture `view` deserves now; where there is nothing new to draw, the one drawn before."""
        mark = _mark(view)
        if mark is None:
            return sheet or self._newest(view.job)
        target = self._folder / f"{view.job}-{mark:02d}{'s' if sheet else ''}.png"
        if not there(target):
            labels = (words.say("chart-step"), words.say("chart-loss"))
            await asyncio.to_thread(self._draw, target, view, labels, sheet)
        return target

    def _draw(self, target: Path, view: JobView, labels: tuple[str, str], sheet: Path | None) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = target.with_suffix(".part")
        draw(view.curve, view.steps, labels, sheet, half)
        half.replace(target)
        for old in self._of(view.job):
            if old != target:
                old.unlink(missing_ok=True)

    def _newest(self, job: JobId) -> Path | None:
        return max(self._of(job), default=None)

    def _of(self, job: JobId) -> list[Path]:
        return list(self._folder.glob(f"{job}-*.png"))


def there(picture: Path) -> bool:
    """Whether the file exists: a look of microseconds, so on the loop."""
    return picture.is_file()


def _mark(view: JobView) -> int | None:
    """Which of a run's pictures is due: a function of its steps only, so that a restart draws nothing again."""
    if len(view.curve) < 2:  # noqa: PLR2004  # two points make a line
        return None
    pieces = QUARTERS if view.steps < SHORT_RUN else TENTHS
    return view.curve[-1][0] * pieces // view.steps or None


def draw(curve: Curve, steps: int, labels: tuple[str, str], sheet: Path | None, into: Path) -> None:
    """Write a PNG: loss over steps with its smoothed line, `sheet` below it. `labels`: of the two axes."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # half a second that only drawing pays for
    from matplotlib.image import imread  # noqa: PLC0415  # as above

    samples = imread(sheet) if sheet and there(sheet) else None
    below = 0.0 if samples is None else (WIDTH - 0.4) * samples.shape[0] / samples.shape[1]
    figure = Figure(figsize=(WIDTH, CHART_HEIGHT + below), dpi=DPI, facecolor=PAPER, layout="constrained")
    if samples is None:
        chart = figure.subplots()
    else:
        chart, shelf = figure.subplots(2, 1, height_ratios=(CHART_HEIGHT, below))
        shelf.imshow(samples)
        shelf.set_axis_off()
    _plot(chart, curve, steps, labels)
    figure.savefig(into, format="png")


def _plot(chart: "Axes", curve: Curve, steps: int, labels: tuple[str, str]) -> None:
    at, losses = [step for step, _ in curve], [loss for _, loss in curve]
    bold = smoothed(losses)
    chart.plot(at, losses, color=FAINT, linewidth=1.0)
    chart.plot(at, bold, color=LINE, linewidth=2.2, solid_capstyle="round")
    chart.plot(at[-1:], bold[-1:], "o", color=LINE, markersize=6)
    chart.annotate(
        f"{bold[-1]:.3g}", (at[-1], bold[-1]), xytext=(0, 9), textcoords="offset points", ha="center", color=INK
    )
    chart.set_xlim(0, steps)
    chart.set_xlabel(labels[0], color=INK)
    chart.set_ylabel(labels[1], color=INK)
    chart.tick_params(colors=INK, length=0)
    chart.grid(axis="y", color=FAINT, linewidth=0.6, alpha=0.6)
    chart.spines[["top", "right", "left"]].set_visible(False)
    chart.spines["bottom"].set_color(FAINT)


def smoothed(losses: list[float]) -> list[float]:
    """A running mean that forgets: single steps of a loss say little."""
    line = losses[:1]
    for loss in losses[1:]:
        line.append(line[-1] + SMOOTHING * (loss - line[-1]))
    return line
