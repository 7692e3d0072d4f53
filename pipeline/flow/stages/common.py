"""What several stages need: the machine in hand, and its open door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

from pipeline.domain.faults import Fault, HostFault, HostSilent
from pipeline.domain.job import Job, Machine
from pipeline.domain.quote import deadline
from pipeline.domain.stage import Stage
from pipeline.flow.deadlines import due
from pipeline.flow.kit import Kit
from pipeline.ports import Host
from pipeline.trainers import lease
from pipeline.trainers.lease import Lease

LEASE = 45 * 60.0  # seconds a box lives without a word from us
CARRYING = 3 * 3600.0  # the same while its files come home, and nobody polls
SPARE = 30 * 60.0  # beyond the job's deadline
LOOK = 20.0  # of the watchman
OWN_SLOWNESS = 20.0  # real seconds: logins and processes of ours do not get faster with the sandbox
BLINK = 0.25  # real seconds: a look is a dozen processes of the box, and nobody reads faster


async def pause(kit: Kit, seconds: float) -> None:
    """Wait between two looks at a box: so many seconds of life."""
    await asyncio.sleep(max(BLINK, kit.pace.seconds(seconds)))


def machine_of(job: Job) -> Machine:
    """The job's machine; a job that lost it rents another one."""
    if job.machine is None:
        raise HostFault("machine-missing")
    return job.machine


@asynccontextmanager
async def at_host(job: Job, kit: Kit) -> AsyncIterator[Host]:
    """The machine, logged in and pinned; once it is proved ours, its lease is renewed."""
    async with AsyncExitStack() as stack:
        try:
            host = await stack.enter_async_context(kit.hosts.open(machine_of(job)))
        except HostSilent as silence:
            with suppress(Fault):  # the silence is what counts; the next knock asks again
                await _mend(machine_of(job), kit, silence)
            raise
        if machine_of(job).host_key:
            await host.run(lease.hold(lease_of(job, kit), anew=job.extended_at is not None))
        yield host


async def _mend(machine: Machine, kit: Kit, silence: HostSilent) -> None:
    """What the next knock may need: our key, which a refresh of the market's can wipe, or the host's new address."""
    if silence.code == "ssh-refused-key":
        await kit.provider.attach_key(machine.instance, kit.hosts.public_key)
        return
    sight = await kit.provider.look(machine.instance)
    if sight is not None and sight.endpoints and sight.endpoints != machine.endpoints:
        moved = replace(machine, endpoints=sight.endpoints)  # still pinned: another host key is another machine
        await kit.journal.save(replace(kit.journal.latest, machine=moved))


def lease_of(job: Job, kit: Kit) -> Lease:
    """How long this job's box lives without us; its hard end moves only when its person lets the job go on."""
    over = due(job, kit.pace) if job.extended_at is not None else None
    life = (over[0] - kit.now()).total_seconds() if over else kit.pace.seconds(deadline(job.quote.slow_seconds))
    alone = CARRYING if job.stage is Stage.COLLECT else LEASE
    return Lease(
        lapses=max(OWN_SLOWNESS, kit.pace.seconds(alone)),
        ends=max(6 * OWN_SLOWNESS, life + kit.pace.seconds(SPARE)),
        every=max(0.5, kit.pace.seconds(LOOK)),
    )


async def awake(job: Job, kit: Kit) -> Job:
    """The host answered: whatever silence there was is over."""
    if job.silent_since is None:
        return job
    return await kit.journal.save(replace(job, silent_since=None, tries=0))


def hold_key(job: Job) -> str:
    return f"{job.id}:hold"
