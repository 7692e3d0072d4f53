"""The composition root: settings -> adapters -> kit -> engine, notifier, desk. The one place where objects meet."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from bot.books import Books, books, installation, the
from bot.desk import Desk, Premises
from bot.ports import Grounds, Mount
from bot.web.links import Links, signing_key
from notifier.modelcard import CardWriter
from notifier.ports import Courier
from notifier.relay import Relay
from notifier.shown import Shown
from notifier.words import Words
from pipeline.adapters import providers, publishers
from pipeline.adapters.discover import discover
from pipeline.adapters.foreign import Links as Fetching
from pipeline.adapters.hub import build as build_hub
from pipeline.adapters.lock import only_runner
from pipeline.adapters.redact import secrets
from pipeline.adapters.ssh import SshHosts
from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.ids import Identity, JobId
from pipeline.domain.job import Job
from pipeline.flow.drafts import Drafts
from pipeline.flow.engine import LocalEngine
from pipeline.flow.intake import Intake, Terms
from pipeline.flow.journal import Journal, load_job
from pipeline.flow.kit import Kit
from pipeline.flow.nursery import Nursery, nursery
from pipeline.flow.retention import Retention
from pipeline.flow.spool import Spool
from pipeline.flow.story import tell
from pipeline.flow.sweeps import Sweeps
from pipeline.ports import Clock, House, Hub, Provider, Publisher
from pipeline.settings import BadSettings, Settings

if TYPE_CHECKING:  # keeps the demo quick
    from bot.web.server import Web


SAID: Final = partial(Words, marked=True)  # what goes to a chat: foreign words in it are known as such


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Everything, running."""

    books: Books
    house: House
    provider: Provider
    intake: Intake
    desk: Desk
    relay: Relay
    shown: Shown
    sweeps: Sweeps
    spool: Spool
    nursery: Nursery
    links: Links

    def grounds(self, platform: str, mount: Mount | None = None) -> Grounds:
        """What chat platform `platform` stands on. `mount` is where its webhook may go, if we have pages at all."""
        public = self.books.settings.public_url is not None
        folder = self.books.settings.data_dir.resolve() / "inbox" / platform
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Grounds(
            store=self.books.store, folder=folder, clock=self.books.clock, words=SAID,
            operators=frozenset(map(Identity, self.books.settings.operators)), office=self.intake,
            reachable=self.relay.reachable,
            pace=self.books.settings.rhythm(), pages=self.links if public else None, mount=mount if public else None,
        )  # fmt: skip


@asynccontextmanager
async def station(settings: Settings, couriers: Mapping[str, Courier]) -> AsyncIterator[Station]:
    """Build everything, run jobs, ring the bells, keep messages true; let go of all of it when the block ends."""
    async with AsyncExitStack() as stack:
        open_books = await stack.enter_async_context(books(settings))
        await stack.enter_async_context(only_runner(settings.data_dir))
        house = settings.house(f"ts-{await installation(open_books.store, open_books.dice)}")
        provider = the(discover(providers, settings), "VAST_API_KEY")
        stack.push_async_callback(provider.close)
        tasks = await stack.enter_async_context(nursery())
        hub = build_hub(settings)
        stack.push_async_callback(hub.close)
        whole = _built(open_books, house, provider, hub, couriers, tasks)
        tasks.start(whole.relay.run(), "relay")
        await stack.enter_async_context(whole.sweeps.ringing())
        yield whole


@asynccontextmanager
async def website(whole: Station) -> AsyncIterator["Web"]:
    """Our pages (where PUBLIC_URL says people reach them), health and metrics. Raises BadSettings."""
    from bot.web.inbox import Inbox  # noqa: PLC0415  # a demo serves nobody
    from bot.web.server import Site, Web  # noqa: PLC0415  # a demo serves nobody

    settings, store, clock = whole.books.settings, whole.books.store, whole.books.clock
    inbox = Inbox(store, clock, settings.data_dir.resolve() / "inbox" / "web")
    token = settings.telegram_token.get_secret_value() if settings.telegram_token else ""
    site = Site(
        public_url=settings.public_url, bind=settings.web_bind, metrics_bind=settings.metrics_bind, telegram=token
    )
    web = Web(site, whole.links, inbox, store=store, clock=clock, spool=whole.spool.root)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(web.serving(whole.desk.hear))
        except OSError as error:
            raise BadSettings(f"WEB_BIND: {error.strerror}") from None
        yield web


def _built(
    open_books: Books,
    house: House,
    provider: Provider,
    hub: Hub,
    couriers: Mapping[str, Courier],
    tasks: Nursery,
) -> Station:
    settings, store, clock = open_books.settings, open_books.store, open_books.clock
    spool = Spool(settings.data_dir.resolve() / "spool")
    shown = Shown(store)
    relay = Relay(store, shown, couriers, SAID, settings.rhythm(), clock, spool.root, simulated=settings.simulated)
    workshop, fetching = ChildWorkshop(spool.root), Fetching(spool.root / "links")
    fetching.tidy()
    teller = _teller(open_books, house, provider, hub, spool, workshop, relay.wake)
    engine = LocalEngine(teller, tasks, settings.max_gpus, settings.rhythm())
    intake = Intake(
        store=store, clock=clock, dice=open_books.dice, provider=provider, workshop=workshop, links=fetching,
        ledger=open_books.ledger, accounts=open_books.accounts, catalogue=open_books.catalogue,
        drafts=Drafts(store, clock), spool=spool, house=house, tariff=settings.tariff(), engine=engine, hint=relay.wake,
        pace=settings.rhythm(),
        terms=Terms(
            quote_life=timedelta(minutes=settings.quote_minutes), jobs_per_person=settings.max_jobs_per_person
        ),
    )  # fmt: skip
    sweeps = Sweeps(
        clock=clock, pace=settings.rhythm(), store=store, provider=provider, ledger=open_books.ledger, engine=engine,
        house=house, retention=Retention(store=store, clock=clock, spool=spool),
    )  # fmt: skip
    links = Links(store, clock, signing_key(settings.data_dir / "web.key"), settings.public_url or "")
    return Station(
        books=open_books, house=house, provider=provider, intake=intake, relay=relay, shown=shown, sweeps=sweeps,
        spool=spool, nursery=tasks, desk=_desk(settings, clock, intake, couriers, spool, links), links=links,
    )  # fmt: skip


def _desk(
    settings: Settings, clock: Clock, intake: Intake, couriers: Mapping[str, Courier], spool: Spool, links: Links
) -> Desk:
    return Desk(
        intake, couriers, SAID, clock,
        Premises(
            spool=spool.root, tariff=settings.tariff(), publish=settings.default_publish, simulated=settings.simulated,
            pace=settings.rhythm(), operators=frozenset(map(Identity, settings.operators)),
            pages=links if settings.public_url is not None else None,
        ),
    )  # fmt: skip


def _teller(
    open_books: Books,
    house: House,
    provider: Provider,
    hub: Hub,
    spool: Spool,
    workshop: ChildWorkshop,
    hint: Callable[[], None],
) -> Callable[[JobId], Awaitable[None]]:
    """How this process tells a stored job."""
    settings, store, clock = open_books.settings, open_books.store, open_books.clock
    hosts = SshHosts(settings.ssh_key)
    publisher: Publisher = the(discover(publishers, settings), "HF_TOKEN")
    scribe = CardWriter(Words())

    def kit(job: Job) -> Kit:
        return Kit(
            clock=clock, dice=open_books.dice, pace=settings.rhythm(), store=store, provider=provider, hosts=hosts,
            hub=hub, publisher=publisher, workshop=workshop, scribe=scribe, ledger=open_books.ledger,
            catalogue=open_books.catalogue, spool=spool, house=house, tariff=settings.tariff(),
            journal=Journal(store, clock, job, hint),
        )  # fmt: skip

    async def tell_stored(job: JobId) -> None:
        stored = await load_job(store, job)
        if stored is not None and not stored.over:
            if stored.machine is not None and stored.machine.key:
                secrets.learn(stored.machine.key)  # after a restart, too, no log may hold it
            await tell(stored, kit(stored))

    return tell_stored
