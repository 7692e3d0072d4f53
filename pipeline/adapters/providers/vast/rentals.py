"""Rentals: the body that rents, and what the market shows of a machine, as values (facts/vast.md 4, 5). Pure."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.adapters.http import Unanswered
from pipeline.adapters.providers.vast.fields import Row, address, dialable, identity, number, price, said_address, word
from pipeline.domain.ids import InstanceId, Label, MachineId
from pipeline.domain.job import Endpoint
from pipeline.domain.text import line
from pipeline.ports import RentOrder, Sight, Status

PAGE: Final = 25  # the market's own most
BROKEN: Final = frozenset({"stopped", "exited", "offline", "unknown", "frozen", "unloaded", "error"})
PULL_FAILED: Final = (
    "error response from daemon", "failed to pull image", "no space left on device", "manifest unknown",
    "pull access denied", "unauthorized", "toomanyrequests", "unexpected eof", "oci runtime create failed",
    "nvidia-container-cli", "cdi device injection failed",
)  # fmt: skip
_KEY = re.compile(r"[\x21-\x7e]{8,512}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


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
    if state is Status.RUNNING and not ways and said_address(row):
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


def listing(after: str) -> dict[str, str]:
    """The query of one page of all rentals, oldest first, so that a new one lands on the last page."""
    query = {"limit": str(PAGE), "order_by": json.dumps([{"col": "id", "dir": "asc"}])}
    return query | ({"after_token": after} if after else {})


def one(instance: InstanceId) -> dict[str, str]:
    """The query that lists a single rental."""
    return {"select_filters": json.dumps({"id": {"eq": int(instance)}})}
