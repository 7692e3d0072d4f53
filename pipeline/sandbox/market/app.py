"""The market: a Vast.ai on loopback, with machines one can log into."""

import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from aiohttp import web

from pipeline.sandbox.market import wire
from pipeline.sandbox.market.desk import Desk
from pipeline.sandbox.market.faults import Faults
from pipeline.sandbox.market.floor import BOOTED, IMAGE_GB, Floor
from pipeline.sandbox.market.gate import Gate
from pipeline.sandbox.market.holdings import Holdings
from pipeline.sandbox.market.rentals import Rental
from pipeline.sandbox.market.trade import Trade
from pipeline.sandbox.market.wire import Refusal
from pipeline.sandbox.toolkit.standin.modes import MODES


class Market:
    """Runs `speed` times faster than life; its rentals' files lie below `folder`."""

    def __init__(
        self,
        *,
        folder: Path,
        speed: float,
        api_key: str,
        clock: Callable[[], datetime],
        dice: random.Random,
        credit_usd: float = 25.0,
        booted: tuple[float, float] = BOOTED,
        image_gb: float = IMAGE_GB,
    ) -> None:
        """`booted`: seconds of life from the last layer to a running container, least and most."""
        self._floor = Floor(folder, speed, clock, dice, credit_usd, booted=booted, image_gb=image_gb)
        gate = Gate(self._floor, api_key)
        app = web.Application()
        for desk in (Trade(self._floor), Holdings(self._floor), Desk(self._floor)):
            for route in desk.routes():
                for path in (route.path, route.path + "/"):
                    app.router.add_route(route.method, path, gate.guard(route))
        app.router.add_route("*", "/{rest:.*}", _nowhere)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def faults(self) -> Faults:
        return self._floor.faults

    @property
    def rentals(self) -> dict[int, Rental]:
        """By id; one that was destroyed stays for a moment."""
        return self._floor.rentals

    @property
    def trainer(self) -> str:
        """Modes of the stand-in trainer, a comma list, for boxes rented from now on. Raises ValueError on others."""
        return self._floor.trainer

    @trainer.setter
    def trainer(self, modes: str) -> None:
        if unknown := set(filter(None, modes.split(","))) - MODES.keys():
            raise ValueError(f"the trainer knows {sorted(MODES)}, not {sorted(unknown)}")
        self._floor.trainer = modes

    @property
    def history(self) -> list[Rental]:
        """Every rental there ever was, those of strangers on the account among them."""
        return self._floor.everyone()

    async def start(self) -> str:
        """Listen on a free port; returns the address, without a slash at its end."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._floor.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self._floor.base

    async def stop(self) -> None:
        """Hang up, and end every box with all that runs in it."""
        await self._runner.cleanup()
        await self._floor.close()

    def live(self) -> int:
        """How many rentals are not destroyed."""
        return len(self._floor.live())


async def _nowhere(_: web.Request) -> web.StreamResponse:
    return wire.refused(Refusal(404, "not_found", "predicate mismatch"))
