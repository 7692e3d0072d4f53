"""When a stage fails: one pure, total decision about where the job stands next."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pipeline.domain.events import Delayed, Moving, Restarted, StageReached
from pipeline.domain.faults import Blame, Fault, HostFault, HostSilent, OperatorFault, blame
from pipeline.domain.ids import MachineId
from pipeline.domain.job import Ending, Job, Machine
from pipeline.domain.speeds import EFFICIENCY
from pipeline.domain.stage import End, Stage, Wish
from pipeline.ports import House, Pace
from pipeline.trainers.bases import base
from pipeline.trainers.verdict import FRUGAL, LASTING

KNOCK: Final = timedelta(seconds=10)  # between two knocks at a silent host
CLOSING_FIRST, CLOSING_MOST = timedelta(seconds=5), timedelta(minutes=5)  # between tries of a closing stage
GRACE: Final = timedelta(minutes=5)  # of a silent host that had answered before
BOOT_FLOOR: Final = timedelta(minutes=10)  # of a booting one, however fast it claims to be
OUTAGE: Final = timedelta(minutes=15)  # of a service of ours, while nothing was lost yet
QUEUE: Final = timedelta(hours=2)  # for room under the house's dollars an hour: others end
PATIENT: Final = frozenset(  # outages pass; everything else of ours does not by waiting
    {"market-down", "market-busy", "hub-down", "publish-down", "store-down", "no-offers"}
)
SPEAK: Final = timedelta(seconds=60)  # a silence longer than this is explained


def recover(job: Job, error: Exception, now: datetime, house: House, pace: Pace) -> Job:  # noqa: PLR0911  # a table
    """Where does `job` stand after `error`?"""
    if job.stage.closing:  # a meter still runs or a debt is open: never give up
        pause = min(CLOSING_MOST, CLOSING_FIRST * 2 ** min(job.tries, 10)) * pace.factor
        return _later(job, error, now, pause, speak=job.tries == 2)  # noqa: PLR2004  # two stumbles nobody need read about
    match error:
        case HostSilent() if _silent_for(job, now) < grace(job, house) * pace.factor:
            return _knock(job, error, now, pace)
        case OperatorFault(code="budget-hour") if _silent_for(job, now) < QUEUE * pace.factor:
            return _knock(job, error, now, pace)
        case OperatorFault() if error.code in PATIENT and _silent_for(job, now) < OUTAGE * pace.factor:
            return _knock(job, error, now, pace)
        case HostSilent(code="ssh-refused-key") if job.machine and len(job.refused_by | {job.machine.machine}) > 1:
            return job.leaving(now, Ending(End.FAILED, Blame.OPERATOR, "our-key-refused"))
        case HostFault(code="trainer-failed") if repeatable(job, str(error.facts.get("cause", ""))):
            return _once_more(job, error, now)
        case HostFault():
            return _next_machine(job, error, now, house)
        case Fault():
            return job.leaving(now, Ending(End.FAILED, error.blame, error.code, error.facts))
        case _:
            return job.leaving(now, Ending(End.FAILED, blame(error), "bug"))


def grace(job: Job, house: House) -> timedelta:
    """How long a host may be silent, in life's time. A booting one pulls an image first."""
    if job.stage is not Stage.WAIT:
        return GRACE
    minutes = house.ssh_timeout_min if job.boot_minutes is None else job.boot_minutes
    if minutes is not None:
        return timedelta(minutes=max(5.0, minutes))
    mbps = job.machine.down_mbps if job.machine and job.machine.down_mbps else 200.0
    return BOOT_FLOOR + timedelta(seconds=2 * house.image_gb * 8000 / (EFFICIENCY * mbps))


def _silent_for(job: Job, now: datetime) -> timedelta:
    return now - (job.silent_since or now)


def _knock(job: Job, error: Fault, now: datetime, pace: Pace) -> Job:
    silent = replace(job, silent_since=job.silent_since or now)
    speak = job.stage is not Stage.WAIT and not job.tries  # a boot is silent by nature: its card says so
    return _later(silent, error, now, KNOCK * pace.factor, speak=speak)


def _later(job: Job, error: Exception, now: datetime, after: timedelta, *, speak: bool) -> Job:
    later = job.again(now, after)
    if not speak:
        return later
    code, facts = (error.code, error.facts) if isinstance(error, Fault) else ("bug", {})
    return later.telling(now, Delayed(code=code, facts=facts, again_at=now + after))


def _next_machine(job: Job, error: HostFault, now: datetime, house: House) -> Job:
    """Give this machine back and rent another, unless too many were tried."""
    boots = job.boots if job.reached_train else job.boots + 1
    moves = job.moves + 1 if job.reached_train else job.moves
    tried = replace(job, boots=boots, moves=moves, shunned=job.shunned | _machine(job), refused_by=_refused(job, error))
    if boots >= house.boot_tries and not job.reached_train:
        return tried.leaving(now, Ending(End.FAILED, Blame.HOST, "no-machine-booted", {"tries": boots}))
    if tried.settled or tried.wish is Wish.STOP:
        return tried.moved(now)  # to no other machine: what is at home is kept
    if moves > house.moves:
        return tried.leaving(now, Ending(End.FAILED, Blame.HOST, error.code, error.facts))
    return tried.moved(now).telling(now, Moving(code=error.code, facts=error.facts))


def repeatable(job: Job, cause: str) -> bool:
    """Whether a crash for `cause` may be tried once more on the same machine: not for ever, it is counted there."""
    if job.machine is None or job.machine.retried or job.wish is not None:
        return False
    return _lower(job, job.machine) if cause in FRUGAL else cause not in LASTING


def _lower(job: Job, machine: Machine) -> bool:
    """Whether the base's ladder has a rung below the one that did not do."""
    row = base(job.recipe.base)
    return row.rung(machine.vram_mb, job.lower + 1) != row.rung(machine.vram_mb, job.lower)


def _once_more(job: Job, error: HostFault, now: datetime) -> Job:
    """The same machine again, its config made anew: the trainer goes on from the newest checkpoint it finds there."""
    assert job.machine is not None
    lower = error.facts.get("cause") in FRUGAL
    again = replace(
        job.at(Stage.UPLOAD), machine=replace(job.machine, retried=job.machine.retried + 1), lower=job.lower + lower
    )
    return again.telling(
        now,
        StageReached(stage=again.stage, attempt=again.attempt),
        Restarted(code=error.code, lower=lower, facts=error.facts),
    )


def _machine(job: Job) -> frozenset[MachineId]:
    return frozenset({job.machine.machine}) if job.machine else frozenset()


def _refused(job: Job, error: HostFault) -> frozenset[MachineId]:
    return job.refused_by | _machine(job) if error.code == "ssh-refused-key" else job.refused_by
