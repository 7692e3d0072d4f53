"""Offers: what the market is asked for and what it sends, as values (facts/vast.md 3). Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.adapters.providers.vast.fields import Row, address, identity, number, price, said_address, word
from pipeline.domain.ids import MachineId, OfferId
from pipeline.domain.money import MICRO, MicroUsd
from pipeline.domain.quote import HOURS_PER_MONTH, Need, Offer

OFFERS: Final = 64  # the market sends no more, whatever is asked for
SLOWEST: Final = 100.0  # Mbit/s: below it a base takes most of an hour, and would push a better offer off the 64
_REGION = re.compile(r"\b([A-Z]{2})\s*$")
_DRIVER = re.compile(r"(\d{1,4})\.(\d{1,3})(?:\.(\d{1,3}))?")


def search(need: Need) -> dict[str, Any]:
    """The body of a search. Every floor in it is checked again at home: the market does not always apply one.

    Nothing of it depends on steps or pictures, and a person's price is applied at home: so that few searches serve all.
    """
    body: dict[str, Any] = {
        "verified": {"eq": True},
        "external": {"eq": False},
        "rentable": {"eq": True},
        "num_gpus": {"eq": 1},
        "gpu_frac": {"gte": need.min_gpu_frac},
        "gpu_ram": {"gte": need.vram_mb},
        "reliability": {"gte": need.min_reliability},
        "direct_port_count": {"gte": 1},
        "inet_down": {"gte": SLOWEST},
        "disk_space": {"gte": need.disk_gb},
        "driver_version": {"gte": need.min_driver},
        "dph_total": {"lte": need.max_rate / MICRO},
        "order": [["dph_total", "asc"]],
        "type": "on-demand",
        "limit": OFFERS,
        "allocated_storage": need.disk_gb,  # without it every price is understated
    }
    gpus, region = need.filters.gpus or need.gpus, need.filters.region or need.region
    if need.ram_mb:
        body["cpu_ram"] = {"gte": need.ram_mb}
    if gpus:
        body["gpu_name"] = {"in": sorted(gpus)}
    if region:
        body["geolocation"] = {"eq": region}
    return body


def read_offers(rows: Iterable[object], need: Need, *, local: bool) -> list[Offer]:
    """Every row that can be understood, in the market's order. `local`: the market itself is on loopback."""
    found = (read_offer(row, need, local=local) for row in rows if isinstance(row, Mapping))
    return [offer for offer in found if offer is not None]


def read_offer(row: Row, need: Need, *, local: bool) -> Offer | None:
    """One offer, or None when it has no id, no machine, no price, or an address that points inward."""
    ask, machine = identity(row, "id", "ask_contract_id"), identity(row, "machine_id")
    if ask is None or machine is None:
        return None
    if said_address(row) and address(row, local=local) is None:
        return None
    rate = gpu_rate(row, need.disk_gb)
    if rate <= 0:
        return None
    return Offer(
        id=OfferId(ask),
        machine=MachineId(machine),
        host=identity(row, "host_id") or "",
        gpu=word(row, "gpu_name"),
        num_gpus=int(number(row, "num_gpus") or 0),
        gpu_frac=number(row, "gpu_frac") or 0.0,
        vram_mb=int(number(row, "gpu_ram") or 0),
        ram_mb=int((number(row, "cpu_ram") or 0.0) * min(1.0, number(row, "gpu_frac") or 0.0)),  # theirs: the machine's
        gpu_rate=rate,
        storage_rate=price(row, "storage_cost"),
        down_mbps=number(row, "inet_down") or 0.0,
        up_mbps=number(row, "inet_up") or 0.0,
        down_per_gb=price(row, "inet_down_cost"),
        up_per_gb=price(row, "inet_up_cost"),
        reliability=number(row, "reliability", "reliability2", most=1.0) or 0.0,
        verified=row.get("verification") == "verified",
        disk_gb=number(row, "disk_space") or 0.0,
        direct_ports=int(number(row, "direct_port_count") or 0),
        driver=driver(row),
        arch=word(row, "cpu_arch", 16),
        region=region(row),
        seconds_left=number(row, "duration") or 0.0,
        address="" if local else address(row, local=False) or "",  # on loopback all machines have the same
    )


def gpu_rate(row: Row, disk_gb: float) -> MicroUsd:
    """The dearer of `dph_base` and what `dph_total` leaves without our disk: neither can be understated alone."""
    disk = round(disk_gb * price(row, "storage_cost") / HOURS_PER_MONTH)
    return MicroUsd(max(price(row, "dph_base"), price(row, "dph_total") - disk))


def driver(row: Row) -> int:
    """570_133_007 for 570.133.07; 0 when unknown. The number is preferred, the text is parsed."""
    known = number(row, "driver_vers")
    if known:
        return int(known)
    parts = _DRIVER.search(word(row, "driver_version"))
    return (
        sum(int(part or 0) * scale for part, scale in zip(parts.groups(), (10**6, 10**3, 1), strict=True))
        if parts
        else 0
    )


def region(row: Row) -> str:
    """The two letters a free text like "Sweden, SE" ends in."""
    found = _REGION.search(word(row, "geolocation", 120))
    return found.group(1) if found else ""
