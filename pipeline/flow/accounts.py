"""From who is speaking to whose account it is; welcome points at the first word, once."""

import random
from dataclasses import replace
from typing import Final

from pipeline.domain.account import Person, Room
from pipeline.domain.ids import AccountId, Identity, spell
from pipeline.domain.money import Points
from pipeline.flow.ledger import Ledger
from pipeline.flow.records import person_doc, person_from
from pipeline.ports import Clock, Store

WELCOME: Final = "welcome"  # the gift's key in the ledger, and its source


class Accounts:
    """Identities point to accounts, which are ours. `welcome` points are given to a new account, 0 for none."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, dice: random.Random, welcome: Points) -> None:
        self._store, self._ledger, self._clock, self._dice, self._welcome = store, ledger, clock, dice, welcome

    async def of(self, identity: Identity) -> AccountId:
        """The account of who is speaking, made and welcomed at the first word. Racing first words are one."""
        person, version = await self._met(identity)
        if not person.welcomed:
            await self._gift(person.account)
            await self._store.cas("identities", identity, version, person_doc(replace(person, welcomed=True)))
        return person.account

    async def made(self, identity: Identity) -> AccountId:
        """The account of `identity`, who may never have spoken: for grants. The welcome stays for their first word."""
        person, _ = await self._met(identity)
        return person.account

    async def known(self, identity: Identity) -> AccountId | None:
        doc = await self._store.get("identities", identity)
        return person_from(doc).account if doc else None

    async def room(self, identity: Identity) -> Room:
        """Where this person wants their trainings told."""
        doc = await self._store.get("identities", identity)
        return person_from(doc).room if doc else Room.DM

    async def choose(self, identity: Identity, room: Room) -> None:
        """From now on their trainings are told in `room`."""
        while True:
            person, version = await self._met(identity)
            if await self._store.cas("identities", identity, version, person_doc(replace(person, room=room))):
                return

    async def _met(self, identity: Identity) -> tuple[Person, int]:
        """Who that is, remembered before we go on, and the version they were read at."""
        doc = await self._store.get("identities", identity)
        if doc is None:
            account = AccountId(spell(self._dice.getrandbits(60), 12))
            person = Person(identity=identity, account=account, since=self._clock.now())
            if await self._store.create("identities", identity, person_doc(person)):
                return person, 0
            return await self._met(identity)  # somebody was faster: theirs counts
        return person_from(doc), doc["version"]

    async def _gift(self, account: AccountId) -> None:
        """Ask before giving: after a crash the operator may have changed the amount, and the first one stays."""
        if self._welcome and await self._ledger.entry(account, WELCOME) is None:
            await self._ledger.deposit(account, WELCOME, self._welcome, source=WELCOME)
