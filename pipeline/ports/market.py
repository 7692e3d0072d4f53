"""The market of machines: what is offered, what we rent, what it costs, and whether it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.domain.ids import InstanceId, Label, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.domain.quote import Need, Offer


class Status(StrEnum):
    """A rental as the market tells it, boiled down."""

    BOOTING = "booting"
    RUNNING = "running"
    BROKEN = "broken"  # stopped, exited, offline, or an image that will not pull: nothing good comes of waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One rental as the market shows it now."""

    instance: InstanceId
    machine: MachineId
    label: Label
    status: Status
    endpoints: tuple[Endpoint, ...] = ()  # direct pair first, then the proxy pair; empty while not mapped
    said: str = ""  # the market's status text, cleaned
    since: datetime | None = None  # rented
    gpu: str = ""
    vram_mb: int = 0
    rate: MicroUsd = MicroUsd(0)
    down_mbps: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RentOrder:
    """What to start on an offer. `env` never holds a secret of ours."""

    label: Label
    image: str
    disk_gb: int
    onstart: str
    env: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """A market of machines. An error is never an answer: a list that failed or came short raises."""

    name: str

    async def credit(self) -> MicroUsd:
        """What the account can still spend. OperatorFault("market-key") when the key is wrong."""

    async def offers(self, need: Need, *, fresh: bool = False, renting: bool = False) -> list[Offer]:
        """What is on the market for `need`, cached a minute unless `fresh`. Unchecked: `domain.quote.sound` checks.

        Searches are counted by the day; a part of them is kept for `renting`. OperatorFault("market-searches").
        """

    async def find(self, label: Label) -> Sight | None:
        """The live rental that carries `label`. None was *said* by a whole listing."""

    async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        """Rent. Never repeated by itself.

        Raises HostFault("offer-gone") when somebody was faster, HostSilent("rent-unanswered") when it is not known
        whether it happened (look `find(label)` up), OperatorFault("market-credit") and the like otherwise.
        """

    async def look(self, instance: InstanceId) -> Sight | None:
        """One rental by id; None when the market says it is gone."""

    async def destroy(self, instance: InstanceId) -> None:
        """Ask for it to be destroyed. Idempotent: already gone is success. `look` tells whether it went."""

    async def owned(self) -> list[Sight]:
        """Every rental of the account, all pages."""

    async def charges(self, since: datetime) -> Mapping[InstanceId, MicroUsd]:
        """What the market took for each rental billed since. They come late: an absent one is unknown, not free."""

    async def admit_key(self, public_key: str) -> None:
        """Make the account know our SSH key. Idempotent."""

    async def attach_key(self, instance: InstanceId, public_key: str) -> None:
        """Make one rental know our SSH key: lines from elsewhere are wiped in time. Idempotent."""

    async def close(self) -> None: ...
