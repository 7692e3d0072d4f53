"""TRAIN: start the trainer once, then watch it to its end. It outlives our session: to replay is to look again."""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from pipeline.domain.checkpoint import newest
from pipeline.domain.events import Resumed
from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.job import Job
from pipeline.domain.progress import Course, Progress
from pipeline.domain.stage import Wish
from pipeline.domain.stall import Promise, Sign, noted, slow, stalled
from pipeline.flow.deadlines import minded
from pipeline.flow.history import CLEAR, learn
from pipeline.flow.journal import load_progress
from pipeline.flow.kit import Kit, sample_seconds
from pipeline.flow.mirror import mirroring, record
from pipeline.flow.stages.common import at_host, awake, machine_of, pause
from pipeline.flow.stages.watching import Watch, caught_up
from pipeline.ports import Host
from pipeline.trainers import aitoolkit
from pipeline.trainers.bases import base
from pipeline.trainers.log import tail
from pipeline.trainers.verdict import OURS, Tale

log = structlog.get_logger()
EVERY = 5.0  # seconds between two looks
SAVE = 2.0  # seconds a save takes, until we have seen some
STOP_PATIENCE = 300.0  # seconds for a save asked for


async def play(job: Job, kit: Kit) -> Job:
    async with at_host(job, kit) as host:
        job = await awake(job, kit)
        answer = await host.run(aitoolkit.start(job.id, kit.house.toolkit))
        if answer.code:
            raise HostFault("trainer-not-started", rc=answer.code)
        if not machine_of(job).training:
            machine = replace(machine_of(job), training=True)
            job = await kit.journal.save(replace(job, reached_train=True, machine=machine))
        drawn = await load_progress(kit.store, job.id)
        watch = Watch(heard_at=kit.now(), tale=Tale(job.id), past=drawn.curve if drawn else ())
        async with mirroring(kit, host, watch.began) as home:
            while not (over := await _look(job, kit, host, watch)) and job.wish is not Wish.STOP:
                job = await _told_of_resume(await record(job, kit, home), kit, watch)
                job = await minded(job, kit)
                await pause(kit, EVERY)
        job = await record(job, kit, home)
        if not over:
            return await _stop(job, kit, host, watch)
    if watch.seconds_per_step:
        await learn(job, kit, step=watch.seconds_per_step)
    return job


async def _told_of_resume(job: Job, kit: Kit, watch: Watch) -> Job:
    """Tell, once for each machine, where it went on. Elsewhere than where a checkpoint was laid is worth an alarm."""
    laid = machine_of(job).laid
    if not laid or watch.first is None:
        return job
    told = Resumed(step=watch.resumed, laid=laid, state=watch.state_kept, attempt=job.attempt)
    if any(isinstance(news.event, Resumed) and news.event.attempt == job.attempt for news in job.news):
        return job
    if told.step != laid:
        log.error("checkpoint-ignored", job=job.id, laid=laid, step=told.step)
    return await kit.journal.save(job.telling(kit.now(), told))


async def _look(job: Job, kit: Kit, host: Host, watch: Watch) -> bool:
    """Read all there is. True: the run is over and left something. Raises when it ended badly or will not end."""
    look = await caught_up(job, kit, host, watch)
    now = kit.now()
    watch.clocked(now)
    watch.timed(now, _course(job, kit))
    if watch.progress:
        free = None if look.disk_kb is None else round(look.disk_kb * 1024 / 1e9, 1)
        machine = replace(watch.progress, gpu_percent=look.gpu_percent, vram_mb=look.vram_mb, disk_free_gb=free)
        await kit.journal.note(machine)
    watch.vanished = watch.vanished + 1 if look.code is None and not look.alive else 0
    if look.code is not None or watch.vanished > 1:  # the exit code is written a moment after the end
        return await _verdict(job, kit, watch, look.code)
    if watch.tale.lost:
        raise await _of_no_use(kit)
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
        at_home = newest(job.mirror)
        promise = Promise(quoted, kit.pace.seconds(quote.start_seconds), at_home.step if at_home else 0)
        code = code or slow(watch.history, promise, factor=factor)
    if code:
        raise HostFault(
            code, phase=sign.phase, step=sign.done, pace=round(sign.pace or 0.0, 3), quoted=round(quoted, 3)
        )


def _course(job: Job, kit: Kit) -> Course:
    recipe = job.recipe
    return Course(
        save_every=recipe.save_every, save_seconds=kit.pace.seconds(SAVE), samples=recipe.samples,
        sample_seconds=kit.pace.seconds(sample_seconds(base(recipe.base))), sample_every=recipe.samples_every,
    )  # fmt: skip


async def _verdict(job: Job, kit: Kit, watch: Watch, code: int | None) -> bool:
    """Judged as `trainstation explain` judges it: exit 0 is not success, and there is no banner."""
    told = watch.tale.verdict(code)
    if told.verdict == "success" or (told.verdict == "stopped" and job.wish is Wish.STOP):
        return True  # of what was stopped as its person wished, COLLECT finds what was kept
    cause = watch.tale.cause(code)
    log.warning("trainer-ended", code=code, cause=cause, tail=tail(watch.tail))
    if cause == "nan":
        raise await _of_no_use(kit)
    if watch.tale.failed and cause in OURS:
        raise OperatorFault("trainer-config", cause=cause)
    raise HostFault("trainer-failed", cause=cause, rc=-1 if code is None else code)


async def _of_no_use(kit: Kit) -> HostFault:
    """A run of NaN: what it saved last is not fetched any more; what came home before may be gone on from."""
    job = kit.journal.latest
    await kit.journal.save(replace(job, machine=replace(machine_of(job), believed=False)))
    return HostFault("trainer-nan")


async def _stop(job: Job, kit: Kit, host: Host, watch: Watch) -> Job:
    """Stop and keep: ask for a save, wait until the set is whole, then one SIGINT outside of any save.

    Where no step was seen there is nothing to ask for: COLLECT keeps what there is, here or at home.
    """
    if not (watch.progress and watch.progress.unit == "step" and watch.progress.done):
        return job
    calm, began, asked = Calm(watch.complete_sets), kit.now(), False
    await host.run(aitoolkit.save_now(job.id))
    watch.asked = True
    while not await _look(job, kit, host, watch):
        waited = (kit.now() - began).total_seconds()
        late = waited > kit.pace.seconds(STOP_PATIENCE) and not watch.saving  # what was saved before must do
        if not asked and (calm.seen(watch) or late):
            await host.run(aitoolkit.interrupt(job.id))
            asked = True
        if waited > kit.pace.seconds(2 * STOP_PATIENCE):
            log.warning("trainer-will-not-stop", job=job.id)
            return job  # what it saved is taken as it lies, and the machine with it
        await pause(kit, 1.0)
    return job


@dataclass(slots=True)
class Calm:
    """When the save that was asked for is whole and no other has begun: a SIGINT in a save leaves half a file.

    The trainer takes the request back before it saves (facts/aitoolkit.md 7): what was whole by then was another save,
    and what it says of its own comes a moment later. So two looks in a row must find it done.
    """

    sets: int
    looks: int = 0

    def seen(self, watch: Watch) -> bool:
        if watch.asked:
            self.sets = watch.complete_sets
        done = not watch.asked and not watch.saving and watch.complete_sets > self.sets
        self.looks = self.looks + 1 if done else 0
        return self.looks > 1
