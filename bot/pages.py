"""Something to look at: what is known becomes a card."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from bot.ports import Office
from bot.talk import dataset, hello, jobs, models, purse, settings, upload
from bot.talk.effects import Page
from bot.visit import Premises, Visit
from notifier import cards
from notifier.card import Card
from notifier.view import view_of
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import JobId, Slug


async def page(visit: Visit, which: Page, of: str, office: Office, house: Premises, now: datetime) -> Card:  # noqa: C901, PLR0911, PLR0912  # one line for each page
    words, account = visit.words, visit.account
    match which:
        case Page.START:
            return hello.start_card(words)
        case Page.HELP:
            return hello.help_card(words, house.publish)
        case Page.DRAFT:
            return dataset.draft_card(await office.draft(account), words)
        case Page.STATUS:
            return await _status(visit, of, office, house, now)
        case Page.JOBS:
            return jobs.jobs_card(await office.jobs(account), words, now)
        case Page.LOG:
            return jobs.log_card(*await office.log(account, JobId(of) if of else None), words)
        case Page.MODELS:
            return models.models_card(visit.seen(await office.models(account)), account, words)
        case Page.MODEL:
            return await _model(visit, Slug(of), office, house)
        case Page.BALANCE:
            return purse.balance_card(await office.balance(account), words, house.tariff)
        case Page.SETTINGS:
            return settings.settings_card(await office.room(visit.said.identity), words)
        case Page.UPLOAD:
            pages, said = house.pages, visit.said
            link = await pages.upload_link(said.identity, said.address) if pages is not None else None
            return upload.upload_card(link, words)
        case Page.RECEIPTS:
            return purse.receipts_card(await office.receipts(account), words, now)
        case other:
            assert_never(other)


async def _model(visit: Visit, slug: Slug, office: Office, house: Premises) -> Card:
    model = await office.model(visit.account, slug)
    if not visit.seen([model]):
        raise UserFault("no-such-model", slug=slug[:60])
    own, spool = model.account == visit.account, house.spool
    if not visit.said.private:
        return models.shared_card(model, visit.words, spool, own=own)
    kept = await office.kept(visit.account, model.job) if own else []
    return models.model_card(model, visit.words, spool, own=own, kept=kept)


async def _status(visit: Visit, of: str, office: Office, house: Premises, now: datetime) -> Card:
    if not of and not await office.jobs(visit.account, 1):
        return jobs.jobs_card((), visit.words, now)
    job, progress = await office.job(visit.account, JobId(of) if of else None)
    view = view_of(job, progress)
    card = cards.render(view, visit.words, now=now, spool=house.spool, simulated=house.simulated, pace=house.pace)
    if not visit.said.private:
        return jobs.glance(card, over=job.ending is not None)
    return replace(card, final=True)  # the live message is another one; this one shows a moment
