"""What several stages need: the machine in hand, and its open door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from pipeline.domain.faults import HostFault
from pipeline.domain.job import Job, Machine
from pipeline.flow.kit import Kit
from pipeline.ports import Host


def machine_of(job: Job) -> Machine:
    """The job's machine; a job that lost it rents another one."""
    if job.machine is None:
        raise HostFault("machine-missing")
    return job.machine


@asynccontextmanager
async def at_host(job: Job, kit: Kit) -> AsyncIterator[Host]:
    """The machine, logged in and pinned."""
    async with kit.hosts.open(machine_of(job)) as host:
        yield host


async def awake(job: Job, kit: Kit) -> Job:
    """The host answered: whatever silence there was is over."""
    if job.silent_since is None:
        return job
    return await kit.journal.save(replace(job, silent_since=None, tries=0))


def hold_key(job: Job) -> str:
    return f"{job.id}:hold"
