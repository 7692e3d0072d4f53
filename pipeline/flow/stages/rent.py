"""RENT: take the machine on which this whole job will cost least, or adopt the one we already pay for."""

import asyncio
from dataclasses import replace

from pipeline.domain.events import MachineRented
from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.job import Job, Machine
from pipeline.domain.quote import Need, Offer, ranked
from pipeline.flow.kit import Kit, need
from pipeline.ports import RentOrder, Sight

SETTLE = 20.0  # seconds until a rental made by a lost call must show in the list
TRIES = 5  # offers of one search that somebody else may snatch
ONSTART = "touch ~/.no_auto_tmux"


async def play(job: Job, kit: Kit) -> Job:
    """Safe to replay: the label is fixed before the first call, and it is asked for before anything is rented."""
    if job.machine is not None:
        await kit.provider.attach_key(job.machine.instance, kit.hosts.public_key)
        return job
    if job.asked_at is not None:
        sight = await _settled(job, kit)
        if sight is not None:
            return await _adopt(job, kit, sight)
    wanted = need(job, kit.house)
    offers = ranked(await kit.provider.offers(wanted, fresh=job.attempt > 1), wanted, job.shunned)
    if not offers:
        raise OperatorFault("no-offers")
    job = await kit.journal.save(replace(job, asked_at=kit.now()))
    return await _first(job, kit, offers[:TRIES], wanted)


async def _settled(job: Job, kit: Kit) -> Sight | None:
    """What carries our label. "None" counts only after the market had time to list what a lost call may have made."""
    label = job.label(kit.house.label_prefix)
    sight = await kit.provider.find(label)
    if sight is None and job.asked_at is not None:
        age = (kit.now() - job.asked_at).total_seconds()
        await asyncio.sleep(max(0.0, kit.pace.seconds(SETTLE) - age))
        sight = await kit.provider.find(label)
    return sight


async def _first(job: Job, kit: Kit, offers: list[Offer], wanted: Need) -> Job:
    """Try the offers in rank; a snatched one leads to the next, anything unclear to `recover`."""
    order = RentOrder(
        label=job.label(kit.house.label_prefix), image=kit.house.image, disk_gb=round(wanted.disk_gb), onstart=ONSTART
    )
    for offer in offers:
        try:
            machine = await kit.provider.rent(offer, order, wanted, kit.now())
        except HostFault as fault:
            if fault.code != "offer-gone":
                raise
            continue
        return await _mine(job, kit, replace(machine, loaded_gb=wanted.image_gb), adopted=False)
    raise HostFault("offer-gone")


async def _adopt(job: Job, kit: Kit, sight: Sight) -> Job:
    """A rental of this very attempt exists: a crash lost its id, not its label."""
    machine = Machine(
        instance=sight.instance, machine=sight.machine, gpu=sight.gpu, vram_mb=sight.vram_mb, rate=sight.rate,
        down_mbps=sight.down_mbps, since=sight.since or kit.now(), loaded_gb=kit.house.image_gb,
    )  # fmt: skip
    return await _mine(job, kit, machine, adopted=True)


async def _mine(job: Job, kit: Kit, machine: Machine, *, adopted: bool) -> Job:
    """The fact, saved at once; then the key, which lines from elsewhere would lose in time."""
    news = MachineRented(gpu=machine.gpu, micro_usd_per_hour=machine.rate, adopted=adopted)
    job = await kit.journal.save(replace(job, machine=machine, measured_until=None).telling(kit.now(), news))
    await kit.provider.attach_key(machine.instance, kit.hosts.public_key)
    return job
