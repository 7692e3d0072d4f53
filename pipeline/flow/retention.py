"""What is kept how long: drafts 7 days, a job's packs, checkpoints and logs 30 days after its end; models stay."""

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from pipeline.domain.checkpoint import KEPT_FOR
from pipeline.domain.draft import Draft
from pipeline.domain.ids import AccountId, JobId
from pipeline.domain.stage import Stage
from pipeline.flow.journal import load_job
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.records import draft_doc, draft_from, job_from, ms
from pipeline.flow.spool import Spool
from pipeline.ports import Clock, Store

log = structlog.get_logger()
DRAFTS: Final = timedelta(days=7)
JOBS: Final = KEPT_FOR
LITTER: Final = timedelta(days=1)  # of a child that was killed in the middle


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    store: Store
    clock: Clock
    spool: Spool

    async def sweep(self) -> None:
        """Remove what is past its time. Safe to repeat; a picture that somebody may still train on stays."""
        await self._drafts()
        for account, folder in await asyncio.to_thread(_folders, self.spool.root / "pictures"):
            kept = await self._wanted(AccountId(account))
            await asyncio.to_thread(_remove_files, folder, kept, self.clock.now() - DRAFTS)
        for name, folder in await asyncio.to_thread(_folders, self.spool.root / "jobs"):
            if await self._past(JobId(name), folder):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                log.info("job-files-removed", job=name)
            elif await self._over(JobId(name)):
                await asyncio.to_thread(_remove_state, folder / "sets")
        await asyncio.to_thread(_remove_litter, self.spool.root, self.clock.now() - LITTER)

    async def _drafts(self) -> None:
        """Empty old drafts. Compare-and-set: one that was touched meanwhile is not old."""
        old = ms(self.clock.now() - DRAFTS)
        for doc in await self.store.find("drafts", below={"changed_ms": old}, limit=1000):
            draft = draft_from(doc)
            if draft.pictures:
                empty = Draft(account=draft.account, changed_at=self.clock.now())
                await self.store.cas("drafts", draft.account, doc["version"], draft_doc(empty))

    async def _wanted(self, account: AccountId) -> frozenset[str]:
        """Pictures of the draft, and of jobs that are not over: their pack may have to be made again."""
        doc = await self.store.get("drafts", account)
        live = [stage.value for stage in Stage if stage is not Stage.DONE]
        jobs = await self.store.find("jobs", equal={"account": account}, among={"stage": live}, limit=1000)
        sets = [draft_from(doc).pictures] if doc else []
        sets += [job_from(job).manifest.pictures for job in jobs]
        return frozenset(picture.sha256 for pictures in sets for picture in pictures)

    async def _over(self, job: JobId) -> bool:
        known = await load_job(self.store, job)
        return known is not None and known.over

    async def _past(self, job: JobId, folder: Path) -> bool:
        """A job's folder whose job ended long ago, or that no job owns and nobody touched for as long."""
        limit = self.clock.now() - JOBS
        known = await load_job(self.store, job)
        if known is not None:
            return known.over and known.changed_at < limit
        return await asyncio.to_thread(_older, folder, limit)


def _folders(parent: Path) -> list[tuple[str, Path]]:
    return [(each.name, each) for each in parent.iterdir() if each.is_dir()] if parent.is_dir() else []


def _remove_files(folder: Path, kept: Iterable[str], limit: datetime) -> None:
    names = {f"{sha256}.jpg" for sha256 in kept}
    for file in folder.iterdir():
        if file.is_file() and file.name not in names and _older(file, limit):
            file.unlink(missing_ok=True)


def _remove_state(sets: Path) -> None:
    """Of a job that is over, weights may still be chosen; nothing goes on from an optimizer, or from half a file."""
    for file in sets.glob("*/*"):
        if file.name != WEIGHTS:
            file.unlink(missing_ok=True)


def _remove_litter(root: Path, limit: datetime) -> None:
    for place in root.glob("**/.workshop-*"):
        if _older(place, limit):
            shutil.rmtree(place, ignore_errors=True)


def _older(path: Path, limit: datetime) -> bool:
    try:
        return path.stat().st_mtime < limit.timestamp()
    except FileNotFoundError:
        return False
