"""How rent and session come by a machine: what is asked of the market, the choice, the workbench that takes it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.cli.market import found, narrowed
from bot.cli.operate import say

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Trade
    from pipeline.adapters.ssh import SshHosts
    from pipeline.domain.quote import Explained
    from pipeline.flow.leases import Lease
    from pipeline.flow.workbench import Workbench

TRIES = 3  # hosts that may fail before we do


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the operator wants of the market."""

    offer: str
    hours: float
    gpu: list[str] | None
    region: str
    max_price: float | None
    steps: int = 2000
    base: str = "flux1-dev"


async def choose(trade: "Trade", asked: Asked) -> list["Explained"]:
    """The offer that was named, or all that fit, the best first; [] (and a word about it) when there is none."""
    need = narrowed(trade, asked.steps, asked.base, asked.gpu, asked.region, asked.max_price)
    fit = await found(trade, need, renting=True)
    chosen = [each for each in fit if asked.offer in {"", each.offer.id}]
    if not chosen:
        say("ops-unknown-offer" if asked.offer else "ops-no-offers")
    return chosen


def workbench(trade: "Trade") -> "Workbench":
    from pipeline.flow.workbench import Workbench  # noqa: PLC0415  # keeps --help quick

    told: list[str] = []

    def tell(phase: str) -> None:
        if told[-1:] != [phase]:
            told.append(phase)
            say(f"ops-{phase}")

    return Workbench(
        leases=trade.leases, provider=trade.provider, hosts=hosts_of(trade), house=trade.house,
        clock=trade.books.clock, pace=trade.pace, dice=trade.books.dice, tell=tell,
    )  # fmt: skip


def hosts_of(trade: "Trade") -> "SshHosts":
    from pipeline.adapters.ssh import SshHosts  # noqa: PLC0415  # keeps --help quick

    return SshHosts(trade.books.settings.ssh_key)


async def taken(trade: "Trade", bench: "Workbench", asked: Asked, chosen: list["Explained"]) -> "Lease":
    """Credit checked, then a machine. A named offer is the only one that is tried."""
    from datetime import timedelta  # noqa: PLC0415  # keeps --help quick

    from pipeline.domain.faults import OperatorFault  # noqa: PLC0415  # keeps --help quick

    if await trade.provider.credit() < chosen[0].rate * asked.hours:
        raise OperatorFault("market-credit")
    need = narrowed(trade, asked.steps, asked.base, asked.gpu, asked.region, asked.max_price)
    return await bench.take([each.offer for each in chosen[:10]], need, timedelta(hours=asked.hours), TRIES)
