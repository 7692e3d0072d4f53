"""What a rental costs so far, by the meter (facts/vast.md 8): GPU while running, disk until the end, pulled bytes."""

from datetime import datetime
from typing import Final

from pipeline.sandbox.market.rentals import Rental
from pipeline.sandbox.market.wire import Row

HOUR: Final = 3600.0


def items(rental: Rental, now: datetime, speed: float) -> list[Row]:
    """The lines of a charge; a second here is `speed` seconds of life, and life's are billed."""
    gpu = rental.seconds_run(now) * speed / HOUR
    disk = ((rental.ended or now) - rental.since).total_seconds() * speed / HOUR
    price = rental.ask.machine.down_cost
    lines = [
        ("gpu", gpu * rental.gpu_rate, f"{gpu:.3f} hours at ${rental.gpu_rate:.3f}/hour"),
        ("disk", disk * rental.disk_rate, f"{disk:.3f} hours at ${rental.disk_rate:.5f}/hour"),
        ("bwd", rental.pulled_gb * price, f"{rental.pulled_gb:.3f} GB at ${price:.4f}/GB"),
    ]
    return [{"type": kind, "amount": round(amount, 6), "description": text} for kind, amount, text in lines if amount]


def amount(rental: Rental, now: datetime, speed: float) -> float:
    """Dollars so far."""
    return float(sum(line["amount"] for line in items(rental, now, speed)))


def charge(rental: Rental, now: datetime, speed: float) -> Row:
    """One row of GET charges."""
    machine = rental.ask.machine
    return {
        "start": rental.since.timestamp(),
        "end": (rental.ended or now).timestamp(),
        "type": "instance",
        "source": f"instance-{rental.id}",
        "description": f"{rental.ask.size}x {machine.gpu.name}",
        "amount": round(amount(rental, now, speed), 6),
        "metadata": {"label": rental.order.label, "machine_id": machine.id},
        "items": items(rental, now, speed),
    }
