"""A small office in memory: real drafts, digests and ledger, pictures from a table, jobs that never run."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.domain.account import Room
from pipeline.domain.catalogue import Model
from pipeline.domain.checkpoint import Kept
from pipeline.domain.dataset import Inspection, Manifest, Picture
from pipeline.domain.draft import Draft
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId, Identity, JobId, Sha256, Slug
from pipeline.domain.job import Address, Job
from pipeline.domain.ledger import Balance, Deposit, Entry, Hold, State, apply
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.progress import Progress
from pipeline.domain.quote import Quote
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import Wish
from pipeline.flow.intake import Offered
from tests.support.virtual import EPOCH

PRICE = Quote(
    cost=MicroUsd(500_000), ceiling_cost=MicroUsd(700_000), points=Points(6000), ceiling=Points(8400),
    start_seconds=900, seconds=8000, slow_seconds=11_000, gpu="RTX 4090",
)  # fmt: skip


def picture(n: int, caption: str = "") -> Picture:
    return Picture(
        sha256=Sha256(f"{n:064x}"), width=1000 + n, height=600 + n, size=100_000, caption=caption, name=f"{n}.jpg"
    )


def pictures(*numbers: int) -> Inspection:
    return Inspection(tuple(picture(n) for n in numbers))


@dataclass
class Office:
    """`files` says what is in each file that is sent. `raises` is raised once, by whatever is asked next."""

    files: Mapping[Path, Inspection | UserFault] = field(default_factory=dict)
    seconds: float = 0.0  # a link takes
    purse: Points = Points(100_000)
    raises: Exception | None = None
    drafts: dict[AccountId, Draft] = field(default_factory=dict)
    quotes: dict[AccountId, Offered] = field(default_factory=dict)
    filed: list[Job] = field(default_factory=list)
    listed: list[Model] = field(default_factory=list)
    sets: list[Kept] = field(default_factory=list)
    progress: Progress | None = None
    words: list[str] = field(default_factory=list)  # of every trainer
    states: dict[AccountId, State] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    rooms: dict[Identity, Room] = field(default_factory=dict)

    async def account(self, identity: Identity) -> AccountId:
        if self.raises is not None:
            error, self.raises = self.raises, None
            raise error
        account = AccountId(f"account of {identity}")
        if account not in self.states:
            self.states[account] = State(account=account)
            self._move(account, Deposit(key="welcome", points=self.purse, source="welcome", at=EPOCH))
        return account

    async def room(self, identity: Identity) -> Room:
        return self.rooms.get(identity, Room.DM)

    async def choose(self, identity: Identity, room: Room) -> None:
        self.rooms[identity] = room

    async def draft(self, account: AccountId) -> Draft:
        return self.drafts.get(account, Draft(account=account))

    async def add(self, account: AccountId, source: Path) -> tuple[Draft, Inspection]:
        found = self.files.get(source, UserFault("file-missing"))
        if isinstance(found, UserFault):
            raise found
        return self._drafted((await self.draft(account)).with_found(found)), found

    async def bring(self, account: AccountId, url: str) -> tuple[Draft, Inspection]:
        await asyncio.sleep(self.seconds)
        return await self.add(account, Path(url.rpartition("/")[2]))

    async def drop(self, account: AccountId, number: int) -> Draft:
        return self._drafted((await self.draft(account)).without(number))

    async def clear(self, account: AccountId) -> Draft:
        return self._drafted((await self.draft(account)).cleared())

    async def last_recipe(self, account: AccountId) -> Recipe | None:
        return self.quotes[account].recipe if account in self.quotes else None

    async def quote(self, account: AccountId, recipe: Recipe) -> Offered:
        draft = await self.draft(account)
        manifest = Manifest(draft.pictures)
        manifest.check()
        self.quotes[account] = Offered(
            recipe=recipe, manifest=manifest, findings=draft.findings, quote=PRICE, slug=recipe.slug,
            digest=PRICE.digest(manifest.digest, recipe.digest), balance=await self.balance(account),
        )  # fmt: skip
        return self.quotes[account]

    async def submit(self, account: AccountId, address: Address, digest: str) -> Job:
        asked = self.quotes.get(account)
        if asked is None or asked.digest != digest:
            raise UserFault("quote-changed")
        job = JobId(digest[:12])
        for known in self.filed:
            if known.id == job and known.account == account:
                return known
        if Manifest((await self.draft(account)).pictures).digest != asked.manifest.digest:
            raise UserFault("quote-changed")
        self._move(account, Hold(key=f"{job}:hold", points=PRICE.ceiling, job=job, at=EPOCH))
        self.filed.insert(0, Job(
            id=job, account=account, address=address, recipe=asked.recipe, manifest=asked.manifest, quote=PRICE,
            created_at=EPOCH, changed_at=EPOCH,
        ))  # fmt: skip
        await self.clear(account)
        return self.filed[0]

    async def wish(self, account: AccountId, wish: Wish, job: JobId | None, said: str = "") -> Job:
        found, _ = await self.job(account, job)
        wished = replace(found, wish=wish)
        self.filed[self.filed.index(found)] = wished
        return wished

    async def kept(self, account: AccountId, job: JobId) -> list[Kept]:
        return self.sets

    async def take(self, account: AccountId, address: Address, job: JobId, step: int) -> Job:
        origin, _ = await self.job(account, job)
        kept = next((each for each in self.sets if each.checkpoint.step == step), None)
        if kept is None:
            raise UserFault("checkpoint-gone", step=step)
        taken = replace(origin, id=JobId(f"r{origin.id[1:]}"), address=address, of=origin.id, chosen=kept.checkpoint)
        self.filed.insert(0, taken)
        return taken

    async def jobs(self, account: AccountId, limit: int = 10) -> list[Job]:
        return [job for job in self.filed if job.account == account][:limit]

    async def job(self, account: AccountId, job: JobId | None) -> tuple[Job, Progress | None]:
        for own in await self.jobs(account):
            if job in {None, own.id}:
                return own, self.progress
        raise UserFault("no-such-job")

    async def log(self, account: AccountId, job: JobId | None) -> tuple[Job, list[str]]:
        return (await self.job(account, job))[0], self.words

    async def models(self, account: AccountId) -> list[Model]:
        return [model for model in self.listed if model.public or model.account == account]

    async def model(self, account: AccountId, slug: Slug) -> Model:
        for model in await self.models(account):
            if model.slug == slug:
                return model
        raise UserFault("no-such-model", slug=slug)

    async def balance(self, account: AccountId) -> Balance:
        return self.states[account].balance

    async def grant(self, by: Identity, to: Identity, points: int, reason: str, key: str) -> Balance:
        account = await self.account(to)
        self._move(account, Deposit(key=f"grant:{key}", points=Points(points), source=reason, at=EPOCH))
        return await self.balance(account)

    async def receipts(self, account: AccountId) -> list[Entry]:
        return [entry for entry in reversed(self.entries) if entry.account == account]

    def _drafted(self, draft: Draft) -> Draft:
        self.drafts[draft.account] = draft
        return draft

    def _move(self, account: AccountId, command: Deposit | Hold) -> None:
        self.states[account], entry = apply(self.states[account], command)
        self.entries.append(entry)
