"""What operators' commands need, quick to open: the store with what lives in it, and the market. No chat, no box."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.adapters import providers
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.discover import discover
from pipeline.adapters.redact import secrets
from pipeline.adapters.stores.sqlite import SqliteStore
from pipeline.domain.ids import spell
from pipeline.domain.money import Points
from pipeline.flow.accounts import Accounts
from pipeline.flow.catalogue import Catalogue
from pipeline.flow.leases import Leases
from pipeline.flow.ledger import Ledger
from pipeline.flow.reaper import Reaper
from pipeline.flow.records import COLLECTIONS
from pipeline.ports import Clock, House, Pace, Provider, Store
from pipeline.settings import BadSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What needs no network: the store, money and people. Enough for `grant`, beside a running bot."""

    settings: Settings
    clock: Clock
    dice: random.Random
    store: Store
    ledger: Ledger
    accounts: Accounts
    catalogue: Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Books and the market: what operators' commands need. Beside a running bot, too."""

    books: Books
    house: House
    provider: Provider
    pace: Pace
    leases: Leases
    reaper: Reaper


@asynccontextmanager
async def books(settings: Settings) -> AsyncIterator[Books]:
    """Open the store and what lives in it alone."""
    secrets.learn(*settings.secrets)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = await SqliteStore.open(settings.data_dir / "trainstation.db", COLLECTIONS)
    try:
        clock, dice = SystemClock(), random.SystemRandom()
        ledger = Ledger(store, clock, dice)
        yield Books(
            settings=settings, clock=clock, dice=dice, store=store, ledger=ledger, catalogue=Catalogue(store),
            accounts=Accounts(store, ledger, clock, dice, Points(settings.welcome_points)),
        )  # fmt: skip
    finally:
        await store.close()


@asynccontextmanager
async def trade(settings: Settings) -> AsyncIterator[Trade]:
    """Open the store and the market; no runner's lock, no key pair, no hub."""
    async with books(settings) as open_books:
        house = settings.house(f"ts-{await installation(open_books.store, open_books.dice)}")
        provider = the(discover(providers, settings), "VAST_API_KEY")
        store, clock, pace = open_books.store, open_books.clock, settings.rhythm()
        leases = Leases(store=store, provider=provider, clock=clock, pace=pace, house=house)
        reaper = Reaper(store=store, provider=provider, clock=clock, pace=pace, house=house, leases=leases)
        try:
            yield Trade(
                books=open_books, house=house, provider=provider, pace=pace, leases=leases, reaper=reaper
            )  # fmt: skip
        finally:
            await provider.close()


async def installation(store: Store, dice: random.Random) -> str:
    """This installation's id: made once, in every label: two bots on one account leave each other's boxes alone."""
    await store.create("settings", "installation", {"id": spell(dice.getrandbits(40), 8)})
    doc = await store.get("settings", "installation")
    assert doc is not None
    return str(doc["id"])


def the(found: Mapping[str, Any], setting: str) -> Any:
    """The plugin there must be."""
    if not found:
        raise BadSettings(f"{setting}: is not set")
    return next(iter(found.values()))
