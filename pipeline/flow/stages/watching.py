"""What we have read of a run so far: polls folded into readings, speed, trouble. The log on the box is the record."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from pipeline.domain.job import Job
from pipeline.domain.progress import Course, Curve, Progress, Speed, charted, stepped, until
from pipeline.domain.stall import History
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import lease_of
from pipeline.ports import Host
from pipeline.trainers import aitoolkit
from pipeline.trainers.box import Command
from pipeline.trainers.log import (
    OptimizerResumed,
    OptimizerSaved,
    Phase,
    Reader,
    Reading,
    Resumed,
    Saved,
    Step,
)
from pipeline.trainers.verdict import Tale

log = structlog.get_logger()
NEVER = datetime.min.replace(tzinfo=UTC)
KEEP = 15.0  # seconds between two copies of the log's end
MOST_POLLS = 64  # 16 MB of log in one go


@dataclass(slots=True)
class Watch:
    """In memory only."""

    heard_at: datetime
    tale: Tale  # what the log has told so far
    past: Curve = ()  # what was drawn of the loss before we looked, maybe on another machine
    reader: Reader = field(default_factory=Reader)
    offset: int = 0
    charted: int = 0  # losses that the box's own record told, up to this step
    kept: int = 0  # of the log's end at home: up to this offset
    kept_at: datetime = NEVER
    deaf: bool = False  # the box gave up asking a database
    progress: Progress | None = None
    speed: Speed = field(default_factory=Speed)
    history: History = ()
    vanished: int = 0  # looks in a row that found no process and no exit code
    saves: int = 0  # since the last look
    pictures: int = 0  # samples drawn since the last look
    drawing: tuple[int, int] = (0, 0)  # of the round in hand
    complete_sets: int = 0
    saving: bool = False  # a save has begun and is not whole
    asked: bool = False  # for a save that has not begun
    resumed: int = 0  # the step of the checkpoint it went on from
    state_kept: bool = False  # the optimizer went on as well
    tail: bytes = b""
    first: tuple[datetime, int] | None = None  # when we first saw a step, and which
    latest: tuple[datetime, int] | None = None

    @property
    def seconds_per_step(self) -> float | None:
        """Of all that we saw happen, saves included: what the next quote should count on."""
        if self.first is None or self.latest is None:
            return None
        return (self.latest[0] - self.first[0]).total_seconds() / (self.latest[1] - self.first[1])

    def began(self) -> datetime | None:
        """When we first saw it train."""
        return self.first[0] if self.first else None

    def went_on(self, reading: Resumed | OptimizerResumed) -> None:
        if isinstance(reading, Resumed):
            self.resumed, self.state_kept = reading.step, False
        else:
            self.state_kept = reading.kept

    def clocked(self, now: datetime) -> None:
        if self.progress is None or self.progress.unit != "step":
            return
        self.first = self.first or (now, self.progress.done)
        if self.progress.done > (self.latest or self.first)[1]:
            self.latest = (now, self.progress.done)

    def timed(self, now: datetime, course: Course) -> None:
        """Speed and ETA anew: what each of the looks shows at its end is what is told."""
        told = self.progress
        if told is None or told.unit != "step":
            return
        self.speed = self.speed.seen(now, told.done, told.total, self.saves, self.pictures)
        self.saves = self.pictures = 0
        left = self.speed.left(course, told.done, told.total, self.drawing)
        self.progress = replace(told, seconds_per_step=self.speed.pace, seconds_left=left)

    def drew(self, phase: Phase) -> None:
        done = self.drawing[0] if phase.done else 0
        self.pictures += max(0, phase.done - done)
        self.drawing = (phase.done, phase.total)


async def caught_up(job: Job, kit: Kit, host: Host, watch: Watch) -> aitoolkit.Look:
    """Poll until the log's end is read: nothing is judged before. A log that outruns us waits for the next look."""
    try:
        look = await _caught_up(job, kit, host, watch)
    except Exception:
        _keep(job, kit, watch)
        raise
    if not look.alive or kit.now() - watch.kept_at >= kit.pace.delta(seconds=KEEP):
        _keep(job, kit, watch)
    return look


def _keep(job: Job, kit: Kit, watch: Watch) -> None:
    """The log's end, to be looked at from home."""
    if watch.offset > watch.kept:
        watch.kept, watch.kept_at = watch.offset, kit.now()
        with suppress(OSError):
            kit.spool.keep_log(job.id, job.attempt, watch.tail)


async def _caught_up(job: Job, kit: Kit, host: Host, watch: Watch) -> aitoolkit.Look:
    pump = aitoolkit.pump(job.id, lease_of(job, kit))
    look = await _asked(host, pump, watch)
    for _ in range(MOST_POLLS):
        if look.log:
            watch.offset += len(look.log)
            watch.heard_at = kit.now()
            watch.tail = (watch.tail + look.log)[-8192:]
            watch.reader, readings = watch.reader.feed(look.log)
            _fold(job, watch, readings, kit)
        if watch.offset >= look.size or not look.log:
            _recorded(job, watch, look, kit.now())
            return look
        look = await _asked(host, pump, watch)
    return replace(look, alive=True, code=None)


async def _asked(host: Host, pump: Command, watch: Watch) -> aitoolkit.Look:
    return aitoolkit.read_poll(await host.ask(pump, watch.offset, watch.charted))


def _recorded(job: Job, watch: Watch, look: aitoolkit.Look, now: datetime) -> None:
    """What the box's own records add to the log: losses that no bar showed, the step in hand, a stop.

    They outlive the run that wrote them, so they count only once this one's log shows steps, and is read to its end.
    A bar may lag one step behind.
    """
    if look.deaf and not watch.deaf:
        log.warning("box-database-endless", job=job.id)
        watch.deaf = True
    told, row = watch.progress, look.row
    if look.losses:
        watch.charted = look.losses[-1][0]
    if told is not None and told.unit == "step":
        told = charted(told, ((step, loss) for step, loss in look.losses if step <= told.total))
        if row is not None and row.status == "running" and told.done + 1 < row.step <= told.total:
            told = stepped(told, now, row.step, told.total, None, None)
        watch.progress = told
    watch.asked = row is not None and row.asked
    if row is not None and row.status == "stopped" and not look.alive:
        watch.tale.stopped = True


def _fold(job: Job, watch: Watch, readings: list[Reading], kit: Kit) -> None:
    now = kit.now()
    for reading in readings:
        watch.tale.hear(reading)
        before = watch.progress or Progress(at=now, phase="loading", curve=watch.past)
        match reading:
            case Step(done, _, loss, lr) if done <= job.recipe.steps:
                watch.progress = stepped(_begun(before, watch), now, done, job.recipe.steps, loss, lr)
                watch.drawing, watch.saving = (0, 0), False
            case Phase():
                watch.progress = _phase(before, now, reading)
                watch.saving = watch.saving or reading.name == "saving"
                if watch.progress.phase == "sampling" and reading.total:
                    watch.drew(reading)
            case Saved():
                watch.saves += 1
            case OptimizerSaved():
                watch.complete_sets, watch.saving = watch.complete_sets + 1, False
            case Resumed() | OptimizerResumed():
                watch.went_on(reading)


def _begun(before: Progress, watch: Watch) -> Progress:
    """At the first step of a run, new or gone on with: what was drawn beyond it is drawn anew."""
    return before if before.unit == "step" else replace(before, curve=until(before.curve, watch.resumed))


def _phase(before: Progress, now: datetime, phase: Phase) -> Progress:
    """A phase beside the steps (saving, sampling) keeps the step count; before them it has its own."""
    if before.unit == "step" and phase.name in {"saving", "sampling"}:
        return replace(before, at=now, phase=phase.name)
    unit = "picture" if phase.total and phase.name != "quantizing" else ""
    return Progress(at=now, phase=phase.name, done=phase.done, total=phase.total, unit=unit, curve=before.curve)
