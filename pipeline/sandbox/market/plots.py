"""What befalls a rental in the course of its life, by the name of the fault that is its lot. Seconds are life's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from pipeline.sandbox.market.rentals import Rental

if TYPE_CHECKING:
    from pipeline.sandbox.market.floor import Floor

MANIFEST: Final = "Error response from daemon: manifest for {} not found: manifest unknown: manifest unknown"
OCI: Final = "Error response from daemon: OCI runtime create failed: runc create failed: unable to start container"
AWAY: Final = 60.0  # seconds until a host that lost its line, or a rental that was outbid, is back


async def while_pulling(rental: Rental, floor: "Floor") -> None:
    """At the third layer: it had looked alive. Comes back when the pull may go on."""
    if "pull-error" in rental.lot:
        rental.tell(MANIFEST.format(rental.order.image))
    if rental.lot.keys() & {"pull-error", "stuck-loading"}:
        await asyncio.Event().wait()
    await floor.sleep(rental.lot.get("slow-loading", 0.0))


async def before_start(rental: Rental) -> None:
    """Comes back when the container may start."""
    if "oci-error" in rental.lot:
        rental.actual = "created"
        rental.tell(OCI)
        await asyncio.Event().wait()


async def exited(rental: Rental, floor: "Floor") -> None:
    rental.halt(floor.clock())
    rental.actual = "exited"
    await rental.box.stop()


async def offline(rental: Rental, floor: "Floor") -> None:
    rental.halt(floor.clock())
    rental.actual = "offline"
    await rental.box.stop()


async def unknown(rental: Rental, _: "Floor") -> None:
    """Only the market lost sight of it; who is logged in stays so."""
    rental.actual = "unknown"


async def moves(rental: Rental, floor: "Floor") -> None:
    """The line was lost, the work was not: the trainer runs on, and is reached at another address."""
    rental.halt(floor.clock())
    rental.actual = "offline"
    await rental.box.shut_doors()
    await floor.sleep(AWAY)
    rental.box.move()
    await rental.box.open_doors()
    rental.actual, rental.running_since, rental.mapped = "running", floor.clock(), True


async def stopped(rental: Rental, floor: "Floor") -> None:
    rental.halt(floor.clock())
    rental.actual = rental.intended = rental.cur = rental.next = "stopped"
    await rental.box.stop()


async def resumed(rental: Rental, floor: "Floor") -> None:
    await stopped(rental, floor)
    await floor.sleep(AWAY)
    rental.lot.pop("outbid-resumed")  # once is enough
    floor.start(rental)


async def broke(_: Rental, floor: "Floor") -> None:
    floor.bankrupt()


async def expired(rental: Rental, floor: "Floor") -> None:
    rental.expired = floor.clock()
    await stopped(rental, floor)


async def wiped(rental: Rental, _: "Floor") -> None:
    rental.keys.wipe()


async def rekeyed(rental: Rental, _: "Floor") -> None:
    await rental.box.shut_doors()
    rental.box.new_key()
    await rental.box.open_doors()


PLOTS: Final[Mapping[str, Callable[[Rental, "Floor"], Awaitable[None]]]] = {
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
}


async def unfold(rental: Rental, floor: "Floor") -> None:
    """One after the other, each after its seconds of running."""
    for name, plot in PLOTS.items():
        seconds = rental.lot.get(name)
        if seconds is not None:
            await floor.sleep(seconds)
            await plot(rental, floor)
