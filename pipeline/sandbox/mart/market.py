"""The market: asks and rentals, money and keys. server.py puts it on the wire."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from pipeline.flow.nursery import Nursery
from pipeline.sandbox.boxfiles import Build
from pipeline.sandbox.host import Box, bare
from pipeline.sandbox.mart.faults import Faults
from pipeline.sandbox.mart.machines import Machine, machines, offer_row
from pipeline.sandbox.mart.rentals import LINGER, Rental
from pipeline.sandbox.mart.server import Server

IMAGE_GB: Final = 20.0
SLOW_LISTING: Final = 20.0  # seconds of life


@dataclass(frozen=True, slots=True)
class Ask:
    """One rentable slice."""

    id: int
    machine: Machine
    gpus: int


class Market:
    """Every second of ours is `speed` seconds of its life. All boxes and their files lie below `folder`."""

    def __init__(
        self,
        *,
        folder: Path,
        speed: float,
        api_key: str,
        clock: Callable[[], datetime],
        dice: random.Random,
        credit_usd: float = 25.0,
        trainer: str = "",
    ) -> None:
        self.api_key, self.speed, self.faults = api_key, speed, Faults()
        self._folder, self._clock, self._dice, self._trainer = folder, clock, dice, trainer
        self._opened = clock()
        self._deposit = credit_usd
        self._ids = itertools.count(7_000_001)
        self._asks: dict[int, Ask] = {}
        self._used: set[int] = set()  # asks that were there once: 410, not 404
        self.rentals: dict[int, Rental] = {}
        self.account_keys: dict[int, str] = {}
        self._boots = Nursery()
        for machine in machines(dice):
            for gpus in machine.slices:
                self._offer(machine, gpus)
        self._server = Server(self)
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Open on a free port; the base URL."""
        self._runner = web.AppRunner(self._server.app(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close, and switch every box off."""
        if self._runner:
            await self._runner.cleanup()
        await self._boots.close()
        async with asyncio.TaskGroup() as group:
            for rental in self.rentals.values():
                group.create_task(rental.box.dismantle())

    # --- time and money

    @property
    def now(self) -> float:
        """Seconds of life since the market opened."""
        return (self._clock() - self._opened).total_seconds() * self.speed

    @property
    def wall(self) -> float:
        return self._clock().timestamp()

    @property
    def credit(self) -> float:
        return self._deposit - sum(sum(rental.cost(self.now)) for rental in self.rentals.values())

    def live(self) -> int:
        """Rentals nobody has destroyed yet."""
        return sum(rental.destroyed is None for rental in self.rentals.values())

    # --- offers

    def offers(self, allocated: float) -> Iterator[dict[str, Any]]:
        self._return_asks()
        return (offer_row(ask.machine, ask.id, ask.gpus, allocated, self.wall) for ask in self._asks.values())

    def _offer(self, machine: Machine, gpus: int) -> None:
        ask = Ask(next(self._ids), machine, gpus)
        self._asks[ask.id] = ask

    def _return_asks(self) -> None:
        """A destroyed rental's slice comes back under a new id, with the same machine."""
        for rental in self.rentals.values():
            if rental.gone(self.now) and not rental.free:
                rental.free = True
                self._offer(rental.machine, rental.gpus)

    # --- rentals

    def was_there(self, ask: int) -> bool:
        return ask in self._used

    def snatch(self, ask: int) -> None:
        """Somebody else took it."""
        self._asks.pop(ask, None)
        self._used.add(ask)

    def rent(self, ask_id: int, order: Mapping[str, Any]) -> Rental | None:
        """Take an ask; None when it is not there. The box boots by itself."""
        ask = self._asks.pop(ask_id, None)
        if ask is None:
            return None
        self._used.add(ask_id)
        number = next(self._ids)
        key = f"{self._dice.getrandbits(256):064x}"
        rental = Rental(
            id=number, machine=ask.machine, gpus=ask.gpus, label=str(order.get("label") or ""),
            image=str(order.get("image") or ""), image_gb=IMAGE_GB, disk=float(order.get("disk") or 8.0),
            onstart=str(order.get("onstart") or ""), runtype=str(order.get("runtype") or "ssh"),
            env={str(name): str(value) for name, value in dict(order.get("env") or {}).items()}, key=key,
            born=self.now, stuck=self.faults.take("stuck-loading"), keys=dict(self.account_keys),
            box=Box(
                self._folder / str(number), self._build(ask), direct=lambda told: self._admits(number, told),
                proxy=lambda told: told in {bare(kept) for kept in self.account_keys.values()},
            ),
        )  # fmt: skip
        if self.faults.take("slow-listing"):
            rental.hidden_until = self.now + SLOW_LISTING
        self.rentals[number] = rental
        self._boots.start(self._boot(rental), f"boot-{number}")
        return rental

    def _build(self, ask: Ask) -> Build:
        machine = ask.machine
        return Build(
            gpu=machine.driver_name, gpus=ask.gpus, vram_mb=machine.gpu_ram, driver=machine.driver_version,
            cuda=machine.cuda, disk_gb=machine.disk_space, step_seconds=machine.step_seconds, speed=self.speed,
            trainer=self._trainer,
        )  # fmt: skip

    def _admits(self, number: int, told: str) -> bool:
        """Direct SSH needs the key in the instance: the account's at its creation, and what was attached since."""
        rental = self.rentals.get(number)
        return rental is not None and told in {bare(kept) for kept in rental.keys.values()}

    async def _boot(self, rental: Rental) -> None:
        """Sleep until it is up, then switch the box on, unless somebody destroyed it meanwhile."""
        if rental.stuck:
            return
        await asyncio.sleep(max(0.0, rental.up_at - self.now) / self.speed)
        if rental.destroyed is None:
            secrets = {"CONTAINER_ID": str(rental.id), "CONTAINER_API_KEY": rental.key}
            await rental.box.start(rental.onstart, secrets)

    def destroy(self, rental: Rental) -> None:
        """Now for the meter; the row lingers, the box goes at once."""
        if rental.destroyed is None:
            rental.destroyed = self.now
            self._boots.start(rental.box.stop(), f"stop-{rental.id}")

    def find(self, number: int) -> Rental | None:
        """A rental that is still shown."""
        rental = self.rentals.get(number)
        return rental if rental is not None and rental.shown(self.now) else None

    def rows(self) -> list[dict[str, Any]]:
        """Every shown rental, by id."""
        now = self.now
        return [
            rental.row(now, self.wall, self.speed) for _, rental in sorted(self.rentals.items()) if rental.shown(now)
        ]

    def new_id(self) -> int:
        return next(self._ids)

    @property
    def linger(self) -> float:
        return LINGER
