"""What the desk does besides answering: hands a model's file over, gives points in an operator's name."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.ports import Office
from bot.talk import models, phrases
from bot.talk.effects import Grant, Take
from bot.visit import Premises, Visit
from bot.web.links import deliverable
from notifier.card import Card
from notifier.ports import Unreachable
from pipeline.domain.faults import Fault, UserFault
from pipeline.domain.ids import JobId


async def deliver(visit: Visit, number: JobId, office: Office, house: Premises) -> Card | None:
    """The weights of a paid job in the chat, or a card with a link where the chat does not carry them."""
    job, _ = await office.job(visit.account, number)
    for model in await office.models(visit.account):  # another checkpoint may be its model since
        if (model.slug, model.account) == (job.slug, visit.account):
            job, _ = await office.job(visit.account, model.job)
    if job.artifact is None or not deliverable(job):
        raise UserFault("no-such-job")
    words, slug = visit.words, job.slug or job.recipe.slug
    caption = words.say("chat-download", slug=slug, size=words.size(job.artifact.size))
    async with _named(house.spool / job.artifact.file, f"{slug}.safetensors") as file:
        if file is not None and await visit.courier.send_file(visit.said.address, file, caption):
            return None
    link = await house.pages.download_link(job.id) if house.pages is not None else None
    return models.download_card(link, job.url, words)


async def take(visit: Visit, effect: Take, office: Office) -> None:
    """Another checkpoint becomes the model. Its own live message tells the rest."""
    room = await office.room(visit.said.identity)
    address = replace(visit.said.address, room=room)
    await office.take(visit.account, address, JobId(effect.job), effect.step)


async def bring(visit: Visit, url: str, office: Office, house: Premises) -> None:
    """What the link leads to, into the draft. Who waits for it longer than a moment is told what for."""
    there, failed = asyncio.Event(), list[Fault]()
    async with asyncio.TaskGroup() as group:
        group.create_task(_patience(visit, there, house.silent))
        try:
            await office.bring(visit.account, url)
        except Fault as fault:  # a group would wrap it
            failed.append(fault)
        finally:
            there.set()
    if failed:
        raise failed[0]


async def _patience(visit: Visit, there: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await there.wait()
    except TimeoutError:
        said = phrases.sentence(visit.words.say("chat-link-fetching"))
        with suppress(Unreachable):  # the pictures come all the same
            await visit.courier.show(visit.said.address, said, None)


async def samples(visit: Visit, number: JobId, office: Office, house: Premises) -> Card:
    """One's own model with its samples, where others see it: that is what was tapped for."""
    job, _ = await office.job(visit.account, number)
    model = await office.model(visit.account, job.slug) if job.slug is not None else None
    if model is None or not visit.seen([model]):
        raise UserFault("no-such-job")
    return replace(models.model_card(model, visit.words, house.spool), shared=True)


async def grant(visit: Visit, effect: Grant, office: Office, now: datetime) -> Card:
    said, words = visit.said, visit.words
    key = said.id or f"{said.identity}-{now.isoformat()}"
    balance = await office.grant(said.identity, effect.to, effect.points, effect.reason, key)
    told = {"points": words.points(effect.points), "left": words.points(balance.available)}
    return phrases.sentence(words.say("chat-granted", who=words.foreign(effect.to), **told))


@asynccontextmanager
async def _named(file: Path, name: str) -> AsyncIterator[Path | None]:
    """`file` under another name, as long as it is needed; None when it is gone."""
    folder = await asyncio.to_thread(_linked, file, name)
    try:
        yield folder / name if folder is not None else None
    finally:
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _linked(file: Path, name: str) -> Path | None:
    if not file.is_file():
        return None
    folder = Path(tempfile.mkdtemp(prefix=".sent-", dir=file.parent))
    os.link(file, folder / name)
    return folder
