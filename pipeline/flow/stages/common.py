"""What several stages need: the machine in hand, and its open door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from pipeline.domain.faults import HostFault
from pipeline.domain.job import Job, Machine
from pipeline.domain.quote import deadline
from pipeline.domain.stage import Stage
from pipeline.flow.kit import Kit
from pipeline.ports import Host
from pipeline.trainers import lease
from pipeline.trainers.lease import Lease

LEASE = 45 * 60.0  # seconds a box lives without a word from us
CARRYING = 3 * 3600.0  # the same while its files come home, and nobody polls
SPARE = 30 * 60.0  # beyond the job's deadline
LOOK = 20.0  # of the watchman
OWN_SLOWNESS = 20.0  # real seconds: logins and processes of ours do not get faster with the sandbox


def machine_of(job: Job) -> Machine:
    """The job's machine; a job that lost it rents another one."""
    if job.machine is None:
        raise HostFault("machine-missing")
    return job.machine


@asynccontextmanager
async def at_host(job: Job, kit: Kit) -> AsyncIterator[Host]:
    """The machine, logged in and pinned; once it is proved ours, its lease is renewed."""
    async with kit.hosts.open(machine_of(job)) as host:
        if machine_of(job).host_key:
            await host.run(lease.hold(lease_of(job, kit)))
        yield host


def lease_of(job: Job, kit: Kit) -> Lease:
    """How long this job's box lives without us."""
    alone = CARRYING if job.stage is Stage.COLLECT else LEASE
    return Lease(
        lapses=max(OWN_SLOWNESS, kit.pace.seconds(alone)),
        ends=max(6 * OWN_SLOWNESS, kit.pace.seconds(deadline(job.quote.slow_seconds) + SPARE)),
        every=max(0.5, kit.pace.seconds(LOOK)),
    )


async def awake(job: Job, kit: Kit) -> Job:
    """The host answered: whatever silence there was is over."""
    if job.silent_since is None:
        return job
    return await kit.journal.save(replace(job, silent_since=None, tries=0))


def hold_key(job: Job) -> str:
    return f"{job.id}:hold"
