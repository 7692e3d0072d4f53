"""The only door for bot and command line: drafts, quotes, jobs, wishes. Everything refused here costs nothing."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from pipeline.domain.account import Room
from pipeline.domain.dataset import Finding, Inspection, Manifest
from pipeline.domain.events import StageReached, Wished
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId, Identity, JobId, Slug, spell
from pipeline.domain.job import Address, Job
from pipeline.domain.ledger import Balance
from pipeline.domain.money import Points, Tariff
from pipeline.domain.quote import Quote, quote
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import Wish
from pipeline.flow import deadlines
from pipeline.flow.accounts import Accounts
from pipeline.flow.drafts import Draft, Drafts
from pipeline.flow.grants import Grants
from pipeline.flow.kit import need_of
from pipeline.flow.looks import LIVE, Looks
from pipeline.flow.meant import Meant
from pipeline.flow.offers import Shelf
from pipeline.flow.records import OpenQuote, job_doc, quote_doc, quote_from
from pipeline.flow.stages.common import hold_key
from pipeline.flow.turns import Turns
from pipeline.ports import Engine, Fetcher, House, Pace, Provider, Workshop
from pipeline.trainers.bases import base

CAS_TRIES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A quote as a person is shown it."""

    recipe: Recipe
    manifest: Manifest
    findings: tuple[Finding, ...]
    quote: Quote
    digest: str
    balance: Balance
    slug: Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    quote_life: timedelta = timedelta(minutes=10)
    jobs_per_person: int = 2
    quotes_a_minute: int = 6  # per person: each may cost one of the market's searches of the day


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake(Looks):
    dice: random.Random
    provider: Provider
    workshop: Workshop
    links: Fetcher
    accounts: Accounts
    drafts: Drafts
    house: House
    tariff: Tariff
    terms: Terms
    engine: Engine
    hint: Callable[[], None]
    pace: Pace = field(default_factory=Pace)
    turns: Turns = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", Turns(self.terms.quotes_a_minute))

    # --- drafts

    async def account(self, identity: Identity) -> AccountId:
        return await self.accounts.of(identity)

    async def room(self, identity: Identity) -> Room:
        return await self.accounts.room(identity)

    async def choose(self, identity: Identity, room: Room) -> None:
        await self.accounts.choose(identity, room)

    async def draft(self, account: AccountId) -> Draft:
        return await self.drafts.get(account)

    async def add(self, account: AccountId, source: Path) -> tuple[Draft, Inspection]:
        """Open what was sent, keep what is usable in the draft. Raises UserFault when it is refused whole."""
        found = await self.workshop.inspect(source, self.spool.pictures(account))
        return await self.drafts.add(account, found), found

    async def bring(self, account: AccountId, url: str) -> tuple[Draft, Inspection]:
        """As `add`, of what a link leads to. Also raises what the port Fetcher does."""
        async with self.links.fetched(url) as file:
            return await self.add(account, file)

    async def drop(self, account: AccountId, number: int) -> Draft:
        return await self.drafts.drop(account, number)

    async def clear(self, account: AccountId) -> Draft:
        return await self.drafts.clear(account)

    # --- quotes and jobs

    async def quote(self, account: AccountId, recipe: Recipe) -> Offered:
        """Price the draft. Nothing is rented, held or started by asking."""
        recipe.check()
        base(recipe.base)
        draft = await self.drafts.get(account)
        manifest = Manifest(draft.pictures)
        manifest.check()
        wanted = need_of(recipe, manifest.size, len(manifest.pictures), self.house)
        self.turns.take(account, self.clock.now())
        shelf = Shelf(provider=self.provider, store=self.store, clock=self.clock)
        found = await shelf.look(wanted, account)
        price = quote(found.offers, found.need, self.tariff, found.shunned)
        digest = price.digest(manifest.digest, recipe.digest)
        await self._keep(
            account, OpenQuote(digest=digest, recipe=recipe, manifest=manifest, quote=price, at=self.clock.now())
        )
        return Offered(
            recipe=recipe, manifest=manifest, findings=draft.findings, quote=price, digest=digest,
            balance=await self.ledger.balance(account), slug=recipe.slug,
        )  # fmt: skip

    async def _keep(self, account: AccountId, open_quote: OpenQuote) -> None:
        for _ in range(CAS_TRIES):
            old = await self.store.get("quotes", account)
            if old is None:
                if await self.store.create("quotes", account, quote_doc(open_quote)):
                    return
            elif await self.store.cas("quotes", account, old["version"], quote_doc(open_quote)):
                return
            await asyncio.sleep(0)

    async def last_recipe(self, account: AccountId) -> Recipe | None:
        """The options of the newest quote: what "Change" starts from."""
        doc = await self.store.get("quotes", account)
        return quote_from(doc).recipe if doc else None

    async def submit(self, account: AccountId, address: Address, digest: str) -> Job:
        """Start the job that was quoted under `digest`. Twice the same digest is the same job."""
        doc = await self.store.get("quotes", account)
        if doc is None or quote_from(doc).digest != digest:
            raise UserFault("quote-changed")
        asked = quote_from(doc)
        known = await self._submitted(account, asked)
        if known is not None:
            return known
        await self._allowed(account, asked)
        job = self._job(account, address, asked)
        if not await self._stored(job):
            return await self._own(account, job.id)
        await self.drafts.clear(account)
        return await self._begun(job)

    async def _stored(self, job: Job) -> bool:
        """Store it, then hold its points: who dies in between leaves that to PREPARE. False: it was there."""
        created = await self.store.create("jobs", job.id, job_doc(job))
        if created:
            await self.ledger.hold(job.account, hold_key(job), job.quote.ceiling, job=job.id)
        return created

    async def _begun(self, job: Job) -> Job:
        self.hint()
        await self.engine.start(job.id)
        return job

    async def _submitted(self, account: AccountId, asked: OpenQuote) -> Job | None:
        return await self._maybe(account, _job_id(account, asked))

    async def _allowed(self, account: AccountId, asked: OpenQuote) -> None:
        if self.clock.now() - asked.at > self.terms.quote_life:
            raise UserFault("quote-expired")
        if Manifest((await self.drafts.get(account)).pictures).digest != asked.manifest.digest:
            raise UserFault("quote-changed")
        live = await self.store.find("jobs", equal={"account": account}, among={"stage": LIVE})
        if len(live) >= self.terms.jobs_per_person:
            raise UserFault("too-many-jobs", have=len(live), most=self.terms.jobs_per_person)
        await self._payable(account, asked.quote.ceiling)

    async def _payable(self, account: AccountId, points: Points) -> None:
        have = (await self.ledger.balance(account)).available
        if have < points:
            raise UserFault("not-enough-points", have=have, need=points)

    def _job(self, account: AccountId, address: Address, asked: OpenQuote) -> Job:
        now = self.clock.now()
        job = Job(
            id=_job_id(account, asked), account=account, address=address, recipe=asked.recipe,
            manifest=asked.manifest, quote=asked.quote, created_at=now, changed_at=now,
        )  # fmt: skip
        return job.telling(now, StageReached(stage=job.stage, attempt=job.attempt))

    async def wish(self, account: AccountId, wish: Wish, job: JobId | None, said: str = "") -> Job:
        """Write a wish into a running job and have it read at once. Said again (`said`), it means the job it meant.

        Raises UserFault("no-such-job" | "too-late" | "nothing-to-extend" | "not-extendable").
        """
        again = False
        if job is None and said:
            job, again = await Meant(store=self.store).job(account, said, lambda: self._newest_live(account))
        target = await self._live(account, job)
        if again and target.wish is wish:
            return target
        for _ in range(CAS_TRIES):
            if target.stage.closing or target.over or target.ending is not None:
                raise UserFault("too-late")
            if target.wish is wish or target.wish is Wish.CANCEL:
                return target
            now = self.clock.now()
            if wish is Wish.KEEP:
                wished = deadlines.extended(target, now, self.pace)
            else:
                wished = replace(target, wish=wish).telling(now, Wished(wish=wish))
            wished = replace(wished, version=target.version + 1, changed_at=now)
            if await self.store.cas("jobs", target.id, target.version, job_doc(wished)):
                self.hint()
                await self.engine.nudge(target.id)
                return wished
            await asyncio.sleep(0)
            target = await self._own(account, target.id)
        raise UserFault("too-late")

    async def take(self, account: AccountId, address: Address, job: JobId, step: int) -> Job:
        """Make the kept checkpoint of `step` the model of that training. Asked twice, it is done once.

        Raises UserFault("no-such-job" | "checkpoint-gone" | "checkpoint-chosen" | "release-running" |
        "not-enough-points").
        """
        release = await self._releases.asked(await self._own(account, job), address, step)
        if release.version:
            return release
        await self._payable(account, release.quote.ceiling)
        if await self._stored(release):
            return await self._begun(release)
        other = await self._own(account, release.id)  # pressed at the same moment
        if other.chosen != release.chosen:
            raise UserFault("release-running")
        return other

    async def grant(self, by: Identity, to: Identity, points: int, reason: str, key: str) -> Balance:
        grants = Grants(store=self.store, clock=self.clock, ledger=self.ledger, accounts=self.accounts)
        return await grants.give(by, to, points, reason, key)


def _job_id(account: AccountId, asked: OpenQuote) -> JobId:
    """The same press of Start is the same job: twelve letters from the account, the digest and the quote's moment."""
    seed = hashlib.sha256(f"{account}\0{asked.digest}\0{asked.at.isoformat()}".encode()).digest()
    return JobId(spell(int.from_bytes(seed[:8], "big"), 12))
