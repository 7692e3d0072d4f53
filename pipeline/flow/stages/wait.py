"""WAIT: until the machine answers, is proved ours, and is what it claims to be."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Job, Machine
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import lease_of, machine_of
from pipeline.ports import Host, Status
from pipeline.trainers import box, lease
from pipeline.trainers.bases import base
from pipeline.trainers.box import BoxFacts

SHORT_VRAM = 0.93  # of what was offered: a 24 GB card lists a little less to us than to the market
ROOM = 30.0  # GB beside the base: its quantized copy, caches, checkpoints (facts/aitoolkit.md 5)
SLOW_GPU = 0.25  # of what the GPU's kind is rated: throttled, shared, or another one
PROBES = (1.0, 2.0, 4.0, 8.0)  # seconds between logins: sshd is often up, and the key in, a moment after "running"
MUTE = 300.0  # seconds from "running" to a login: it is paid for, and a black hole does not fill up


async def play(job: Job, kit: Kit) -> Job:
    """Look and knock; where nobody answers it is HostSilent, and the story comes again within the boot's grace."""
    machine = await _running(job, kit)
    if machine != job.machine:
        job = await kit.journal.save(replace(job, machine=machine))
    async with AsyncExitStack() as stack:
        host = await _login(job, kit, stack)
        await _proved(machine, kit, host)  # before anything of a person's goes there
        await host.run(lease.hold(lease_of(job, kit)))
        facts = await _checked(job, kit, host)
        key = host.host_key
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


async def _login(job: Job, kit: Kit, stack: AsyncExitStack) -> Host:
    """Knock again and again, less and less often. Raises HostFault when a machine that is paid for stays mute."""
    machine = machine_of(job)
    for pause in PROBES:
        with suppress(HostSilent):
            return await stack.enter_async_context(kit.hosts.open(machine))
        await asyncio.sleep(kit.pace.seconds(pause))
    try:
        return await stack.enter_async_context(kit.hosts.open(machine))
    except HostSilent as silence:
        running = (kit.now() - (machine.running_since or kit.now())).total_seconds()
        if silence.code == "ssh-unreachable" and running > kit.pace.seconds(MUTE):
            raise HostFault(silence.code, **silence.facts) from None
        raise


async def _proved(machine: Machine, kit: Kit, host: Host) -> None:
    """It holds the key that only our rental was given, and it stands behind the host key that we see (threats.md 2)."""
    nonce = f"{kit.dice.getrandbits(128):032x}"
    said = await host.run(lease.prove(nonce))
    if said.code == lease.NO_KEY:
        raise HostSilent("box-not-ready")
    if not lease.proven(said.out, nonce, host.host_key, machine.key):
        raise HostFault("box-unproved")


async def _checked(job: Job, kit: Kit, host: Host) -> BoxFacts:
    """What it says it is, against what we pay for. Raises HostFault for every lie that shows."""
    machine, row = machine_of(job), base(job.recipe.base)
    facts = box.read_look((await host.run(box.look(kit.house.toolkit))).out)
    if not facts.toolkit:
        raise HostFault("toolkit-missing")
    enough = facts.vram_mb >= SHORT_VRAM * (machine.vram_mb or row.vram_mb)
    if not enough or not box.same_gpu(machine.gpu, facts.gpu):
        raise HostFault("other-gpu", promised=machine.gpu, found=facts.gpu)
    if facts.disk_gb < row.download_gb + ROOM:
        raise HostFault("box-disk-small", free=round(facts.disk_gb), needed=round(row.download_gb + ROOM))
    sees, tflops = box.read_exercise((await host.run(box.exercise())).out)
    if not sees:
        raise HostFault("gpu-unseen", gpu=facts.gpu)
    if tflops < SLOW_GPU * box.rated(facts.gpu):
        raise HostFault("gpu-slow", gpu=facts.gpu, tflops=round(tflops), rated=round(box.rated(facts.gpu)))
    return facts
