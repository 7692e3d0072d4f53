"""TRAIN: start the trainer once, then watch it to its end. It outlives our session: to replay is to look again."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from pipeline.domain.faults import HostFault, HostSilent, OperatorFault
from pipeline.domain.job import Ending, Job
from pipeline.domain.progress import Course, Progress, Speed, stepped
from pipeline.domain.stage import End, Wish
from pipeline.domain.stall import History, Promise, Sign, noted, slow, stalled
from pipeline.flow.history import CLEAR, learn
from pipeline.flow.kit import Kit, sample_seconds
from pipeline.flow.stages.common import at_host, awake, lease_of
from pipeline.ports import Host
from pipeline.trainers import aitoolkit
from pipeline.trainers.log import OptimizerSaved, Phase, Reader, Reading, Saved, Step, Stopped, Trouble, tail
from pipeline.trainers.verdict import NAN_STEPS, worse

log = structlog.get_logger()
EVERY = 5.0  # seconds between two looks
MOST_POLLS = 64  # 16 MB of log in one go
SAVE = 2.0  # seconds a save takes, until we have seen some
STOP_PATIENCE = 300.0  # seconds for a save asked for


@dataclass(slots=True)
class Watch:
    """What we have read of this run so far. In memory only: the log on the box is the record."""

    heard_at: datetime
    reader: Reader = field(default_factory=Reader)
    offset: int = 0
    progress: Progress | None = None
    speed: Speed = field(default_factory=Speed)
    history: History = ()
    trouble: str = ""
    failed: bool = False  # the failure's headline was read
    nans: int = 0
    final: bool = False
    stopped: bool = False
    vanished: int = 0  # looks in a row that found no process and no exit code
    saves: int = 0  # since the last look
    pictures: int = 0  # samples drawn since the last look
    drawing: tuple[int, int] = (0, 0)  # of the round in hand
    complete_sets: int = 0
    tail: bytes = b""
    first: tuple[datetime, int] | None = None  # when we first saw a step, and which
    latest: tuple[datetime, int] | None = None

    @property
    def seconds_per_step(self) -> float | None:
        """Of all that we saw happen, saves included: what the next quote should count on."""
        if self.first is None or self.latest is None:
            return None
        return (self.latest[0] - self.first[0]).total_seconds() / (self.latest[1] - self.first[1])

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

    def troubled(self, code: str) -> None:
        if code == "nan":
            self.nans += 1
        elif code == "trainer_failed":
            self.failed, self.trouble = True, code  # what was said before it was no end
        else:
            self.trouble = worse(self.trouble, code)

    def drew(self, phase: Phase) -> None:
        done = self.drawing[0] if phase.done else 0
        self.pictures += max(0, phase.done - done)
        self.drawing = (phase.done, phase.total)


async def play(job: Job, kit: Kit) -> Job:
    async with at_host(job, kit) as host:
        job = await awake(job, kit)
        answer = await host.run(aitoolkit.start(job.id, kit.house.toolkit))
        if answer.code:
            raise HostFault("trainer-not-started", rc=answer.code)
        if not job.reached_train:
            job = await kit.journal.save(replace(job, reached_train=True))
        watch = Watch(heard_at=kit.now())
        while not await _look(job, kit, host, watch):
            if job.wish is Wish.STOP:
                return await _stop(job, kit, host, watch)
            await asyncio.sleep(kit.pace.seconds(EVERY))
    if watch.seconds_per_step:
        await learn(job, kit, step=watch.seconds_per_step)
    return job


async def _look(job: Job, kit: Kit, host: Host, watch: Watch) -> bool:
    """Read all there is. True: the run is over and left something. Raises when it ended badly or will not end."""
    look = await _caught_up(job, kit, host, watch)
    now = kit.now()
    watch.clocked(now)
    watch.timed(now, _course(job, kit))
    if watch.progress:
        await kit.journal.note(watch.progress)
    watch.vanished = watch.vanished + 1 if look.code is None and not look.alive else 0
    if look.code is not None or watch.vanished > 1:  # the exit code is written a moment after the end
        return _verdict(job, watch, look.code)
    if watch.nans >= NAN_STEPS:
        raise HostFault("trainer-nan")
    _lively(job, kit, watch, now)
    return False


def _lively(job: Job, kit: Kit, watch: Watch, now: datetime) -> None:
    """Raise HostFault("trainer-stalled" | "trainer-slow") when the run will not come to its end here."""
    told = watch.progress or Progress(at=now)
    steps = (told.done, told.total) if told.unit == "step" else (0, 0)
    sign = Sign(
        at=now, since=now, heard=watch.heard_at, moved=now, phase=told.phase, done=steps[0], total=steps[1],
        left=told.seconds_left, pace=watch.speed.pace, measured=watch.speed.measured,
    )  # fmt: skip
    watch.history = noted(watch.history, now, sign, factor=kit.pace.factor)
    quote, factor = job.quote, kit.pace.factor
    quoted = kit.pace.seconds((quote.seconds - quote.start_seconds) / job.recipe.steps)
    code = stalled(watch.history, now, factor=factor)
    if quoted > CLEAR:  # below it, a sandbox's own slowness is what would be measured
        code = code or slow(watch.history, Promise(quoted, kit.pace.seconds(quote.start_seconds)), factor=factor)
    if code:
        raise HostFault(
            code, phase=sign.phase, step=sign.done, pace=round(sign.pace or 0.0, 3), quoted=round(quoted, 3)
        )


def _course(job: Job, kit: Kit) -> Course:
    recipe = job.recipe
    return Course(
        save_every=recipe.save_every, save_seconds=kit.pace.seconds(SAVE), samples=recipe.samples,
        sample_seconds=kit.pace.seconds(sample_seconds(1)),
    )  # fmt: skip


async def _caught_up(job: Job, kit: Kit, host: Host, watch: Watch) -> aitoolkit.Look:
    """Poll until the log's end is read: nothing is judged before. A log that outruns us waits for the next look."""
    pump = aitoolkit.pump(job.id, lease_of(job, kit))
    look = aitoolkit.read_poll(await host.ask(pump, watch.offset))
    for _ in range(MOST_POLLS):
        if look.log:
            watch.offset += len(look.log)
            watch.heard_at = kit.now()
            watch.tail = (watch.tail + look.log)[-8192:]
            watch.reader, readings = watch.reader.feed(look.log)
            _fold(job, watch, readings, kit)
        if watch.offset >= look.size or not look.log:
            return look
        look = aitoolkit.read_poll(await host.ask(pump, watch.offset))
    return replace(look, alive=True, code=None)


def _fold(job: Job, watch: Watch, readings: list[Reading], kit: Kit) -> None:
    now = kit.now()
    for reading in readings:
        before = watch.progress or Progress(at=now, phase="loading")
        match reading:
            case Step(done, total, loss, lr):
                watch.progress = stepped(before, now, done, total, loss, lr)
                watch.drawing = (0, 0)
                watch.nans = 0 if loss else watch.nans
            case Phase():
                watch.progress = _phase(before, now, reading)
                if watch.progress.phase == "sampling" and reading.total:
                    watch.drew(reading)
            case Saved(name):
                watch.saves += 1
                watch.final = watch.final or name == f"{job.id}.safetensors"
            case OptimizerSaved():
                watch.complete_sets += 1
            case Trouble(code):
                watch.troubled(code)
            case Stopped():
                watch.stopped = True


def _phase(before: Progress, now: datetime, phase: Phase) -> Progress:
    """A phase beside the steps (saving, sampling) keeps the step count; before them it has its own."""
    if before.unit == "step" and phase.name in {"saving", "sampling"}:
        return replace(before, at=now, phase=phase.name)
    unit = "picture" if phase.total and phase.name != "quantizing" else ""
    return Progress(at=now, phase=phase.name, done=phase.done, total=phase.total, unit=unit)


def _verdict(job: Job, watch: Watch, code: int | None) -> bool:
    """Exit 0 is not success, and there is no banner: success is rc 0 AND the final file AND nobody stopped it."""
    if code == 0 and watch.final and not watch.stopped and watch.nans < NAN_STEPS:
        return True
    if job.wish is Wish.STOP and watch.stopped:
        return True  # as the person wished; COLLECT finds what was kept
    log.warning("trainer-ended", code=code, trouble=watch.trouble, tail=tail(watch.tail))
    if watch.nans >= NAN_STEPS:
        raise HostFault("trainer-nan")
    if watch.failed and watch.trouble in {
        "hub_gated",
        "hub_bad_token",
        "hub_token_permission",
        "hub_repo_missing",
        "hub_offline",
    }:
        raise OperatorFault("trainer-config", cause=watch.trouble)
    raise HostFault("trainer-failed", cause=watch.trouble or "silent", rc=-1 if code is None else code)


async def _stop(job: Job, kit: Kit, host: Host, watch: Watch) -> Job:
    """Stop and keep: ask for a save, wait until the set is whole, then one SIGINT outside of any save.

    Without a step there is nothing to keep: the job leaves as stopped, without a checkpoint.
    """
    if not (watch.progress and watch.progress.unit == "step" and watch.progress.done):
        return job.leaving(kit.now(), Ending(End.STOPPED))
    sets, began, asked = watch.complete_sets, kit.now(), False
    await host.run(aitoolkit.save_now(job.id))
    while not await _look(job, kit, host, watch):
        waited = (kit.now() - began).total_seconds()
        if not asked and (watch.complete_sets > sets or waited > kit.pace.seconds(STOP_PATIENCE)):
            await host.run(aitoolkit.interrupt(job.id))  # where no new set came, what was saved before must do
            asked = True
        if waited > kit.pace.seconds(2 * STOP_PATIENCE):
            raise HostSilent("trainer-will-not-stop")
        await asyncio.sleep(kit.pace.seconds(1.0))
    return job
