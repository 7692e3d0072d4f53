"""A job followed to its end: its live card on stderr, and what became of it as one result."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from bot.platforms.terminal.screens import Screen, screen_of
from notifier.cards import render
from notifier.ports import MessageId
from notifier.view import view_of
from notifier.words import Words
from pipeline.domain.cost import measured_cost
from pipeline.domain.events import MachineRented
from pipeline.domain.money import MICRO
from pipeline.domain.stage import End
from pipeline.flow.journal import load_job, load_progress

if TYPE_CHECKING:
    from bot.books import Books
    from notifier.card import Card
    from pipeline.domain.ids import JobId
    from pipeline.domain.job import Job

DONE: Final = 0
FAILED: Final = 1
STOPPED: Final = 4  # as `explain` has it
NO_RUNNER: Final = 5
EVERY: Final = 0.5  # seconds between two looks at the store
REST: Final = 5.0  # seconds between two blocks in a pipe
CARD: Final = MessageId("card")


async def followed(books: "Books", job: "JobId", *, quiet: bool = False) -> "Job":
    """Show `job` until it is over."""
    async with _screen(quiet=quiet) as screen:
        seen: tuple[Any, ...] = ()
        while True:
            found = await load_job(books.store, job)
            assert found is not None
            card = await _card(books, found)
            look = (card.title, card.lines, card.bar_label, card.fields)
            if screen is not None and look != seen and not found.over:
                seen = look
                await screen.live({CARD: (card, {})}, CARD)
            if found.over:
                return found
            await asyncio.sleep(EVERY)


async def _card(books: "Books", job: "Job") -> "Card":
    from dataclasses import replace  # noqa: PLC0415  # beside its one use

    pace, spool = books.settings.rhythm(), books.settings.data_dir.resolve() / "spool"
    view = view_of(job, await load_progress(books.store, job.id))
    card = render(
        view, Words(), now=books.clock.now(), spool=spool, simulated=books.settings.simulated, pace=pace
    )  # fmt: skip
    return replace(card, buttons=(), picture=None)


@asynccontextmanager
async def _screen(*, quiet: bool) -> AsyncIterator[Screen | None]:
    """Stderr: stdout is for the result."""
    if quiet and not sys.stderr.isatty():
        yield None
        return
    with open(os.devnull, encoding="utf-8") as nobody:  # noqa: ASYNC230, PTH123  # nothing to wait for
        screen = screen_of(cast("TextIO", nobody), sys.stderr, REST)
        try:
            yield screen
        finally:
            screen.close()


def code(job: "Job") -> int:
    """The exit code of a job that is over."""
    if job.ending is not None and job.ending.end in {End.STOPPED, End.CANCELLED}:
        return STOPPED
    return DONE if _succeeded(job) else FAILED


def _succeeded(job: "Job") -> bool:
    return job.ending is not None and job.ending.end is End.DONE and job.artifact is not None


def result(job: "Job", spool: Path, pace: float) -> dict[str, Any]:
    """What became of a job that is over, with the names that scripts of the original tools know."""
    rents = [news.event for news in job.news if isinstance(news.event, MachineRented)]
    seconds = (job.news[-1].at - job.created_at).total_seconds() / pace
    return {
        "success": _succeeded(job), "job": job.id, "loraModel": _model(job, spool), "charged": job.charged,
        "cacheRefreshed": any(news.event.kind == "registered" for news in job.news), "comfyDeploy": None,
        "errors": list(_errors(job)), "gpuHourlyRate": rents[-1].micro_usd_per_hour / MICRO if rents else None,
        "durationSeconds": round(seconds, 1),
        "trainingCost": round(measured_cost(job, job.changed_at, pace) / MICRO, 6),
    }  # fmt: skip


def _model(job: "Job", spool: Path) -> dict[str, Any] | None:
    if job.artifact is None:
        return None
    made = job.artifact
    return {
        "slug": job.slug, "trigger": job.recipe.trigger, "tag": f"<lora:{job.slug}:0.8>", "url": job.url or None,
        "file": str(spool / made.file), "sha256": made.sha256, "size": made.size, "step": made.step,
        "steps": job.recipe.steps, "complete": not job.incomplete, "finalLoss": made.final_loss,
    }  # fmt: skip


def _errors(job: "Job") -> list[str]:
    words, ending = Words(), job.ending
    if ending is None or ending.end is End.DONE:
        return []
    if ending.end is not End.FAILED:
        return [ending.code or str(ending.end)]
    return [f"{ending.code}: {words.detail(ending.code, ending.facts)}"]


async def last(books: "Books", job: "Job") -> str:
    """The finished card in plain lines."""
    from bot.platforms.terminal.paint import block  # noqa: PLC0415  # brings rich

    return block(await _card(books, job), {})
