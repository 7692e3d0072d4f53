"""TERMINATE: give the machine back, until it is READ to be gone. The door every failure leaves by."""

import asyncio
from dataclasses import replace

import structlog

from pipeline.domain.cost import rental_cost
from pipeline.domain.faults import Blame, Fault
from pipeline.domain.ids import InstanceId
from pipeline.domain.job import Job, Rental
from pipeline.domain.stage import End
from pipeline.flow.kit import Kit
from pipeline.flow.stages.bill import release_early

log = structlog.get_logger()
EVERY = 3.0  # seconds between two asks
PATIENCE = 120.0  # seconds; then the reaper takes over and the story goes on


async def play(job: Job, kit: Kit) -> Job:
    """Ask the market, not our memory: a crash may have lost the id, never the label."""
    await release_early(job, kit)
    instance = job.machine.instance if job.machine else await _by_label(job, kit)
    if instance is None:
        return _without(job, kit)
    await kit.note("returning")
    while not await _gone(kit, instance):
        if (kit.now() - (job.measured_until or kit.now())).total_seconds() > kit.pace.seconds(PATIENCE):
            log.error("machine-condemned", job=job.id, instance=instance)
            return _without(replace(job, condemned=(*job.condemned, instance)), kit)
        await asyncio.sleep(kit.pace.seconds(EVERY))
    return _without(job, kit)


async def _by_label(job: Job, kit: Kit) -> InstanceId | None:
    """The rental a lost call may have made. Where nothing was asked for, nothing is looked for."""
    if job.asked_at is None:
        return None
    sight = await kit.provider.find(job.label(kit.house.label_prefix))
    return sight.instance if sight else None


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
    rental = Rental(instance=job.machine.instance, machine=job.machine.machine, cost=cost, useful=not failed)
    return replace(job, machine=None, measured_until=None, rentals=(*job.rentals, rental))
