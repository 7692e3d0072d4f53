"""BILL: charge what ran, never above the ceiling; what we owe back is back."""

from dataclasses import replace

import structlog

from pipeline.domain.checkpoint import newest
from pipeline.domain.cost import measured_cost
from pipeline.domain.events import Billed
from pipeline.domain.faults import Blame, Fault
from pipeline.domain.job import Job
from pipeline.domain.money import Points
from pipeline.domain.stage import End
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import hold_key

log = structlog.get_logger()


async def play(job: Job, kit: Kit) -> Job:
    """Capture or release, by one key each: the other of the pair finds no hold. Replaying finds the same answer."""
    if job.ending is not None and free_of_charge(job):
        await kit.ledger.release(job.account, f"{job.id}:release", hold_key(job))
        charged = Points(0)
        job = replace(job, worth=due(job, kit) if newest(job.mirror) else Points(0))
    else:
        taken = await kit.ledger.capture(job.account, f"{job.id}:capture", hold_key(job), due(job, kit))
        charged = taken.points
    if job.artifact is None and job.replaces is None:
        await _withdraw(job, kit)
    billed = Billed(charged=charged, returned=Points(job.quote.ceiling - charged))
    return replace(job, charged=charged).telling(kit.now(), billed)


async def _withdraw(job: Job, kit: Kit) -> None:
    """Nothing will be published: the empty repo and the name go. A repo that stays is litter, not a debt."""
    if job.slug is not None:
        await kit.catalogue.free(job.slug, job.id)
    if not job.repo:
        return
    try:
        await kit.publisher.withdraw(job.repo)
    except Fault as fault:
        log.warning("repo-not-withdrawn", repo=job.repo, code=fault.code)


def free_of_charge(job: Job) -> bool:
    """What the host, we or a bug broke costs nothing; nor does what never rented a machine."""
    ending = job.ending
    if ending is None:
        return False
    ours = ending.end is End.FAILED and ending.blame is not Blame.USER
    return ours or (ending.end is not End.DONE and not job.rentals and job.machine is None)


def due(job: Job, kit: Kit) -> Points:
    """min(measured, ceiling), or a release's price. Pure in the job: a replay after a crash charges the same."""
    if job.of is not None:
        return job.quote.ceiling
    return Points(min(job.quote.ceiling, kit.tariff.points(measured_cost(job, kit.now(), kit.pace.factor))))


async def release_early(job: Job, kit: Kit) -> None:
    """What we owe back is given back as soon as leaving is saved, before the machine has gone. BILL asks again."""
    ending = job.ending
    if ending is not None and ending.end is End.FAILED and ending.blame is not Blame.USER:
        await kit.ledger.release(job.account, f"{job.id}:release", hold_key(job))
