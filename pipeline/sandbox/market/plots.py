"""What befalls a rental in the course of its life, by the name of the fault that is its lot. Seconds are life's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from pipeline.sandbox.market.rentals import Rental

MANIFEST: Final = "Error response from daemon: manifest for {} not found: manifest unknown: manifest unknown"
OCI: Final = "Error response from daemon: OCI runtime create failed: runc create failed: unable to start container"
AWAY: Final = 60.0  # seconds until a host that lost its line, or a rental that was outbid, is back


class Stage(Protocol):
    """What a plot needs of the trading stage."""

    @property
    def clock(self) -> Callable[[], datetime]: ...

    async def sleep(self, seconds: float) -> None: ...

    async def half_way(self, rental: Rental) -> None: ...

    def start(self, rental: Rental) -> None: ...

    def bankrupt(self) -> None: ...


async def while_pulling(rental: Rental, stage: Stage) -> None:
    """At the third layer: it had looked alive. Comes back when the pull may go on."""
    if "pull-error" in rental.lot:
        rental.tell(MANIFEST.format(rental.order.image))
    if rental.lot.keys() & {"pull-error", "stuck-loading"}:
        await asyncio.Event().wait()
    await stage.sleep(rental.lot.get("slow-loading", 0.0))


async def before_start(rental: Rental) -> None:
    """Comes back when the container may start."""
    if "oci-error" in rental.lot:
        rental.actual = "created"
        rental.tell(OCI)
        await asyncio.Event().wait()


async def exited(rental: Rental, stage: Stage) -> None:
    rental.halt(stage.clock())
    rental.actual = "exited"
    await rental.box.stop()


async def offline(rental: Rental, stage: Stage) -> None:
    rental.halt(stage.clock())
    rental.actual = "offline"
    await rental.box.stop()


async def unknown(rental: Rental, _: Stage) -> None:
    """Only the market lost sight of it; who is logged in stays so."""
    rental.actual = "unknown"


async def moves(rental: Rental, stage: Stage) -> None:
    """The line was lost, the work was not: the trainer runs on, and is reached at another address."""
    rental.halt(stage.clock())
    rental.actual = "offline"
    await rental.box.shut_doors()
    await stage.sleep(AWAY)
    rental.box.move()
    await rental.box.open_doors()
    rental.actual, rental.running_since, rental.mapped = "running", stage.clock(), True


async def stopped(rental: Rental, stage: Stage) -> None:
    rental.halt(stage.clock())
    rental.actual = rental.intended = rental.cur = rental.next = "stopped"
    await rental.box.stop()


async def resumed(rental: Rental, stage: Stage) -> None:
    await stopped(rental, stage)
    await stage.sleep(AWAY)
    rental.lot.pop("outbid-resumed")  # once is enough
    stage.start(rental)


async def broke(_: Rental, stage: Stage) -> None:
    stage.bankrupt()


async def expired(rental: Rental, stage: Stage) -> None:
    rental.expired = stage.clock()
    await stopped(rental, stage)


async def vanished(rental: Rental, _: Stage) -> None:
    """Nobody tells the market: its row says running for ever."""
    await rental.box.stop()


async def wiped(rental: Rental, _: Stage) -> None:
    rental.keys.wipe()


async def rekeyed(rental: Rental, _: Stage) -> None:
    await rental.box.shut_doors()
    rental.box.new_key()
    await rental.box.open_doors()


PLOTS: Final[Mapping[str, Callable[[Rental, Stage], Awaitable[None]]]] = {
    "login-wiped": wiped,
    "host-exited": exited,
    "host-offline": offline,
    "host-unknown": unknown,
    "host-moves": moves,
    "outbid": stopped,
    "outbid-resumed": resumed,
    "credit-gone": broke,
    "rental-expired": expired,
    "host-key-changed": rekeyed,
    "vanishes-running": vanished,
    "vanishes-exited": exited,
}
IN_TRAINING: Final = frozenset({"vanishes-running", "vanishes-exited"})  # their seconds begin with half of the steps


async def unfold(rental: Rental, stage: Stage) -> None:
    """One after the other, each after its seconds of running."""
    for name, plot in PLOTS.items():
        seconds = rental.lot.get(name)
        if seconds is not None:
            if name in IN_TRAINING:
                await stage.half_way(rental)
            await stage.sleep(seconds)
            await plot(rental, stage)
