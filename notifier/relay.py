"""Keeps one message a job true: watches the store, folds, compares with what was shown, sends what differs.

The store is the feed and `shown` the memory: nothing else is needed to go on after a restart, replaying is harmless.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from notifier.card import Card
from notifier.cards import render
from notifier.pictures import Gallery, there
from notifier.ports import Courier, Later, Unreachable
from notifier.shown import Showing, Shown
from notifier.view import JobView, view_of
from notifier.words import Words
from pipeline.domain.faults import Fault
from pipeline.domain.ids import JobId
from pipeline.domain.job import Job
from pipeline.domain.progress import Progress
from pipeline.flow.records import job_from, progress_from
from pipeline.ports import Clock, Doc, Pace, Store

log = structlog.get_logger()

POLL: Final = 2.0  # seconds between two looks that no hint asked for
LEAST: Final = 0.25  # however fast the world runs: nobody reads faster
OVERLAP: Final = timedelta(seconds=5)  # read again: writers' clocks differ, and a write may land late
BACK: Final = timedelta(days=7)  # a job that ended longer ago, while nobody told, is not news any more
PAGE: Final = 200
PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds after a courier stumbled


@dataclass(slots=True)
class _Thread:
    """One job being told: what the store last said of it, and what its person sees."""

    job: Job
    showing: Showing
    stale: bool = True
    busy: bool = False
    rests: float = 0.0  # until then (loop time) no new figures are worth an edit; a new version of the job is
    rested: int = -1  # the version the courier said so of


class Relay:
    def __init__(
        self,
        store: Store,
        shown: Shown,
        couriers: Mapping[str, Courier],
        words: Callable[[str], Words],
        pace: Pace,
        clock: Clock,
        spool: Path,
        simulated: bool,
    ) -> None:
        self._store, self._shown, self._couriers, self._words = store, shown, couriers, words
        self._pace, self._clock, self._spool, self._simulated = pace, clock, spool, simulated
        self._gallery = Gallery(spool)
        self._hint = asyncio.Event()
        self._threads: dict[JobId, _Thread] = {}
        self._seen: dict[str, int] = {}  # versions read by the last look, so that its overlap is not read twice
        self._mark = 0  # ms

    def wake(self) -> None:
        """Something was saved: look now. Losing this call costs one poll."""
        self._hint.set()

    def reachable(self, platform: str, chat: str) -> None:
        """This person can be written to again: what was kept from them is told now."""
        for thread in self._threads.values():
            where = thread.job.address
            if (where.platform, where.chat) == (platform, chat) and thread.showing.unreachable:
                thread.showing = replace(thread.showing, unreachable=False, digest="")
        self._hint.set()

    async def run(self) -> None:
        """Watch and tell until cancelled. A store or courier that fails costs a pause, never another job's message."""
        self._mark = _ms(self._clock.now() - BACK)
        async with asyncio.TaskGroup() as group:
            while True:
                self._hint.clear()
                try:
                    await self._look()
                except Fault as fault:
                    log.warning("relay-store", code=fault.code)
                self._start(group)
                await self._rest()

    async def _rest(self) -> None:
        """Until the next poll, or a hint; a hint's burst is one look."""
        await asyncio.sleep(LEAST)
        try:
            async with asyncio.timeout(max(0.0, self._pace.seconds(POLL) - LEAST)):
                await self._hint.wait()
        except TimeoutError:
            pass

    def _start(self, group: asyncio.TaskGroup) -> None:
        """One teller a job: jobs go side by side, the edits of one in order."""
        now = asyncio.get_running_loop().time()
        for thread in self._threads.values():
            if now < thread.rests and thread.job.version == thread.rested:
                continue  # hundreds of cards drawn for nothing would keep people waiting
            thread.stale = True
            if not thread.busy:
                thread.busy = True
                group.create_task(self._tell(thread))

    async def _look(self) -> None:
        """Take in every job that changed since the mark, page by page."""
        above, newest, seen = self._mark, self._mark, dict[str, int]()
        while True:
            docs = await self._store.find("jobs", above={"changed_ms": above}, order="changed_ms", limit=PAGE)
            for doc in docs:
                if self._seen.get(doc["id"]) != doc["version"]:
                    await self._take(doc)
                seen[doc["id"]], newest = doc["version"], doc["changed_ms"]
            if len(docs) < PAGE:
                break
            above = max(above + 1, newest - 1)  # two jobs may share the millisecond a page ends in
        self._seen = seen
        self._mark = max(self._mark, newest - round(OVERLAP.total_seconds() * 1000))

    async def _take(self, doc: Doc) -> None:
        try:
            job = job_from(doc)
        except ValueError:  # written by another version of ours: others are told all the same
            log.exception("job-unreadable", job=doc["id"])
            return
        thread = self._threads.get(job.id)
        if thread is not None:
            thread.job = job
        else:
            showing = await self._shown.of(job.id)
            if not showing.final and job.address.platform in self._couriers:
                self._threads[job.id] = _Thread(job, showing)

    async def _tell(self, thread: _Thread) -> None:
        """Bring the message up to date until nothing is stale. Latest wins: what came in between is never shown."""
        pause = PAUSE
        try:
            while thread.stale and not thread.showing.final:
                thread.stale = False
                try:
                    await self._show(thread)
                    pause = PAUSE
                except Later as later:  # a later look asks again, with what is true by then
                    thread.rests = asyncio.get_running_loop().time() + later.seconds
                    thread.rested = thread.job.version
                    break
                except Exception as error:  # a courier's mistake must not silence other jobs
                    log.warning("relay-stumbled", job=thread.job.id, error=type(error).__name__, exc_info=error)
                    thread.stale = True
                    await asyncio.sleep(self._pace.seconds(pause))
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            thread.busy = False
        if thread.showing.final:
            self._threads.pop(thread.job.id, None)

    async def _show(self, thread: _Thread) -> None:
        """Send the card if the person sees another one. Kept as shown once it was: a crash between shows it again."""
        job, seen = thread.job, thread.showing
        view = view_of(job, await self._progress(job.id))
        card = await self._card(view, self._words(job.address.locale))
        digest = _digest(card)
        if digest == seen.digest or view.news < seen.news:
            return
        if seen.unreachable and not card.final:
            return  # only the end is worth another try
        now = replace(seen, digest=digest, news=view.news, final=card.final, unreachable=False)
        try:
            message = await self._couriers[job.address.platform].show(job.address, card, seen.message)
            now = replace(now, message=message)
        except Unreachable:
            log.info("person-unreachable", job=job.id, platform=job.address.platform)
            now = replace(now, unreachable=True, final=False)  # they may come back within a week
        thread.showing = await self._shown.keep(now)

    async def _progress(self, job: JobId) -> Progress | None:
        doc = await self._store.get("progress", job)
        return progress_from(doc) if doc else None

    async def _card(self, view: JobView, words: Words) -> Card:
        """The card with its picture; one that cannot be drawn or is gone is left out: words come first."""
        card = render(view, words, now=self._clock.now(), spool=self._spool, simulated=self._simulated, pace=self._pace)
        sheet = self._spool / view.sheet if view.sheet else None
        try:
            picture = card.picture or await self._gallery.picture(view, words, sheet)
        except Exception as error:  # whatever a chart trips over, the message is worth more
            log.warning("picture-failed", job=view.job, exc_info=error)
            return replace(card, picture=None)
        return replace(card, picture=picture if picture and there(picture) else None)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _digest(card: Card) -> str:
    return hashlib.sha256(repr(card).encode()).hexdigest()[:16]
