"""The offer book: asks for slices of machines, how they are searched, taken, and come back (facts/vast.md 3)."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from pipeline.sandbox.market import columns
from pipeline.sandbox.market.filters import conditions, fits, ordered
from pipeline.sandbox.market.gpus import Ask, Machine, crowd, park
from pipeline.sandbox.market.wire import Refusal, Row

HOURS_PER_MONTH: Final = 720
MOST: Final = 64  # offers in one answer, whatever `limit` says
SAID_BESIDE: Final = frozenset({"order", "type", "limit", "allocated_storage", "disable_bundling"})
TYPES: Final = frozenset({"on-demand", "ondemand", "bid", "reserved", "interruptible"})
UNKNOWN: Final = (  # null in life more often than not
    "bundled_results", "cluster_id", "hostname", "credit_discount_max", "avail_vol_ask_id", "avail_vol_dph",
)  # fmt: skip
SCOPES: Final[dict[str, Callable[[Row], Any]]] = {  # searched by, but not a field of an offer
    "verified": lambda row: row["verification"] == "verified",
    "datacenter": lambda row: row["hosting_type"] == 1,
    "external": lambda row: bool(row["external"]),
    "geolocation": lambda row: (row["geolocation"] or "")[-2:] or None,
    "driver_version": lambda row: row["driver_vers"],
    "id": lambda _: None,  # matches nothing in life; `ask_contract_id` does
}


class Book:
    """Every ask, and which are taken. `listed`: since when the machines are on the market."""

    def __init__(self, dice: random.Random, listed: datetime) -> None:
        self._listed = listed
        self._next = 12_000_000 + dice.randrange(1_000_000)
        self._dice = dice
        self._asks: dict[int, Ask] = {}
        self._taken: dict[int, Ask] = {}
        self._past: set[int] = set()
        for machine in park(dice):
            for first, size in slices(machine.gpus):
                self._offer(machine, first, size)

    def _offer(self, machine: Machine, first: int, size: int) -> None:
        self._next += self._dice.randint(1, 40)
        self._asks[self._next] = Ask(self._next, machine, first, size)

    def take(self, number: int) -> Ask:
        """Rent it out. Raises Refusal: 404 when there never was such an ask, 410 when it is no longer free."""
        ask = self._asks.get(number)
        if ask is None and number not in self._past:
            msg = f"error 404/3603: no_such_ask Instance type by id {number} is not available."
            raise Refusal(404, "invalid_args", msg, ask_id=number)
        if ask is None or not self._free(ask):
            raise self.gone(number)
        self._taken[number] = self._asks.pop(number)
        self._past.add(number)
        return ask

    @staticmethod
    def gone(number: int) -> Refusal:
        msg = f"error 410/3907: no_such_ask Instance type by id {number} is no longer available."
        return Refusal(410, "no_such_ask", msg, ask_id=number)

    def snatch(self, number: int) -> None:
        """Somebody else was faster: it never comes back."""
        self._past.add(number)
        self._asks.pop(number, None)

    def crowd(self) -> None:
        """Many more good machines come on the market."""
        for machine in crowd(self._dice, 2 * MOST):
            self._offer(machine, 0, 1)

    def spare(self) -> Ask:
        """A free ask, taken: what somebody else on the account rents. Raises StopIteration when all are taken."""
        return self.take(next(ask.id for ask in self._asks.values() if self._free(ask)))

    def give_back(self, ask: Ask) -> None:
        """The same GPUs are offered again, under a new id."""
        if self._taken.pop(ask.id, None):
            self._offer(ask.machine, ask.first, ask.size)

    def put_back(self, ask: Ask) -> None:
        """It was not rented after all: the same ask, under the same id."""
        self._taken.pop(ask.id, None)
        self._past.discard(ask.id)
        self._asks[ask.id] = ask

    def _free(self, ask: Ask) -> bool:
        return not any(ask.overlaps(taken) for taken in self._taken.values())

    def gpu_names(self) -> list[str]:
        return sorted({ask.machine.gpu.name for ask in self._asks.values()})

    def search(self, query: Row, now: datetime) -> list[Row]:
        """Rows of free asks. Raises Refusal(400) on a query life would refuse."""
        kind = query.get("type", "on-demand")
        if kind not in TYPES:
            raise Refusal(400, "invalid_request", f"Error in query parameters: {kind} is not a valid type")
        storage = _number(query, "allocated_storage", 8.0)
        gone = (now - self._listed).total_seconds()
        free = (ask for ask in self._asks.values() if self._free(ask))
        rows = [self.row(ask, storage, gone, bid=kind in {"bid", "interruptible"}) for ask in free]
        filters = {key: value for key, value in query.items() if key not in SAID_BESIDE}
        wanted = conditions(filters, {*rows[0], *SCOPES} if rows else filters)
        found = [row for row in rows if fits(row | {key: scope(row) for key, scope in SCOPES.items()}, wanted)]
        limit = int(_number(query, "limit", MOST))
        return ordered(found, _order(query.get("order")))[: min(limit if limit > 0 else MOST, MOST)]

    def row(self, ask: Ask, storage: float, gone: float, *, bid: bool) -> Row:
        """An ask as the wire shows it, priced for `storage` GB, `gone` seconds after it was listed."""
        listed = self._listed.timestamp()
        unknown = dict.fromkeys(UNKNOWN)
        return (
            unknown
            | columns.hardware(ask)
            | columns.place(ask)
            | prices(ask, storage, bid=bid)
            | {
                "id": ask.id,
                "ask_contract_id": ask.id,
                "is_bid": bid,
                "disk_space": round(ask.machine.disk * ask.size / ask.machine.gpus, 1),
                "reliability": ask.machine.reliability,
                "public_ipaddr": "127.0.0.1",
                "direct_port_start": -1,
                "rentable": True,
                "rented": False,
                "vms_enabled": False,
                "start_date": listed,
                "end_date": listed + ask.machine.seconds,
                "duration": max(0.0, ask.machine.seconds - gone),
                "time_remaining": "",
            }
        )


def hollow(row: Row) -> Row:
    """As little of an offer as life ever showed."""
    kept = {"id", "ask_contract_id", "machine_id", "dph_base", "dph_total"}
    return {key: value if key in kept else None for key, value in row.items()}


def prices(ask: Ask, storage: float, *, bid: bool) -> Row:
    """$/h of the GPUs and of `storage` GB, and the market's scores, which hang on them."""
    machine, gpu = ask.machine, ask.machine.gpu
    base = round((machine.bid if bid else machine.rate) * ask.size, 6)
    disk = storage * machine.storage / HOURS_PER_MONTH
    total = base + disk
    per_dollar = gpu.dlperf * ask.size / total
    return {
        "dph_base": base,
        "dph_total": total,
        "discounted_dph_total": total,
        "search": {"gpuCostPerHour": base, "diskHour": disk, "totalHour": total},
        "storage_total_cost": disk,
        "dlperf_per_dphtotal": round(per_dollar, 4),
        "flops_per_dphtotal": round(gpu.tflops * ask.size / total, 4),
        "score": round(per_dollar * machine.reliability, 4),
    }


def slices(gpus: int) -> Iterator[tuple[int, int]]:
    """(first, size) of every slice a machine is offered in: halves of halves."""
    size = gpus
    while size:
        yield from ((first, size) for first in range(0, gpus, size))
        size //= 2


def _number(query: Row, name: str, default: float) -> float:
    said = query.get(name)
    try:
        return default if said is None else float(said)
    except (TypeError, ValueError):
        raise Refusal(400, "invalid_request", f"Error in query parameters: {name} is not a number") from None


def _order(said: Any) -> list[tuple[str, bool]]:
    """[["dph_total", "asc"], ...]; by `score` when nothing is said. Raises Refusal(400)."""
    pairs = said or [["score", "desc"]]
    try:
        return [(str(column), str(way).lower() == "desc") for column, way in pairs]
    except (TypeError, ValueError):
        raise Refusal(400, "invalid_request", "Error in query parameters: order") from None
