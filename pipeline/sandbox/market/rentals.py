"""One rental: what was ordered, how far it is, and the row the wire shows of it (facts/vast.md 5)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pipeline.sandbox.boxfiles import Build
from pipeline.sandbox.host import Box
from pipeline.sandbox.hub.laying import SCALE
from pipeline.sandbox.market import columns, lies
from pipeline.sandbox.market.gpus import Ask, Machine
from pipeline.sandbox.market.keys import Keyring
from pipeline.sandbox.market.offers import HOURS_PER_MONTH
from pipeline.sandbox.market.wire import Refusal, Row
from pipeline.sandbox.toolkit.standin.modes import MODES

LEAST_DISK: Final = 8.0  # GB
LONGEST_LABEL: Final = 1024
UNKNOWN: Final = ("jupyter_token", "template_id", "template_name")  # null without a template or Jupyter
COMPUTED: Final = frozenset(
    {"dph_total", "dph_base", "num_gpus", "ports", "duration", "uptime_mins"}
)  # no filter takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for. `env` without the ports, which ride among it as keys; `price` makes it interruptible."""

    image: str
    disk: float
    label: str | None
    onstart: str
    env: dict[str, str]
    runtype: str
    price: float | None
    stopped: bool

    def labelled(self, label: str | None) -> "Order":
        return replace(self, label=label)


def read_order(said: Row) -> Order:
    """Raises Refusal as life does: 400 for what it minds, 500 for an image without a tag."""
    image, label, env = said.get("image"), said.get("label"), said.get("env")
    if not isinstance(image, str) or ":" not in image:
        raise Refusal(500, "server_error", "Something went wrong on the server")
    check_label(label)
    try:
        disk = max(float(said.get("disk") or 10), LEAST_DISK)
        price = None if said.get("price") is None else float(said["price"])
    except (TypeError, ValueError):
        raise Refusal(400, "invalid_args", "disk and price are numbers") from None
    return Order(
        image=image,
        disk=disk,
        label=label,
        onstart=str(said.get("onstart") or ""),
        env={str(key): str(value) for key, value in env.items()} if isinstance(env, dict) else {},
        runtype=str(said.get("runtype") or "ssh_proxy"),
        price=price,
        stopped=said.get("target_state") == "stopped",
    )


def check_label(label: Any) -> None:
    """Raises Refusal(400, "label_too_long") or (400, "invalid_args")."""
    if not isinstance(label, str | None):
        raise Refusal(400, "invalid_args", "label is a string")
    if label and len(label) > LONGEST_LABEL:
        raise Refusal(400, "label_too_long", f"label is longer than {LONGEST_LABEL} characters")


@dataclass(slots=True, kw_only=True)
class Rental:
    """`actual`, `intended`, `cur` and `next` are the wire's four states; times are by the market's clock."""

    id: int
    ask: Ask
    order: Order
    key: str  # may start, stop and destroy this rental, nothing else
    box: Box
    keys: Keyring
    since: datetime
    blank: str  # what trails its address on the wire: often nothing, sometimes a newline
    lot: dict[str, float] = field(default_factory=dict)  # faults that are its own, each with its seconds
    hidden: float = 0.0  # the loop's time until which neither list nor look shows it
    queued: bool = False  # asked to start, and told to wait
    expired: datetime | None = None  # its end_date has passed
    actual: str | None = None
    intended: str = "running"
    cur: str = "running"
    next: str = "running"
    said: str | None = None
    mapped: bool = False  # its ports are public
    running_since: datetime | None = None
    ran: float = 0.0  # real seconds of earlier runs
    pulled_gb: float = 0.0
    ended: datetime | None = None  # destroyed; the row lingers
    log: list[str] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one hand at the box's switch at a time

    @property
    def is_bid(self) -> bool:
        return self.order.price is not None

    @property
    def given(self) -> Ask:
        """What the host really gave."""
        return lies.really(self.ask, self.lot)

    @property
    def gpu_rate(self) -> float:
        """$/h while it runs: the bid, or the machine's price."""
        return self.order.price if self.order.price is not None else self.ask.machine.rate * self.ask.size

    @property
    def disk_rate(self) -> float:
        """$/h from creation to destruction."""
        return self.order.disk * self.ask.machine.storage / HOURS_PER_MONTH

    def tell(self, words: str) -> None:
        """A new status text; docker's own lines end in a newline, and so do these."""
        self.said = words + "\n"
        self.log.append(words)

    def halt(self, now: datetime) -> None:
        """It does not run any more; the meter of its GPU stops."""
        if self.running_since is not None:
            self.ran += (now - self.running_since).total_seconds()
        self.running_since = None
        self.mapped = False

    def seconds_run(self, now: datetime) -> float:
        """Real seconds in state running."""
        current = (now - self.running_since).total_seconds() if self.running_since else 0.0
        return self.ran + current

    def row(self, now: datetime) -> Row:
        """As the list and the look by id show it."""
        since, lasts = self.since.timestamp(), self.ask.machine.seconds
        ends = self.expired.timestamp() if self.expired else since + lasts
        return lies.told(
            dict.fromkeys(UNKNOWN)
            | columns.hardware(self.ask if "gpu-lies" in self.lot else self.given)
            | columns.place(self.ask)
            | self._state(now)
            | self._way_in()
            | {
                "id": self.id,
                "label": self.order.label,
                "image_uuid": self.order.image,
                "image_args": [],
                "image_runtype": self.order.runtype,
                "extra_env": [[key, value] for key, value in self.order.env.items()],
                "onstart": self.order.onstart or None,
                "start_date": since,
                "end_date": ends,
                "duration": lasts,
                "disk_space": self.order.disk,
                "dph_base": self.gpu_rate,
                "dph_total": self.gpu_rate + self.disk_rate,
                "storage_total_cost": self.disk_rate,
                "is_bid": self.is_bid,
                "volume_info": [],
            },
            self.lot,
        )

    def _state(self, now: datetime) -> Row:
        up = self.running_since is not None
        return {
            "actual_status": self.actual,
            "intended_status": self.intended,
            "cur_state": self.cur,
            "next_state": self.next,
            "status_msg": self.said,
            "uptime_mins": round(self.seconds_run(now) / 60, 2) if up else None,
            "gpu_util": 0.0 if up else None,
            "gpu_temp": 39.0 if up else None,
            "disk_usage": 0.05 if up else -1,
            "disk_util": 0.05 if up else -1,
        }

    def _way_in(self) -> Row:
        """Two pairs, never to be mixed: `public_ipaddr` with the mapped port, `ssh_host` with `ssh_port`."""
        port = self.box.port if self.mapped else -1
        return {
            "ssh_host": "127.0.0.1",
            "ssh_idx": "5",
            "ssh_port": self.box.proxy_port,
            "machine_dir_ssh_port": 21000,
            "public_ipaddr": self.box.address + self.blank,
            "local_ipaddrs": "10.0.0.5 172.17.0.2 \n",
            "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]} if self.mapped else {},
            "direct_port_start": port,
            "direct_port_end": port,
        }


def build(ask: Ask, order: Order, lot: Mapping[str, float], *, speed: float, trainer: str) -> Build:
    """The box of a rental, as its own programs describe it: truly. `trainer`: faults of every box's trainer."""
    gpu = ask.machine.gpu
    return Build(
        gpu=gpu.driver_name,
        gpus=ask.size,
        vram_mb=gpu.ram_mb,
        driver=ask.machine.driver,
        cuda=ask.machine.cuda,
        disk_gb=order.disk / 2 if "disk-short" in lot else order.disk,
        step_seconds=gpu.step,
        speed=speed,
        line=line(ask.machine, speed) if "slow-line" in lot else 0.0,
        trainer=",".join(filter(None, (trainer, *(name for name in MODES if name in lot)))),
    )


def line(machine: Machine, speed: float) -> float:
    """Bytes a second that it really gets; what comes is as much smaller than life."""
    return machine.honest * machine.down * 1e6 / 8 / SCALE * speed


def environment(rental: Rental, market: str) -> dict[str, str]:
    """What a rental's onstart sees: the order's variables, and the key to its own end."""
    ordered = {key: value for key, value in rental.order.env.items() if key.isidentifier()}
    return ordered | {"CONTAINER_ID": str(rental.id), "CONTAINER_API_KEY": rental.key, "VAST_URL": market}


def home_of(folder: Path, number: int) -> Path:
    return folder / "boxes" / str(number)


def outbid(rental: Rental) -> bool:
    """A bid below the machine's makes a rental all the same: stopped, and its disk is billed."""
    price = rental.order.price
    return price is not None and price < rental.ask.machine.bid * rental.ask.size
