"""Kept checkpoints: which of a training's are still at home, what they cost, and the job that makes one its model."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.domain.checkpoint import KEPT_FOR, Kept
from pipeline.domain.events import StageReached
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import JobId, spell
from pipeline.domain.job import Address, Job
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.stage import End
from pipeline.flow.journal import load_job
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.records import job_from
from pipeline.flow.spool import Spool
from pipeline.ports import Clock, Store

MOST: Final = 1000  # releases of one training that are looked at


@dataclass(frozen=True, slots=True)
class Line:
    """A training and what was released of it, newest first. `model`: the job whose weights are the model now."""

    training: Job
    releases: Sequence[Job]

    @property
    def model(self) -> Job | None:
        made = (each for each in self.releases if each.over and each.ending and each.ending.end is End.DONE)
        first = self.training if self.training.over and self.training.artifact else None
        return next(made, first)

    @property
    def price(self) -> Points | None:
        """What a checkpoint costs; None: none may be had. A run that failed is paid by who takes its checkpoint."""
        if self.model is not None:
            return Points(0)
        return (self.training.worth or None) if self.training.over else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    store: Store
    clock: Clock
    spool: Spool

    async def kept(self, job: Job) -> list[Kept]:
        """What may be chosen of the training behind `job`, the highest step first."""
        return await self._kept(await self._line(job))

    async def asked(self, job: Job, address: Address, step: int) -> Job:
        """The job that makes the checkpoint of `step` the model: new, not stored yet; or the one that does so already.

        Raises UserFault("checkpoint-gone" | "checkpoint-chosen" | "release-running").
        """
        line = await self._line(job)
        live = next((each for each in line.releases if not each.over), None)
        if live is not None:
            if live.chosen is not None and live.chosen.step == step:
                return live
            raise UserFault("release-running")
        found = next((each for each in await self._kept(line) if each.checkpoint.step == step), None)
        if found is None:
            raise UserFault("checkpoint-gone", step=step)
        if found.current:
            raise UserFault("checkpoint-chosen", step=step)
        return self._release(line, found, address)

    async def _line(self, job: Job) -> Line:
        training = await load_job(self.store, job.of) if job.of is not None else job
        if training is None:
            raise UserFault("no-such-job")
        docs = await self.store.find("jobs", equal={"of": training.id}, order="-changed_ms", limit=MOST)
        return Line(training, [job_from(doc) for doc in docs])

    async def _kept(self, line: Line) -> list[Kept]:
        training, model, price = line.training, line.model, line.price
        if price is None:
            return []
        sets = self.spool.sets(training.id)
        here = await asyncio.to_thread(lambda: {each.parent.name for each in sets.glob(f"*/{WEIGHTS}")})
        there = [each for each in training.mirror if each.sha256 in here]
        now = model.artifact.sha256 if model is not None and model.artifact is not None else ""
        return [
            Kept(
                training=training.id, checkpoint=each, price=price, current=each.sha256 == now,
                until=training.changed_at + KEPT_FOR,
            )
            for each in sorted(there, key=lambda each: -each.step)
        ]  # fmt: skip

    def _release(self, line: Line, kept: Kept, address: Address) -> Job:
        now, training, model = self.clock.now(), line.training, line.model
        price = replace(
            training.quote, points=kept.price, ceiling=kept.price, cost=MicroUsd(0), ceiling_cost=MicroUsd(0)
        )
        job = Job(
            id=_release_id(line), account=training.account, address=address, recipe=training.recipe,
            manifest=training.manifest, quote=price, created_at=now, changed_at=now, of=training.id,
            chosen=kept.checkpoint, replaces=model.id if model else None,
            slug=model.slug if model else None, repo=model.repo if model else "",
        )  # fmt: skip
        return job.telling(now, StageReached(stage=job.stage, attempt=job.attempt))


def _release_id(line: Line) -> JobId:
    """Two presses at once are one release: of one training there is one at a time."""
    seed = hashlib.sha256(f"{line.training.id}\0release {len(line.releases)}".encode()).digest()
    return JobId(spell(int.from_bytes(seed[:8], "big"), 12))
