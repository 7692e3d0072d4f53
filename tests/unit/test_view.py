"""Folding news into a view: replaying, gaps and late rows never hurt."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.view import JobView, fold, view_of
from pipeline.domain.events import (
    Billed,
    Collected,
    Delayed,
    Event,
    Left,
    MachineRented,
    Moving,
    News,
    Published,
    Registered,
    StageReached,
    Wished,
)
from pipeline.domain.faults import Blame
from pipeline.domain.ids import Slug
from pipeline.domain.job import Artifact, Ending, Job
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.stage import End, Stage, Wish
from tests.support.notified import after, machine, ordered, stepping, told
from tests.support.virtual import EPOCH

LIFE: tuple[Event, ...] = (
    StageReached(stage=Stage.RENT, attempt=1),
    MachineRented(gpu="RTX 4090", micro_usd_per_hour=MicroUsd(360_000)),
    StageReached(stage=Stage.TRAIN, attempt=1),
    Moving(code="machine-gone"),
    StageReached(stage=Stage.RENT, attempt=2),
    Delayed(code="no-offers", again_at=after(30)),
    MachineRented(gpu="RTX 3090", micro_usd_per_hour=MicroUsd(200_000)),
    StageReached(stage=Stage.TRAIN, attempt=2),
    Wished(wish=Wish.STOP),
    StageReached(stage=Stage.COLLECT, attempt=2),
    Collected(step=900, size=1),
    StageReached(stage=Stage.TERMINATE, attempt=2),
    Billed(charged=Points(100), returned=Points(8300)),
    Published(url="https://hub/x"),
    Registered(slug=Slug("fluffy-ohwx-2")),
    Left(end=End.STOPPED),
)
NEWS = [News(n, after(n), event) for n, event in enumerate(LIFE, 1)]
START = view_of(ordered(), None)


def folded(news: list[News], view: JobView = START) -> JobView:
    for one in news:
        view = fold(view, one)
    return view


def training(minutes: float = 10) -> Job:
    job = told(ordered(), 1, StageReached(stage=Stage.RENT, attempt=1), stage=Stage.RENT)
    job = told(job, 2, MachineRented(gpu="RTX 4090", micro_usd_per_hour=MicroUsd(360_000)), machine=machine(after(3)))
    return told(job, minutes, StageReached(stage=Stage.TRAIN, attempt=1), stage=Stage.TRAIN)


def test_a_life_folds_into_its_end() -> None:
    view = folded(NEWS)
    assert (view.slug, view.url, view.step, view.end) == ("fluffy-ohwx-2", "https://hub/x", 900, End.STOPPED)
    assert (view.charged, view.returned) == (100, 8300)
    assert view.has_model


@given(st.lists(st.sampled_from(NEWS), max_size=30))
def test_news_told_again_or_too_late_change_nothing(again: list[News]) -> None:
    view = folded(NEWS)
    assert folded(again, view) == view


@given(st.sets(st.integers(1, len(NEWS))))
def test_news_that_never_came_break_nothing(lost: set[int]) -> None:
    came = [news for news in NEWS if news.n not in lost]
    assert folded(came).news == max((news.n for news in came), default=0)


def test_a_move_is_told_until_another_machine_is_there() -> None:
    moving = folded(NEWS[:5])
    assert moving.moving == Moving(code="machine-gone")
    assert moving.gpu == ""
    settled = folded(NEWS[:7])
    assert settled.moving is None
    assert settled.delayed is None
    assert settled.gpu == "RTX 3090"


def test_only_the_time_in_training_counts_as_training() -> None:
    assert folded(NEWS).trained == timedelta(minutes=(4 - 3) + (10 - 8))


def test_the_bar_of_an_earlier_stage_moves_none_of_this_one() -> None:
    job = told(training(), 50, StageReached(stage=Stage.COLLECT, attempt=1), stage=Stage.COLLECT)
    view = view_of(job, stepping(49, 1990))
    assert view.progress is None
    assert view.step == 1990


def test_the_newest_sign_of_life_ends_a_delay() -> None:
    job = told(training(), 20, Delayed(code="ssh-unreachable", again_at=after(21)))
    assert view_of(job, stepping(19, 5)).delayed is not None
    assert view_of(job, stepping(22, 6)).delayed is None


def test_collected_weights_say_the_step_not_the_last_row_of_progress() -> None:
    artifact = Artifact(file="models/x", sha256=ordered().manifest.pictures[0].sha256, size=1, step=750)
    job = replace(training(), artifact=artifact, stage=Stage.BILL)
    assert view_of(job, stepping(19, 800)).step == 750


def test_the_job_itself_is_believed_where_its_news_lag() -> None:
    ending = Ending(End.FAILED, Blame.HOST, "machine-gone")
    view = view_of(replace(training(), stage=Stage.DONE, ending=ending, wish=Wish.STOP), None)
    assert view.over
    assert view.left == Left(end=End.FAILED, blame=Blame.HOST, code="machine-gone")
    assert view.wish is Wish.STOP


def test_wishes_are_heard_only_while_the_work_is_open() -> None:
    assert view_of(training(), None).changeable
    for stage in (Stage.TERMINATE, Stage.BILL, Stage.PUBLISH, Stage.REGISTER, Stage.DONE):
        assert not view_of(replace(training(), stage=stage), None).changeable
    assert not view_of(replace(training(), ending=Ending(End.CANCELLED)), None).changeable


def test_nothing_has_happened_to_a_new_job() -> None:
    assert START.stage is Stage.PREPARE
    assert START.heard == EPOCH
    assert START.pictures == 12


def test_a_name_that_was_reserved_makes_no_model() -> None:
    job = replace(training(), slug=Slug("ohwx"), stage=Stage.DONE, ending=Ending(End.STOPPED))
    assert not view_of(job, None).has_model
