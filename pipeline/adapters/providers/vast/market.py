"""Port Provider on Vast.ai. An error is never an answer: what is not understood raises, it is never "none"."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.adapters.http import Unanswered
from pipeline.adapters.providers.vast import asks, errors, fields, rentals
from pipeline.adapters.providers.vast import charges as bill
from pipeline.adapters.providers.vast.board import Board
from pipeline.adapters.providers.vast.client import Line
from pipeline.adapters.redact import secrets
from pipeline.domain.faults import Fault, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.job import Machine
from pipeline.domain.money import MicroUsd, micro
from pipeline.domain.quote import Need, Offer, rate
from pipeline.ports import Pace, RentOrder, Sight, Status

PAGES: Final = 200
NAMED: Final = (2.0, 5.0, 10.0)  # seconds before each look for a rental whose create reply had no id


class Vast:
    """One account. `local`: the market itself is on loopback, so its machines may be too."""

    name = "vast"

    def __init__(self, line: Line, pace: Pace, *, local: bool) -> None:
        self._line = line
        self._pace = pace
        self._local = local
        self._board = Board(self._search, pace)

    async def credit(self) -> MicroUsd:
        """`credit` of the account, in micro-dollars. Raises OperatorFault: "market-key", "market-down"..."""
        said = await self._line.read("user", "GET", "/api/v0/users/current/")
        amount = said.get("credit") if isinstance(said, Mapping) else None
        if isinstance(amount, bool) or not isinstance(amount, int | float) or abs(amount) > 1e9:  # noqa: PLR2004  # a billion is a bug
            raise OperatorFault("market-down", why="unreadable")
        return micro(amount)

    async def offers(self, need: Need, *, fresh: bool = False, renting: bool = False) -> list[Offer]:
        """The market's first 64 for `need`. Any number of callers at once make one search a minute and need."""
        return await self._board.offers(need, fresh=fresh, renting=renting)

    async def _search(self, need: Need, body: dict[str, object]) -> list[Offer]:
        said = await self._line.read("search", "POST", "/api/v0/bundles/", body=body)
        rows = said.get("offers") if isinstance(said, Mapping) else None
        if not isinstance(rows, list):
            raise OperatorFault("market-down", why="unreadable")
        return asks.read_offers(rows, need, local=self._local)

    async def find(self, label: Label) -> Sight | None:
        """The live rental with exactly this label; of several the healthiest, then the oldest."""
        ours = [sight for sight in await self.owned() if sight.label == label]
        return min(ours, key=lambda sight: (sight.status is Status.BROKEN, int(sight.instance)), default=None)

    async def owned(self) -> list[Sight]:
        """All pages. Raises OperatorFault("market-down") when fewer rows came than the market counts."""
        rows: dict[str, Sight] = {}
        after = ""
        for _ in range(PAGES):
            page, after, counted = await self._page(after)
            rows |= {sight.instance: sight for sight in page}
            if not after and len(rows) >= counted:
                return list(rows.values())
            if not after:
                break
        raise OperatorFault("market-down", why="short-list")

    async def _page(self, after: str) -> tuple[list[Sight], str, int]:
        """One page: its rentals, the next page's token ("" on the last one) and how many rows the market counts."""
        said = await self._line.read("list", "GET", "/api/v1/instances/", params=rentals.listing(after))
        if not isinstance(said, Mapping) or "instances" not in said or said.get("success") is False:
            raise OperatorFault("market-down", why="unreadable")
        rows = said["instances"] or []  # null is how an empty page is spelled
        token, *counts = (said.get(key) for key in ("next_token", "instances_found", "total_instances"))
        if not isinstance(rows, list) or not isinstance(token, str | None) or (token and token == after):
            raise OperatorFault("market-down", why="unreadable")
        sights = [rentals.read_sight(row, local=self._local) if isinstance(row, Mapping) else None for row in rows]
        good = [sight for sight in sights if sight is not None]
        if len(good) != len(rows):
            raise OperatorFault("market-down", why="unreadable")
        return good, token or "", max((each for each in counts if isinstance(each, int)), default=0)

    async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        """One PUT, sent once. The reply holds the rental's own key: it is never logged."""
        try:
            reply = await self._line.once("create", "PUT", f"/api/v0/asks/{offer.id}/", body=rentals.order(order))
        except Unanswered as error:
            raise HostSilent("rent-unanswered", why=error.why) from None
        try:
            said = reply.json()
        except Unanswered:
            said = None
        key = rentals.rental_key(said)
        secrets.learn(key)  # before anything of the reply can get into an error
        instance = rentals.rented(said)
        if not isinstance(said, Mapping) or not reply.ok or said.get("success") is False:
            await self._undo(instance)
            fault = HostFault("offer-gone", said=reply.said()) if instance else _refused(errors.refusal(reply))
            if fault.code == "offer-gone":
                self._board.taken(offer.id)
            raise fault
        self._board.taken(offer.id)
        return Machine(
            instance=instance or await self._named(order.label),
            machine=offer.machine,
            host=offer.host,
            gpu=offer.gpu,
            vram_mb=offer.vram_mb,
            rate=rate(offer, need),
            down_per_gb=offer.down_per_gb,
            up_per_gb=offer.up_per_gb,
            down_mbps=offer.down_mbps,
            since=now,
            key=key,
        )

    async def _named(self, label: Label) -> InstanceId:
        """A create that succeeded without an id: its label names it, as soon as it is listed."""
        try:
            for pause in NAMED:
                await asyncio.sleep(self._pace.seconds(pause))
                sight = await self.find(label)
                if sight is not None:
                    return sight.instance
        except OperatorFault as fault:
            raise HostSilent("rent-unanswered", why=fault.code) from None
        raise HostSilent("rent-unanswered", why="no-id")

    async def _undo(self, instance: InstanceId | None) -> None:
        """A refusal that names a rental has made one: it sits there stopped, and bills its disk."""
        if instance is None:
            return
        try:
            await self.destroy(instance)
        except Fault:
            raise HostSilent("rent-unanswered", why="not-undone", instance=instance) from None

    async def look(self, instance: InstanceId) -> Sight | None:
        """By id; when it runs and no port is mapped there, the listing is asked too: by-id answers may lack ports."""
        try:
            reply = await self._line.read("show", "GET", f"/api/v0/instances/{instance}/", params={"owner": "me"})
            row = rentals.shown(reply)
        except Unanswered as error:
            raise OperatorFault("market-down", why=error.why) from None
        except HostFault:  # "rental-gone": by 404, as some accounts see it
            return None
        if row is None:
            return None
        if rentals.status(row) is Status.RUNNING and rentals.mapped(row) is None:
            row = await self._listed(instance) or row
        return rentals.read_sight(row, local=self._local)

    async def _listed(self, instance: InstanceId) -> fields.Row | None:
        said: Any = await self._line.read("list", "GET", "/api/v1/instances/", params=rentals.one(instance))
        rows = said.get("instances") if isinstance(said, Mapping) else None
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, Mapping) and fields.identity(row, "id") == instance:
                return row
        return None

    async def destroy(self, instance: InstanceId) -> None:
        """Ask once, patient with 429. Raises OperatorFault when the market did not say yes."""
        try:
            reply = await self._line.patient("destroy", "DELETE", f"/api/v0/instances/{instance}/", body={})
            if errors.gone(reply):
                return
            said = reply.json() if reply.ok else None
        except Unanswered as error:
            raise OperatorFault("market-down", why=error.why) from None
        if not isinstance(said, Mapping) or said.get("success") is not True:
            raise errors.refusal(reply)

    async def charges(self, since: datetime) -> Mapping[InstanceId, MicroUsd]:
        return await bill.charges(self._line, since)

    async def admit_key(self, public_key: str) -> None:
        """The proxy takes keys of the account only. Asked for first: the market keeps doubles."""
        await self._add_key("/api/v0/ssh/", public_key)

    async def attach_key(self, instance: InstanceId, public_key: str) -> None:
        """Lines that come from elsewhere are wiped when the market refreshes the box's set, hours later."""
        await self._add_key(f"/api/v0/instances/{instance}/ssh/", public_key)

    async def _add_key(self, path: str, public_key: str) -> None:
        body = " ".join(public_key.split()[:2])
        try:
            known = await self._line.patient("keys", "GET", path)
            if known.ok and body in _flat(known.json()):
                return
            reply = await self._line.patient("key", "POST", path, body={"ssh_key": public_key.strip()})
        except Unanswered as error:
            raise OperatorFault("market-down", why=error.why) from None
        if not reply.ok and not errors.already(reply):
            raise errors.refusal(reply)

    async def close(self) -> None:
        await self._line.close()


def _flat(said: object) -> str:
    """All of a list of keys as text: it comes as a list, as an object, or as JSON inside a JSON string."""
    return json.dumps(said).replace("\\/", "/")


def _refused(fault: Fault) -> Fault:
    """A refused rent. What is no clear refusal may have happened all the same."""
    if fault.code in {"market-down", "market-busy"}:
        return HostSilent("rent-unanswered", **fault.facts)
    return fault
