"""What a chat should know about one job: the fold of its news, with the latest sign of life laid over it. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from pipeline.domain.checkpoint import KEPT_FOR, newest
from pipeline.domain.events import (
    Alerted,
    Billed,
    Collected,
    Delayed,
    Event,
    Extended,
    Halted,
    Left,
    MachineRented,
    Moving,
    News,
    Published,
    Registered,
    Restarted,
    Resumed,
    StageReached,
    Wished,
)
from pipeline.domain.ids import JobId
from pipeline.domain.job import Alert, Job
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.progress import Progress
from pipeline.domain.stage import End, Stage, Wish

BETWEEN_MACHINES: Final = frozenset({Stage.TERMINATE, Stage.RENT})  # where a job stands while it moves


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a training that failed, and may be taken until `until`."""

    step: int
    price: Points
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job as its person should see it. Times in UTC; money in micro-dollars and points."""

    job: JobId
    release: bool = False  # no training: a kept checkpoint becomes a model
    slug: str  # as wished, until the catalogue made it unique
    trigger: str
    steps: int
    pictures: int
    ceiling: Points
    ceiling_cost: MicroUsd
    stage: Stage = Stage.PREPARE
    since: datetime  # the stage in hand was reached
    heard: datetime  # the last sign of life of any kind
    news: int = 0  # the last one folded in
    attempt: int = 1
    gpu: str = ""
    rate: MicroUsd = MicroUsd(0)  # per hour
    metered: datetime | None = None  # the running meter began here
    spent: MicroUsd = MicroUsd(0)  # on machines given back that were of use
    delayed: Delayed | None = None
    moving: Moving | None = None
    resumed: Resumed | None = None  # from a checkpoint, on the machine in hand
    restarted: Restarted | None = None  # the trainer, on the machine in hand
    alert: Alert | None = None  # time is up; what is done about it, and when
    extended: bool = False  # its person let it go on once, on this machine
    halted: str = ""  # why we stop it ourselves
    silent: datetime | None = None  # the machine does not answer since then
    wish: Wish | None = None
    left: Left | None = None
    step: int = 0  # trained so far; once collected, of the weights we hold
    collected: bool = False
    loss: float | None = None
    trained: timedelta = timedelta()  # in TRAIN, up to `since`
    charged: Points | None = None
    returned: Points | None = None
    url: str = ""
    registered: bool = False
    kept: Kept | None = None
    sheet: str = ""  # in the spool
    progress: Progress | None = None  # of the stage in hand only
    curve: tuple[tuple[int, float], ...] = ()

    @property
    def over(self) -> bool:
        return self.stage is Stage.DONE

    @property
    def end(self) -> End:
        """What became of it, or will as things stand."""
        return self.left.end if self.left else End.DONE

    @property
    def has_model(self) -> bool:
        return self.registered or bool(self.url)

    @property
    def changeable(self) -> bool:
        """A wish would still be heard."""
        return not self.stage.closing and not self.over and self.end is End.DONE


def view_of(job: Job, progress: Progress | None) -> JobView:
    """Show `job` with its latest `progress`: everything from what is stored, nothing remembered."""
    view = JobView(
        job=job.id,
        release=job.of is not None,
        step=job.chosen.step if job.chosen else 0,
        slug=job.recipe.slug,
        trigger=job.recipe.trigger,
        steps=job.recipe.steps,
        pictures=len(job.manifest.pictures),
        ceiling=job.quote.ceiling,
        ceiling_cost=job.quote.ceiling_cost,
        since=job.created_at,
        heard=job.created_at,
    )
    for news in job.news:
        view = fold(view, news)
    return _progressed(_settled(view, job), progress)


def fold(view: JobView, news: News) -> JobView:
    """Add one piece of news. What was seen already changes nothing; what was never seen is not missed."""
    if news.n <= view.news:
        return view
    return _told(replace(view, news=news.n, heard=max(view.heard, news.at)), news.event, news.at)


def _told(view: JobView, event: Event, at: datetime) -> JobView:  # noqa: C901, PLR0911, PLR0912  # one line for each kind
    match event:
        case StageReached():
            return _reached(view, event, at)
        case MachineRented(gpu=gpu, micro_usd_per_hour=rate):
            return replace(view, gpu=gpu, rate=rate, moving=None, delayed=None)
        case Delayed():
            return replace(view, delayed=event)
        case Moving():
            return replace(_returning(view, at), moving=event, gpu="", rate=MicroUsd(0))
        case Resumed():
            return replace(view, resumed=event, delayed=None)
        case Restarted():
            return replace(view, restarted=event, delayed=None)
        case Alerted() | Extended() | Halted():
            return view  # the job itself says it (`_settled`)
        case Wished(wish=wish):
            return replace(view, wish=wish)
        case Left():
            return replace(_returning(view, at), left=event, moving=None)
        case Collected(step=step):
            return replace(view, step=step, collected=True, delayed=None)
        case Billed(charged=charged, returned=returned):
            return replace(view, charged=charged, returned=returned)
        case Published(url=url):
            return replace(view, url=url, delayed=None)
        case Registered(slug=slug):
            return replace(view, slug=slug, registered=True, delayed=None)
        case other:
            assert_never(other)


def _reached(view: JobView, event: StageReached, at: datetime) -> JobView:
    ran = at - view.since if view.stage is Stage.TRAIN else timedelta()
    return replace(
        view,
        stage=event.stage,
        attempt=event.attempt,
        since=at,
        trained=view.trained + ran,
        delayed=None,
        moving=view.moving if event.stage in BETWEEN_MACHINES else None,
        restarted=view.restarted if event.stage in {Stage.FETCH, Stage.TRAIN} else None,
        resumed=None,
    )


def _returning(view: JobView, at: datetime) -> JobView:
    """Out of whatever stage it was: the way back leads over the machine's return, which is not announced by itself."""
    return _reached(view, StageReached(stage=Stage.TERMINATE, attempt=view.attempt), at)


def _settled(view: JobView, job: Job) -> JobView:
    """Lay what the job itself says over what its news told: the job is the truth, news may lag."""
    artifact, machine = job.artifact, job.machine
    spent = sum(rental.owed for rental in job.rentals)
    view = replace(
        view,
        stage=job.stage,
        attempt=job.attempt,
        silent=job.silent_since,
        wish=job.wish,
        alert=job.alert if job.stage is Stage.TRAIN and job.wish is None else None,
        extended=machine is not None and job.extended_at is not None and job.extended_at >= machine.since,
        halted=job.halted,
        spent=MicroUsd(spent),
        slug=job.slug or view.slug,
        url=job.url or view.url,
        registered=view.registered or (job.over and job.artifact is not None),
        kept=_kept(job),
    )
    if job.ending is not None:
        why = job.ending
        view = replace(view, left=Left(end=why.end, blame=why.blame, code=why.code, facts=why.facts))
    if machine is not None:
        view = replace(view, gpu=machine.gpu, rate=machine.rate, metered=machine.running_since)
    if artifact is not None:
        view = replace(view, collected=True, step=artifact.step, loss=artifact.final_loss, sheet=artifact.sheet)
    return view


def _kept(job: Job) -> Kept | None:
    last = newest(job.mirror)
    if not job.over or not job.worth or last is None:
        return None
    return Kept(last.step, job.worth, job.changed_at + KEPT_FOR)


def _progressed(view: JobView, progress: Progress | None) -> JobView:
    """Lay the latest sign of life over `view`. One of an earlier stage moves no bar of this one."""
    if progress is None:
        return view
    view = replace(view, heard=max(view.heard, progress.at), curve=progress.curve)
    if progress.unit == "step" and not view.collected:
        view = replace(view, step=max(view.step, progress.done), loss=progress.loss)
    if progress.at < view.since or view.over:
        return view
    fresh = view.delayed is None or progress.at >= view.heard
    return replace(view, progress=progress, delayed=None if fresh else view.delayed)
