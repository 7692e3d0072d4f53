"""RENT: take the machine on which this whole job will cost least.

A rental is ours when its create reply, which alone holds its own key, is saved. One that was asked for without such
a reply cannot be proved ours, whoever carries our label: TERMINATE destroys it, and the next attempt rents.
"""

import asyncio
from dataclasses import replace

import structlog

from pipeline.domain.events import MachineRented
from pipeline.domain.faults import HostFault, HostSilent, OperatorFault
from pipeline.domain.job import Job, Machine
from pipeline.domain.quote import Need, Offer
from pipeline.flow.deadlines import Brakes
from pipeline.flow.kit import Kit, need
from pipeline.flow.offers import Found, Shelf
from pipeline.flow.shuns import Shuns
from pipeline.flow.stages.common import lease_of
from pipeline.ports import RentOrder, Sight
from pipeline.trainers import lease

log = structlog.get_logger()
SETTLE = 20.0  # seconds until a rental made by a lost call must show in the list
LOST = 20  # attempts of one job whose create reply never came: then something stands between the market and us


async def play(job: Job, kit: Kit) -> Job:
    """Safe to replay: what was asked for before is either in our hand, or given up."""
    if job.machine is not None:
        return await _attached(job, kit)
    await _honest(job, kit)
    if job.asked_at is not None:
        return _lost(job, kit, "no-reply-saved")
    await Brakes(store=kit.store, clock=kit.clock, house=kit.house, pace=kit.pace).admit(job)
    shelf = Shelf(provider=kit.provider, store=kit.store, clock=kit.clock)
    wanted = need(job, kit.house)
    for again in (False, True):  # a list that was snatched empty is asked for anew once, not at every knock
        found = await shelf.look(wanted, job.account, fresh=again and not job.tries, renting=True)
        job = await _first(job, kit, found)
        if job.machine is not None or job.moving:
            return job
    raise OperatorFault("no-offers")


async def _honest(job: Job, kit: Kit) -> None:
    """Stop where one owner's machines have failed the same person three times: a human must look (threats.md 5)."""
    last = job.rentals[-1] if job.rentals else None
    if last is None or last.useful or not last.host:
        return
    if await Shuns(kit.store, kit.clock).suspect(job.account, last.host):
        raise OperatorFault("own-box-suspected", host=last.host, account=job.account)


async def _first(job: Job, kit: Kit, found: Found) -> Job:
    """Try the offers in rank; a snatched one leads to the next. The job as it was when none could be had."""
    asked = job
    for offer in found.best(job.shunned)[: kit.house.boot_tries]:
        asked = await kit.journal.save(replace(asked, asked_at=kit.now()))  # before each: settling is counted from it
        try:
            machine = await kit.provider.rent(offer, _order(job, kit, found.need), found.need, kit.now())
        except HostSilent as silence:
            return _lost(asked, kit, silence.code)
        except HostFault as fault:
            if fault.code != "offer-gone":
                raise
            continue
        return await _mine(asked, kit, offer, machine, found.need)
    return await kit.journal.save(replace(asked, asked_at=None)) if asked is not job else job


def _order(job: Job, kit: Kit, wanted: Need) -> RentOrder:
    label = job.label(kit.house.label_prefix)
    onstart = lease.onstart(lease_of(job, kit))
    return RentOrder(label=label, image=kit.house.image, disk_gb=round(wanted.disk_gb), onstart=onstart)


def _lost(job: Job, kit: Kit, why: str) -> Job:
    """Give this attempt up: TERMINATE looks its label up and destroys what carries it. Raises after LOST of them.

    Nothing of it is the host's fault, so neither its boots nor its moves count.
    """
    lost = job.attempt - 1 - job.boots - job.moves
    log.warning("rent-lost", job=job.id, attempt=job.attempt, why=why)
    if lost >= LOST:
        raise OperatorFault("rent-replies-lost", tries=lost)
    return job.moved(kit.now())


async def _mine(job: Job, kit: Kit, offer: Offer, machine: Machine, wanted: Need) -> Job:
    """What the create reply said, saved before anything else; then our SSH key."""
    news = MachineRented(gpu=machine.gpu, micro_usd_per_hour=machine.rate)
    ends = kit.now() + kit.pace.delta(seconds=offer.seconds_left)
    mine = replace(machine, host=offer.host, loaded_gb=wanted.image_gb, ends=ends)
    job = await kit.journal.save(replace(job, machine=mine, measured_until=None).telling(kit.now(), news))
    if not machine.key:
        return _lost(job, kit, "no-key-in-reply")
    return await _attached(job, kit)


async def _attached(job: Job, kit: Kit) -> Job:
    """Our SSH key on the rental: a line from elsewhere would be wiped in time."""
    if job.machine is None or not job.machine.key:
        return _lost(job, kit, "no-key-in-reply")
    try:
        await kit.provider.attach_key(job.machine.instance, kit.hosts.public_key)
    except HostFault as fault:
        if fault.code != "rental-gone":
            raise
        raise HostSilent("not-listed-yet") from None  # a new rental may be unknown for seconds
    return job


async def settled(job: Job, kit: Kit) -> Sight | None:
    """What carries our label. "None" counts only after the market had time to list what a lost call may have made."""
    label = job.label(kit.house.label_prefix)
    sight = await kit.provider.find(label)
    if sight is None and job.asked_at is not None:
        age = (kit.now() - job.asked_at).total_seconds()
        await asyncio.sleep(max(0.0, kit.pace.seconds(SETTLE) - age))
        sight = await kit.provider.find(label)
    return sight
