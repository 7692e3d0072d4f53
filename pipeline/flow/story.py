"""The life of a job, top to bottom. If you read one file, read this one.

A job stands before a stage. We play the stage, step forward, save, repeat. A crash anywhere loses at most the stage
in hand, and every stage can be played twice: resuming is telling again. A stage that fails does not decide what
happens next; recover.py does, in one place, by whose fault it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from pipeline.domain.events import StageReached
from pipeline.domain.faults import Fault, HostSilent, Superseded
from pipeline.domain.job import Ending, Job
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.kit import Kit
from pipeline.flow.recover import recover
from pipeline.flow.stages import (
    bill,
    choose,
    collect,
    fetch,
    prepare,
    publish,
    register,
    rent,
    terminate,
    train,
    upload,
    wait,
)

log = structlog.get_logger()

Play = Callable[[Job, Kit], Awaitable[Job]]

TRAINING: Final[Mapping[Stage, Play]] = {
    Stage.PREPARE: prepare.play,  # everything that can fail for free, while no meter runs
    Stage.RENT: rent.play,  # take a machine, or adopt the one we already pay for
    Stage.WAIT: wait.play,  # until it answers, and is what it claims to be
    Stage.UPLOAD: upload.play,  # pictures, recipe, the last checkpoint if there is one; and the word to fetch the base
    Stage.FETCH: fetch.play,  # the base model, by signed links: no token on the box
    Stage.TRAIN: train.play,  # start once, watch to the end; checkpoints come home meanwhile
    Stage.COLLECT: collect.play,  # the last weights and samples home, proved: this is the model
    Stage.TERMINATE: terminate.play,  # salvage, then give the machine back; the door every failure leaves by
    Stage.BILL: bill.play,  # charge what ran, never above the ceiling; return the rest
    Stage.PUBLISH: publish.play,  # to where people find it, at leisure: no meter runs any more
    Stage.REGISTER: register.play,  # into the catalogue
}

RELEASE: Final[Mapping[Stage, Play]] = {  # a kept checkpoint of a training that is over becomes its model
    Stage.PREPARE: choose.play,  # its weights, whole, as a model's file; points held
    Stage.BILL: bill.play,  # nothing, where the training was paid; else what its steps cost
    Stage.PUBLISH: publish.play,
    Stage.REGISTER: register.play,  # in the place of the one it replaces
}


def story(job: Job) -> Mapping[Stage, Play]:
    """What `job` lives through, in order."""
    return TRAINING if job.of is None else RELEASE


async def tell(job: Job, kit: Kit) -> Job:
    """Play `job` from where it stands to its end. Raises Superseded when somebody else tells it."""
    while not job.over:
        job = await kit.journal.save(heed(job, kit.now()) or await _play(job, kit))
    return job


async def _play(job: Job, kit: Kit) -> Job:
    await _rest(job, kit)
    try:
        with structlog.contextvars.bound_contextvars(job=job.id, attempt=job.attempt, stage=job.stage.value):
            played = await story(job)[job.stage](job, kit)
        return forward(played, kit.now()) if played.stage is job.stage else played  # it left by itself
    except Superseded:
        raise
    except Exception as error:  # noqa: BLE001  # the one place where failures become decisions
        _report(job, error)
        return recover(kit.journal.latest, error, kit.now(), kit.house, kit.pace)


def heed(job: Job, now: datetime) -> Job | None:
    """Answer a wish: out by the one door, or None where it does not apply (any more, or TRAIN answers it itself)."""
    if job.wish is None or job.ending is not None or job.stage.closing or job.moving:
        return None
    if job.wish is Wish.CANCEL:
        return job.leaving(now, Ending(End.CANCELLED))
    if job.stage in {Stage.TRAIN, Stage.COLLECT}:
        return None  # there may be something to keep
    if job.settled:
        return job.at(Stage.COLLECT).telling(now, StageReached(stage=Stage.COLLECT, attempt=job.attempt))
    return job.leaving(now, Ending(End.STOPPED))


def forward(job: Job, now: datetime) -> Job:
    """Stand before the next stage; what a reader of the news must know of it comes in the same write."""
    match job.stage:
        case Stage.COLLECT:
            end = End.STOPPED if job.incomplete else End.DONE
            ahead = replace(
                job.at(Stage.TERMINATE),
                measured_until=now,
                ending=Ending(end, code=job.halted if job.incomplete else ""),
            )
        case Stage.PREPARE if job.of is not None:
            ahead = replace(job.at(Stage.BILL), ending=Ending(End.DONE))
        case Stage.TERMINATE if job.moving:
            onward = Stage.COLLECT if job.settled else Stage.RENT  # what is at home may be all that is wanted
            ahead = replace(job.at(onward), moving=False, attempt=job.attempt + 1, asked_at=None)
        case Stage.BILL if job.artifact is None:
            ahead = job.at(Stage.DONE)  # nothing to publish: the story ends here
        case _:
            order = [*story(job), Stage.DONE]
            ahead = job.at(order[order.index(job.stage) + 1])
    return ahead.telling(now, StageReached(stage=ahead.stage, attempt=ahead.attempt))


async def _rest(job: Job, kit: Kit) -> None:
    if job.not_before:
        await asyncio.sleep(max(0.0, (job.not_before - kit.now()).total_seconds()))


def _report(job: Job, error: Exception) -> None:
    """Logs are for us. A fault is a line, a silence not even a warning; a bug brings its traceback."""
    if isinstance(error, HostSilent):
        log.info("stage-waits", job=job.id, stage=job.stage.value, code=error.code)
    elif isinstance(error, Fault):
        log.warning("stage-failed", job=job.id, stage=job.stage.value, code=error.code, **_facts(error))
    else:
        log.error("stage-bug", job=job.id, stage=job.stage.value, exc_info=error)


def _facts(error: Fault) -> dict[str, object]:
    return {f"fact_{key}": value for key, value in error.facts.items()}
