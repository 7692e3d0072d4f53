"""The trading floor: who rents what, and what time does to a rental. Durations are life's, divided by `speed`."""

import asyncio
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.flow.nursery import Nursery
from pipeline.sandbox.host import Box
from pipeline.sandbox.market import billing, lies, plots
from pipeline.sandbox.market.faults import Faults
from pipeline.sandbox.market.gpus import Ask
from pipeline.sandbox.market.keys import Keyring
from pipeline.sandbox.market.offers import Book
from pipeline.sandbox.market.rentals import Order, Rental, build, environment, home_of, outbid, read_order
from pipeline.sandbox.market.wire import Refusal

IMAGE_GB: Final = 20.0  # of the trainer's image, as users report it
LAYERS: Final = 12
SCHEDULED: Final = (1.0, 4.0)  # seconds until a host takes a rental up
BOOTED: Final = (20.0, 60.0)  # from the last layer to a running container
MAPPED: Final = (1.0, 5.0)  # from running to public ports
LINGERS: Final = 4.0  # the row of a destroyed rental


class Floor:
    """`base` is the market's own address, known once it listens."""

    def __init__(
        self,
        folder: Path,
        speed: float,
        clock: Callable[[], datetime],
        dice: random.Random,
        credit: float,
        *,
        booted: tuple[float, float] = BOOTED,
        image_gb: float = IMAGE_GB,
    ) -> None:
        self.speed = speed
        self.clock = clock
        self.faults = Faults()
        self.keys = Keyring()
        self.book = Book(dice, clock())
        self.rentals: dict[int, Rental] = {}
        self.past: list[Rental] = []
        self.base = ""
        self.trainer = ""
        self._folder = folder
        self._dice = dice
        self._credit = credit
        self._booted = booted
        self._image_gb = image_gb
        self._nursery = Nursery()
        self._lives: dict[int, asyncio.Task[None]] = {}
        self._numbers = self._count()

    def _count(self) -> Iterator[int]:
        number = 7_800_000
        while True:
            number += self._dice.randint(1, 30)
            yield number

    def number(self) -> int:
        """A new id, larger than all before."""
        return next(self._numbers)

    def token(self) -> str:
        return f"{self._dice.getrandbits(256):064x}"

    def credit(self) -> float:
        """Dollars left."""
        now = self.clock()
        return self._credit - sum(billing.amount(each, now, self.speed) for each in self.everyone())

    def everyone(self) -> list[Rental]:
        """Every rental there ever was."""
        return [*self.past, *self.rentals.values()]

    def live(self) -> list[Rental]:
        return [rental for rental in self.rentals.values() if rental.ended is None]

    def visible(self) -> list[Rental]:
        """What list and look show now."""
        now = asyncio.get_running_loop().time()
        return [rental for rental in self.rentals.values() if rental.hidden <= now]

    def find(self, number: int) -> Rental:
        """One that may be on its way out. Raises Refusal(404, "no_such_instance")."""
        rental = self.rentals.get(number)
        if rental is None:
            raise Refusal(404, "no_such_instance", f"Instance {number} not found.")
        return rental

    def rent(self, ask: Ask, order: Order) -> Rental:
        """Make the rental and let its life begin; a bid that is too low, or an order to wait, begins stopped."""
        number = self.number()
        keys, lot = Keyring(self.keys.all()), self.faults.lot()
        box = Box(
            home_of(self._folder, number),
            build(lies.really(ask, lot), order, lot, speed=self.speed, trainer=self.trainer),
            direct=keys.admits,
            proxy=self.keys.admits,
        )
        box.swallows, box.proxied = "port-black-hole" in lot, "proxy-refuses" not in lot
        rental = Rental(
            id=number, ask=ask, order=order, key=self.token(), box=box, keys=keys, since=self.clock(),
            blank=self._dice.choice(("", "", "\n")), lot=lot,
        )  # fmt: skip
        self.rentals[number] = rental
        self.hide(rental, lot.get("slow-listing", 0.0))
        if order.stopped or outbid(rental):
            rental.actual = rental.intended = rental.cur = rental.next = "stopped"
        else:
            self._live(rental, first=True)
        return rental

    def hide(self, rental: Rental, seconds: float) -> None:
        """Neither list nor look shows it for so long."""
        rental.hidden = asyncio.get_running_loop().time() + seconds / self.speed

    def appear(self) -> None:
        """Somebody else on the account rents."""
        self.rent(self.book.spare(), read_order({"image": "other:1", "label": "", "target_state": "stopped"}))

    def bankrupt(self) -> None:
        """The credit is gone: whatever runs is stopped."""
        self._credit -= max(0.0, self.credit())
        for rental in self.live():
            if rental.intended == "running":
                self.stop(rental)

    def _live(self, rental: Rental, *, first: bool) -> None:
        self._lives[rental.id] = self._nursery.start(self._life(rental, first=first), f"rental-{rental.id}")

    async def _life(self, rental: Rental, *, first: bool) -> None:
        await self._nap(*SCHEDULED)
        rental.actual = "loading"
        if first:
            await self._pull(rental)
        rental.tell(f"Starting container from {rental.order.image}")
        await self._nap(*self._booted)
        await plots.before_start(rental)
        await rental.box.start(rental.order.onstart, environment(rental, self.base), shut=True)
        rental.actual = "running"
        rental.running_since = self.clock()
        rental.tell(f"success, running {rental.order.image}/ssh")
        await self._come_into_reach(rental)
        await plots.unfold(rental, self)

    async def _come_into_reach(self, rental: Rental) -> None:
        """Doors, then ports on the wire; the other way round where the lot has it so."""
        shut, refused = rental.lot.get("port-refuses"), rental.lot.get("login-refused")
        rental.box.admits_nobody = refused is not None
        if shut is None:
            await rental.box.open_doors()
        await self._nap(*MAPPED)
        await self.sleep(rental.lot.get("ports-late", 0.0))
        rental.mapped = True
        await self.sleep(max(shut or 0.0, refused or 0.0))
        rental.box.admits_nobody = False
        if shut is not None:
            await rental.box.open_doors()

    async def _pull(self, rental: Rental) -> None:
        """Layer by layer, at the bandwidth the machine really has."""
        machine = rental.given.machine
        layer = self._image_gb * 8000 / (machine.honest * machine.down) / LAYERS
        for count in range(LAYERS):
            rental.tell(f"{self._dice.getrandbits(48):012x}: {'Pull complete' if count % 2 else 'Download complete'}")
            if count == 2:  # noqa: PLR2004  # it looked alive before
                await plots.while_pulling(rental, self)
            await self._nap(layer, layer)
            rental.pulled_gb += self._image_gb / LAYERS

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def half_way(self, rental: Rental) -> None:
        """Comes back when its trainer has done half of its steps."""
        while not rental.box.halfway.exists():  # noqa: ASYNC110  # a program of the box tells it, in the only way it has
            await asyncio.sleep(0.02)

    async def _nap(self, least: float, most: float) -> None:
        await asyncio.sleep(self._dice.uniform(least, most) / self.speed)

    def stop(self, rental: Rental) -> None:
        """The container ends, its disk stays, and is billed."""
        rental.halt(self.clock())
        rental.queued = False
        rental.intended = rental.cur = rental.next = "stopped"
        self._nursery.start(self._switch(rental), f"stop-{rental.id}")

    def start(self, rental: Rental) -> None:
        """From stopped to running, without a second pull. Of one that runs or is on its way: nothing."""
        if rental.intended != "running":
            rental.intended = rental.cur = rental.next = "running"
            self._nursery.start(self._switch(rental), f"start-{rental.id}")

    def start_later(self, rental: Rental, seconds: float) -> None:
        """Nobody says when: it runs and bills hours later, unless it was stopped or destroyed meanwhile."""

        async def later() -> None:
            await self.sleep(seconds)
            if rental.ended is None and rental.queued:
                rental.queued = False
                self.start(rental)

        rental.queued = True
        self._nursery.start(later(), f"queued-{rental.id}")

    def reboot(self, rental: Rental) -> None:
        """Stop and start in one, of one that is not stopped."""
        if rental.intended == "running":
            rental.halt(self.clock())
            rental.actual = "rebooting"
            self._nursery.start(self._switch(rental), f"reboot-{rental.id}")

    async def _switch(self, rental: Rental) -> None:
        """Off, and on again if that is what is wanted by now."""
        async with rental.turn:
            if rental.ended is not None:
                return
            await self._end_life(rental)
            await rental.box.stop()
            if rental.intended == "running":
                self._live(rental, first=not rental.pulled_gb)
            else:
                rental.actual = "stopped"

    def destroy(self, rental: Rental) -> None:
        """The meter stops now; the row lingers for a moment, then the GPUs are offered again. Idempotent."""
        if rental.ended is not None:
            return
        rental.halt(self.clock())
        rental.ended = self.clock()
        rental.intended = "stopped"
        rental.cur = rental.next = "unloaded"
        self._nursery.start(self._bury(rental), f"destroy-{rental.id}")

    async def _bury(self, rental: Rental) -> None:
        async with rental.turn:
            await self._end_life(rental)
            await rental.box.dismantle()
        await asyncio.to_thread(shutil.rmtree, home_of(self._folder, rental.id), ignore_errors=True)
        await self.sleep(rental.lot.get("destroy-lingers", LINGERS))
        self.past.append(self.rentals.pop(rental.id))
        self.book.give_back(rental.ask)

    async def _end_life(self, rental: Rental) -> None:
        life = self._lives.pop(rental.id, None)
        if life is not None:
            life.cancel()
            await asyncio.wait([life])

    async def close(self) -> None:
        """End every box; the rentals' files stay for whoever wants to look."""
        await self._nursery.close()
        async with asyncio.TaskGroup() as ending:
            for rental in self.rentals.values():
                ending.create_task(rental.box.dismantle())
