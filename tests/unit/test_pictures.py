"""The picture in a card: drawn when a run is a tenth further, kept once, with the samples when there are some."""

import asyncio
from pathlib import Path

from PIL import Image

from notifier.pictures import Gallery, smoothed
from notifier.view import JobView, view_of
from notifier.words import Words
from pipeline.domain.ids import JobId
from tests.support.notified import JOB, ordered, stepping

WORDS = Words("en", strict=True)


def view(done: int, steps: int = 2000, job: JobId = JOB) -> JobView:
    return view_of(ordered(job, steps=steps), stepping(0, done, steps, curve=done))


def picture(spool: Path, of: JobView, sheet: Path | None = None) -> Path | None:
    return asyncio.run(Gallery(spool).picture(of, WORDS, sheet))


def test_a_run_gets_a_picture_each_tenth_and_one_is_kept(tmp_path: Path) -> None:
    other = picture(tmp_path, view(300, job=JobId("other")))
    assert picture(tmp_path, view(150)) is None
    first = picture(tmp_path, view(250))
    assert first is not None
    assert picture(tmp_path, view(390)) == first
    second = picture(tmp_path, view(410))
    assert second is not None
    assert {file.name for file in (tmp_path / "cards").iterdir()} == {second.name, other.name if other else ""}
    with Image.open(second) as image:
        assert image.format == "PNG"
        assert image.width == 800


def test_a_short_run_gets_four(tmp_path: Path) -> None:
    names = {path.name for done in range(2, 31) if (path := picture(tmp_path, view(done, steps=30)))}
    assert names == {f"{JOB}-0{quarter}.png" for quarter in (1, 2, 3, 4)}


def test_samples_stand_below_the_chart(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jpg"
    Image.new("RGB", (200, 100), (200, 30, 30)).save(sheet)
    shown = picture(tmp_path, view(2000), sheet)
    assert shown is not None
    with Image.open(shown) as image:
        assert image.height > 600
        red, green, _ = image.convert("RGB").getpixel((400, image.height - 150))  # type: ignore[misc]  # RGB: three
    assert red > 150 > green


def test_without_numbers_the_samples_stand_alone_and_then_the_last_chart(tmp_path: Path) -> None:
    started = view_of(ordered(), None)
    sheet = tmp_path / "sheet.jpg"
    assert picture(tmp_path, started) is None
    assert picture(tmp_path, started, sheet) == sheet
    chart = picture(tmp_path, view(500))
    assert picture(tmp_path, started) == chart


def test_a_smoothed_line_follows_and_forgets() -> None:
    assert smoothed([]) == []
    assert smoothed([1.0, 0.0, 0.0])[-1] < smoothed([1.0, 0.0])[-1] < 1.0
