"""TERMINATE: give the machine back, until it is READ to be gone. The door every failure leaves by."""

import asyncio
from dataclasses import replace

import structlog

from pipeline.domain.cost import kept_cost, rental_cost
from pipeline.domain.faults import Blame, Fault, Superseded
from pipeline.domain.ids import InstanceId
from pipeline.domain.job import Job, Rental
from pipeline.domain.stage import End
from pipeline.flow import history, shuns
from pipeline.flow.kit import Kit
from pipeline.flow.salvage import MOST, salvage, salvaged, worth_salvaging
from pipeline.flow.stages.bill import release_early
from pipeline.flow.stages.common import OWN_SLOWNESS, at_host
from pipeline.flow.stages.rent import settled

log = structlog.get_logger()
EVERY = 3.0  # seconds between two asks
PATIENCE = 120.0  # seconds; then the reaper takes over and the story goes on


async def play(job: Job, kit: Kit) -> Job:
    """Ask the market, not our memory: a crash may have lost the id, never the label."""
    await release_early(job, kit)
    job = await _salvaged(job, kit)
    if job.machine is not None:
        job = await _returned(job, kit, job.machine.instance)
        await _remember(job, kit)
        return _without(job, kit)
    while (instance := await _by_label(job, kit)) is not None:  # a refused create may have left a second one
        job = await _returned(job, kit, instance)
    return job


async def _salvaged(job: Job, kit: Kit) -> Job:
    """Once, and for two minutes at most: a machine that does not answer has nothing left to give."""
    if worth_salvaging(job) is None:
        return job
    await kit.note("salvaging")
    try:
        async with asyncio.timeout(_salvage_seconds(kit)), at_host(job, kit) as host:
            await salvage(job, kit, host)
    except (Fault, TimeoutError) as error:
        log.info("salvage-ended", job=job.id, why=getattr(error, "code", "timeout"))
    except Superseded:
        raise
    except Exception:  # a meter runs: not even a bug of ours keeps the machine
        log.exception("salvage-bug", job=job.id)
    return await kit.journal.save(salvaged(kit.journal.latest))


def _salvage_seconds(kit: Kit) -> float:
    return max(OWN_SLOWNESS, kit.pace.seconds(MOST))


async def _returned(job: Job, kit: Kit, instance: InstanceId) -> Job:
    """The job, once `instance` is read to be gone, or condemned."""
    await kit.note("returning")
    while not await _gone(kit, instance):
        patience = kit.pace.seconds(PATIENCE) + (_salvage_seconds(kit) if job.machine and job.machine.salvaged else 0)
        if (kit.now() - (job.measured_until or kit.now())).total_seconds() > patience:
            log.error("machine-condemned", job=job.id, instance=instance)
            return replace(job, condemned=(*job.condemned, instance))
        await asyncio.sleep(kit.pace.seconds(EVERY))
    return job


async def _by_label(job: Job, kit: Kit) -> InstanceId | None:
    """The rental a lost call may have made. Where nothing was asked for, nothing is looked for."""
    if job.asked_at is None:
        return None
    sight = await settled(job, kit)
    return sight.instance if sight and sight.instance not in job.condemned else None


def _host_failed(job: Job) -> bool:
    """Whether the machine in hand is left because it failed; one whose create reply had no key did nothing wrong."""
    if job.machine is None or not job.machine.key:
        return False
    return job.moving or (job.ending is not None and job.ending.blame is Blame.HOST)


async def _remember(job: Job, kit: Kit) -> None:
    """What this rental taught: a machine that failed is shunned; one that was left while it booted taught nothing."""
    booted = job.machine is not None and bool(job.machine.host_key)
    if _host_failed(job):
        await shuns.failed(job, kit)
    if booted or _host_failed(job):
        await history.learn(job, kit, booted=booted)


async def _gone(kit: Kit, instance: InstanceId) -> bool:
    """Destroy, and read it back twice. A refusal or an error is not gone."""
    try:
        await kit.provider.destroy(instance)
        if await kit.provider.look(instance) is not None:
            return False
        await asyncio.sleep(kit.pace.seconds(EVERY))
        return await kit.provider.look(instance) is None
    except Fault as fault:
        log.warning("destroy-unanswered", instance=instance, code=fault.code)
        return False


def _without(job: Job, kit: Kit) -> Job:
    """The job without its machine; what that cost is written down, and who pays."""
    if job.machine is None:
        return job
    failed = job.moving or (
        job.ending is not None and job.ending.end is End.FAILED and job.ending.blame is not Blame.USER
    )
    cost = rental_cost(job.machine, job.measured_until or kit.now(), kit.pace.factor)
    rental = Rental(
        instance=job.machine.instance, machine=job.machine.machine, cost=cost, host=job.machine.host,
        ended=job.measured_until or kit.now(), useful=not failed,
        kept=kept_cost(job.machine, job.mirror, kit.pace.factor),
    )  # fmt: skip
    return replace(job, machine=None, measured_until=None, rentals=(*job.rentals, rental))
