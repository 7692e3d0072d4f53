"""What a person may look at: their jobs and logs, models, points. A job of another account is as good as none."""

import asyncio
from dataclasses import dataclass
from typing import Final

from pipeline.domain.catalogue import Model
from pipeline.domain.checkpoint import Kept
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId, JobId, Slug
from pipeline.domain.job import Job
from pipeline.domain.ledger import Balance, Entry
from pipeline.domain.progress import Progress
from pipeline.domain.stage import Stage
from pipeline.flow.catalogue import Catalogue
from pipeline.flow.journal import load_job, load_progress
from pipeline.flow.ledger import Ledger
from pipeline.flow.records import job_from
from pipeline.flow.releases import Releases
from pipeline.flow.spool import Spool
from pipeline.ports import Clock, Store
from pipeline.trainers.log import shown

LIVE: Final = tuple(stage.value for stage in Stage if stage is not Stage.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Asking changes nothing."""

    store: Store
    clock: Clock
    ledger: Ledger
    catalogue: Catalogue
    spool: Spool

    async def jobs(self, account: AccountId, limit: int = 10) -> list[Job]:
        docs = await self.store.find("jobs", equal={"account": account}, order="-changed_ms", limit=limit)
        return [job_from(doc) for doc in docs]

    async def job(self, account: AccountId, job: JobId | None) -> tuple[Job, Progress | None]:
        """One job of this account: the named one, or the newest."""
        found = await self._own(account, job) if job else await self._newest(account)
        return found, await load_progress(self.store, found.id)

    async def log(self, account: AccountId, job: JobId | None) -> tuple[Job, list[str]]:
        """What the trainer of one job of this account said last."""
        found = await self._own(account, job) if job else await self._newest(account)
        return found, shown(await asyncio.to_thread(self.spool.log_end, found.id))

    async def kept(self, account: AccountId, job: JobId) -> list[Kept]:
        """Checkpoints of a training that is over which may be made its model, the highest step first."""
        found = await self._maybe(account, job)
        return await self._releases.kept(found) if found is not None else []

    async def models(self, account: AccountId) -> list[Model]:
        own = await self.catalogue.of(account)
        slugs = {model.slug for model in own}
        return own + [model for model in await self.catalogue.public(50) if model.slug not in slugs]

    async def model(self, account: AccountId, slug: Slug) -> Model:
        found = await self.catalogue.get(slug)
        if found is None or not (found.public or found.account == account):
            raise UserFault("no-such-model", slug=slug[:60])
        return found

    async def balance(self, account: AccountId) -> Balance:
        return await self.ledger.balance(account)

    async def receipts(self, account: AccountId) -> list[Entry]:
        return await self.ledger.entries(account)

    async def _newest_live(self, account: AccountId) -> JobId:
        return (await self._live(account, None)).id

    async def _live(self, account: AccountId, job: JobId | None) -> Job:
        if job:
            return await self._own(account, job)
        docs = await self.store.find(
            "jobs", equal={"account": account}, among={"stage": LIVE}, order="-changed_ms", limit=1
        )
        if not docs:
            raise UserFault("no-such-job")
        return job_from(docs[0])

    async def _newest(self, account: AccountId) -> Job:
        jobs = await self.jobs(account, 1)
        if not jobs:
            raise UserFault("no-such-job")
        return jobs[0]

    async def _own(self, account: AccountId, job: JobId) -> Job:
        found = await self._maybe(account, job)
        if found is None:
            raise UserFault("no-such-job")
        return found

    async def _maybe(self, account: AccountId, job: JobId) -> Job | None:
        """A job of another account is as good as none: the answer tells nothing about it."""
        found = await load_job(self.store, job)
        return found if found and found.account == account else None

    @property
    def _releases(self) -> Releases:
        return Releases(store=self.store, clock=self.clock, spool=self.spool)
