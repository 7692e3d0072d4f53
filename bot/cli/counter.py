"""The door to the work for operators' commands, beside a running bot: what is asked is stored, its bells hear it."""

import fcntl
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.adapters.foreign import Links
from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import Identity, JobId
from pipeline.domain.job import Address
from pipeline.domain.money import Points
from pipeline.flow.drafts import Drafts
from pipeline.flow.intake import Intake, Terms
from pipeline.flow.journal import load_job
from pipeline.flow.records import job_doc
from pipeline.flow.spool import Spool

if TYPE_CHECKING:
    from bot.books import Trade
    from pipeline.domain.job import Job
    from pipeline.domain.recipe import Recipe
    from pipeline.flow.intake import Offered
    from pipeline.flow.ledger import Ledger
    from pipeline.ports import Store

OPERATOR: Final = Identity("terminal:operator")  # whose account pays; what it lacks is granted, for an operator may
HERE: Final = Address("cli", "operator")  # no platform: nobody is sent a message
CAS_TRIES: Final = 50


class Deaf:
    """The engine of a process that runs no jobs: the runner's own bells hear of them."""

    async def start(self, job: JobId) -> None: ...

    async def nudge(self, job: JobId) -> None: ...


def runs(folder: Path) -> bool:
    """Whether some process runs the jobs of this DATA_DIR."""
    file = folder / "runner.lock"
    if not file.exists():
        return False
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def counter(trade: "Trade") -> Intake:
    """Everything that can be asked for without running it."""
    books, settings = trade.books, trade.books.settings
    spool = Spool(settings.data_dir.resolve() / "spool")
    return Intake(
        store=books.store, clock=books.clock, dice=books.dice, provider=trade.provider,
        workshop=ChildWorkshop(spool.root), ledger=books.ledger, accounts=books.accounts, catalogue=books.catalogue,
        drafts=Drafts(books.store, books.clock), spool=spool, house=trade.house, tariff=settings.tariff(),
        links=Links(spool.root / "links"), engine=Deaf(), hint=lambda: None, pace=trade.pace,
        terms=Terms(jobs_per_person=settings.max_gpus),
    )  # fmt: skip


async def priced(intake: Intake, pictures: Path, recipe: "Recipe") -> "Offered":
    """What training on `pictures` (a folder or a zip) is expected to cost. Nothing is held or rented by asking."""
    account = await intake.account(OPERATOR)
    await intake.clear(account)
    await intake.add(account, pictures)
    return await intake.quote(account, recipe)


async def ordered(intake: Intake, ledger: "Ledger", offered: "Offered", boot_minutes: float | None) -> "Job":
    """The quoted job, started. The operator's own account is given what it lacks."""
    account = await intake.account(OPERATOR)
    missing = offered.quote.ceiling - (await ledger.balance(account)).available
    if missing > 0:
        await ledger.deposit(
            account, f"grant:cli-{offered.digest}", Points(missing), source="grant: trainstation train"
        )
    job = await intake.submit(account, HERE, offered.digest)
    return job if boot_minutes is None else await _patient(intake.store, job, boot_minutes)


async def _patient(store: "Store", job: "Job", minutes: float) -> "Job":
    """Another patience with a machine that boots; whoever tells the job reads it anew."""
    for _ in range(CAS_TRIES):
        wished = replace(job, boot_minutes=minutes, version=job.version + 1)
        if await store.cas("jobs", job.id, job.version, job_doc(wished)):
            return wished
        job = await known(store, job.id)
    raise UserFault("too-late")


async def known(store: "Store", job: str) -> "Job":
    """A job of this DATA_DIR, whoever ordered it. Raises UserFault("no-such-job")."""
    found = await load_job(store, JobId(job))
    if found is None:
        raise UserFault("no-such-job")
    return found
