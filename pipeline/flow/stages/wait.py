"""WAIT: until the machine answers, and is what it claims to be."""

from dataclasses import replace

from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Job, Machine
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import at_host, machine_of
from pipeline.ports import Status
from pipeline.trainers import box
from pipeline.trainers.bases import base

SHORT_VRAM = 0.93  # of what was offered: a 24 GB card lists a little less to us than to the market


async def play(job: Job, kit: Kit) -> Job:
    """Knock once; an unanswered knock is HostSilent, and the story knocks again within the boot's grace."""
    machine = await _running(job, kit)
    if machine != job.machine:
        job = await kit.journal.save(replace(job, machine=machine))
    async with at_host(job, kit) as host:
        answer = await host.run(box.look(kit.house.toolkit))
        facts = box.read_look(answer.out)
        key = host.host_key
    row = base(job.recipe.base)
    if not facts.toolkit:
        raise HostFault("toolkit-missing")
    enough = facts.vram_mb >= SHORT_VRAM * (machine.vram_mb or row.vram_mb)
    if not enough or not box.same_gpu(machine.gpu, facts.gpu):
        raise HostFault("other-gpu", promised=machine.gpu, found=facts.gpu)
    return replace(job, machine=replace(machine, host_key=key, home=facts.home, vram_mb=facts.vram_mb))


async def _running(job: Job, kit: Kit) -> Machine:
    """The machine with its endpoints, once the market says it runs."""
    machine = machine_of(job)
    sight = await kit.provider.look(machine.instance)
    if sight is None:
        return await _missing(job, kit)
    if sight.status is Status.BROKEN:
        raise HostFault("boot-failed", said=sight.said)
    await kit.note("booting" if sight.status is Status.BOOTING else "connecting")
    if sight.status is not Status.RUNNING or not sight.endpoints:
        raise HostSilent("booting")
    return replace(machine, endpoints=sight.endpoints, running_since=machine.running_since or kit.now())


async def _missing(job: Job, kit: Kit) -> Machine:
    """A new rental may not be listed for seconds; one that stays away is gone."""
    fresh = (kit.now() - machine_of(job).since).total_seconds() < kit.pace.seconds(60)
    raise HostSilent("not-listed-yet") if fresh else HostFault("machine-gone")
