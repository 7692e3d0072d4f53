"""Salvage: before a machine that failed is given back, what can be saved of it comes home. Best effort, and short."""

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from pipeline.domain.checkpoint import repeats
from pipeline.domain.faults import Fault
from pipeline.domain.job import Job, Machine
from pipeline.domain.stage import End
from pipeline.flow.kit import Kit
from pipeline.flow.mirror import Homeward, newest_set, record
from pipeline.ports import Host
from pipeline.trainers import saves
from pipeline.trainers.log import tail

log = structlog.get_logger()
MOST: Final = 120.0  # seconds, for all
WORDS: Final = 20.0  # of them, for the log's end
OWN_SLOWNESS: Final = 5.0  # real seconds: answers do not come faster with the sandbox


def worth_salvaging(job: Job) -> Machine | None:
    """The machine that trained and will be left without its model, unless that was done before."""
    machine = job.machine
    if machine is None or machine.salvaged or not machine.training or job.artifact is not None:
        return None
    return machine


async def salvage(job: Job, kit: Kit, host: Host) -> Job:
    """Bring the log's end and the exit code; then the newest whole checkpoint, unless nobody wants or believes it.

    Neither waits for the other to succeed, and the words leave most of the time to the set, which is worth more.
    """
    try:
        async with asyncio.timeout(max(OWN_SLOWNESS, kit.pace.seconds(WORDS))):
            await last_words(job, kit, host)
    except (Fault, TimeoutError) as error:
        log.info("no-last-words", job=job.id, why=getattr(error, "code", "timeout"))
    unwanted = job.ending is not None and job.ending.end is End.CANCELLED
    if unwanted or job.machine is None or not job.machine.believed:
        return job
    try:
        fresh = await newest_set(kit, host, None, ask=False)
    except Fault as fault:
        log.info("nothing-salvaged", job=job.id, code=fault.code)
        return job
    if fresh is None or repeats(job.mirror, fresh):
        return job
    return await record(job, kit, Homeward(fresh=fresh))


async def last_words(job: Job, kit: Kit, host: Host) -> None:
    """Bring the log's end home, whoever asks for it later."""
    code, words = saves.read_last_words((await host.run(saves.last_words(job.id))).out)
    kit.spool.keep_log(job.id, job.attempt, words)
    log.info("last-words", job=job.id, rc=code, tail=tail(words))


def salvaged(job: Job) -> Job:
    """It is not tried again, however often the machine has to be asked to go."""
    return replace(job, machine=replace(job.machine, salvaged=True)) if job.machine else job
