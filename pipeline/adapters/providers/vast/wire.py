"""What the market sends and wants, as pure functions: rows into values, values into bodies (facts/vast.md 3-5)."""

import ipaddress
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.adapters.http import Unanswered, public
from pipeline.domain.ids import InstanceId, Label, MachineId, OfferId
from pipeline.domain.job import Endpoint
from pipeline.domain.money import MICRO, MicroUsd, micro
from pipeline.domain.quote import HOURS_PER_MONTH, Need, Offer
from pipeline.domain.text import line
from pipeline.ports import RentOrder, Sight, Status

Row = Mapping[str, Any]

PAGE: Final = 25  # the market's own most
OFFERS: Final = 64  # it sends no more, whatever is asked for
SLOWEST: Final = 100.0  # Mbit/s: below it a base takes most of an hour, and would push a better offer off the 64
MOST_USD: Final = 10_000.0  # an hour, a GB: beyond this a price is a lie or a bug, and floats stay finite
BROKEN: Final = frozenset({"stopped", "exited", "offline", "unknown", "frozen", "unloaded", "error"})
PULL_FAILED: Final = (
    "error response from daemon", "failed to pull image", "no space left on device", "manifest unknown",
    "pull access denied", "unauthorized", "toomanyrequests", "unexpected eof", "oci runtime create failed",
    "nvidia-container-cli", "cdi device injection failed",
)  # fmt: skip
_ID = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"[\x21-\x7e]{8,512}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_REGION = re.compile(r"\b([A-Z]{2})\s*$")
_DRIVER = re.compile(r"(\d{1,4})\.(\d{1,3})(?:\.(\d{1,3}))?")


def number(row: Row, *keys: str, most: float = 1e12) -> float | None:
    """The first of `keys` that holds a number from 0 to `most`; they come as strings too. None: there is none."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            found = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(found) and 0 <= found <= most:
            return found
    return None


def identity(row: Row, *keys: str) -> str | None:
    """The first of `keys` that is an id: digits only, since it goes into a path."""
    for key in keys:
        value = row.get(key)
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if _ID.fullmatch(text):
            return text
    return None


def word(row: Row, key: str, most: int = 80) -> str:
    value = row.get(key)
    return line(value, most) if isinstance(value, str) else ""


def price(row: Row, *keys: str) -> MicroUsd:
    """Dollars as micro-dollars, 0 when absent."""
    return micro(number(row, *keys, most=MOST_USD) or 0.0)


# Offers -----------------------------------------------------------------------------------------------------------


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
    """One offer, or None when it has no id, no machine, no price, or an address that points inward.

    The GPU's rate is the dearer of `dph_base` and what `dph_total` leaves without our disk, so that neither can be
    understated alone.
    """
    ask, machine = identity(row, "id", "ask_contract_id"), identity(row, "machine_id")
    base, total = number(row, "dph_base", most=MOST_USD), number(row, "dph_total", most=MOST_USD)
    if ask is None or machine is None or (base is None and total is None):
        return None
    if _said_address(row) and address(row, local=local) is None:
        return None
    storage = price(row, "storage_cost")
    disk = round(need.disk_gb * storage / HOURS_PER_MONTH)
    gpu_rate = MicroUsd(max(micro(base or 0.0), micro(total or 0.0) - disk))
    if gpu_rate <= 0:
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
        gpu_rate=gpu_rate,
        storage_rate=storage,
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


# Rentals ----------------------------------------------------------------------------------------------------------


def order(order: RentOrder) -> dict[str, Any]:
    """The body that rents. No `price`: its mere presence makes a rental interruptible.

    `cancel_unavail` true: a rental that cannot start is not kept, stopped and billing.
    """
    return {
        "client_id": "me",
        "image": order.image,
        "env": dict(order.env),  # must be an object; a string of flags is ignored
        "disk": order.disk_gb,
        "label": order.label,
        "onstart": order.onstart,
        "runtype": "ssh_direc ssh_proxy",  # sic: the official client's own spelling
        "cancel_unavail": True,
        "target_state": "running",
    }


def rented(answer: object) -> InstanceId | None:
    """The rental an answer to `order` names, whatever else it says; None: it names none, its label must."""
    if not isinstance(answer, Mapping):
        return None
    inner = answer.get("instances")
    found = identity(answer, "new_contract", "instance_id") or (
        identity(inner, "id") if isinstance(inner, Mapping) else None
    )
    return InstanceId(found) if found else None


def rental_key(answer: object) -> str:
    """The rental's own key in an answer to `order`: it proves the box ours, and lets the box destroy itself."""
    key = answer.get("instance_api_key") if isinstance(answer, Mapping) else None
    return key if isinstance(key, str) and _KEY.fullmatch(key) else ""


def shown(answer: object) -> Row | None:
    """The row of a by-id answer, wrapped or not; None when it says that the rental is gone.

    Raises Unanswered for anything else: not understood is not gone.
    """
    if not isinstance(answer, Mapping) or answer.get("success") is False:
        raise Unanswered("unreadable")
    inner = answer.get("instances", answer)
    if isinstance(inner, list) and len(inner) <= 1:
        inner = inner[0] if inner else None
    if inner is None or (inner == {} and answer):
        return None
    if isinstance(inner, Mapping) and identity(inner, "id"):
        return inner
    raise Unanswered("unreadable")


def read_sight(row: Row, *, local: bool) -> Sight | None:
    """One rental, or None when the row has no id."""
    instance = identity(row, "id", "instance_id", "new_contract")
    if instance is None:
        return None
    state = status(row)
    ways = endpoints(row, local=local) if state is Status.RUNNING else ()
    if state is Status.RUNNING and not ways and _said_address(row):
        state = Status.BROKEN if address(row, local=local) is None else state  # it points us inward: do not wait
    started = number(row, "start_date", most=4e9)
    return Sight(
        instance=InstanceId(instance),
        machine=MachineId(identity(row, "machine_id") or ""),
        label=label(row),
        status=state,
        endpoints=ways,
        said=word(row, "status_msg", 200),
        since=datetime.fromtimestamp(started, UTC) if started else None,
        gpu=word(row, "gpu_name"),
        vram_mb=int(number(row, "gpu_ram") or 0),
        rate=price(row, "dph_total", "dph_base"),
        down_mbps=number(row, "inet_down") or 0.0,
    )


def label(row: Row) -> Label:
    """The label letter by letter. One that would change by cleaning is not ours and counts as none."""
    said = row.get("label")
    return Label(said) if isinstance(said, str) and said == line(said, 256) else Label("")


def status(row: Row) -> Status:
    """Boil the market's three states and its docker text down (facts/vast.md 5)."""
    actual = _state(row, "actual_status" if "actual_status" in row else "cur_state" if "cur_state" in row else "status")
    if actual in BROKEN or _state(row, "intended_status") in BROKEN or _state(row, "cur_state") in BROKEN:
        return Status.BROKEN  # "stopped" everywhere is what being outbid, or out of credit, looks like
    if actual == "running":
        return Status.RUNNING
    said = word(row, "status_msg", 2000).lower()
    return Status.BROKEN if any(token in said for token in PULL_FAILED) else Status.BOOTING


def _state(row: Row, key: str) -> str:
    return word(row, key, 40).lower()


def endpoints(row: Row, *, local: bool) -> tuple[Endpoint, ...]:
    """The direct pair, then the proxy pair; a host and its port are never mixed."""
    direct, port = address(row, local=local), mapped(row)
    pairs = [Endpoint(direct, port)] if direct and port else []
    host, proxy_port = word(row, "ssh_host", 255).lower(), number(row, "ssh_port", most=65_534)
    if (
        host
        and proxy_port
        and _HOST.fullmatch(host)
        and (host.endswith(".vast.ai") or (local and dialable(host, local=True)))
    ):
        jupyter = "jupyter" in word(row, "image_runtype")  # the official client: one port up
        pairs.append(Endpoint(host, int(proxy_port) + jupyter))
    return tuple(dict.fromkeys(pairs))


def mapped(row: Row) -> int | None:
    """The public port of the box's 22/tcp: a string in a list in an object, any of which may be missing."""
    ports = row.get("ports")
    pairs = ports.get("22/tcp") if isinstance(ports, Mapping) else None
    first = pairs[0] if isinstance(pairs, list) and pairs else None
    port = number(first, "HostPort", most=65_535) if isinstance(first, Mapping) else None
    return int(port) if port else None


def address(row: Row, *, local: bool) -> str | None:
    """The box's public address, or None when there is none or it lies about being public."""
    said = _said_address(row)
    return said if dialable(said, local=local) else None


def _said_address(row: Row) -> str:
    return word(row, "public_ipaddr") or word(row, "public_ip")  # comes with blanks and newlines


def dialable(host: str, *, local: bool) -> bool:
    """Whether `host` is an address on the open internet; any address will do when the market itself is on loopback."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return local or public(found)


def listing(after: str) -> dict[str, str]:
    """The query of one page of all rentals, oldest first, so that a new one lands on the last page."""
    query = {"limit": str(PAGE), "order_by": json.dumps([{"col": "id", "dir": "asc"}])}
    return query | ({"after_token": after} if after else {})


def one(instance: InstanceId) -> dict[str, str]:
    """The query that lists a single rental."""
    return {"select_filters": json.dumps({"id": {"eq": int(instance)}})}
