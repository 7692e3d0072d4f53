"""rent, session: a machine for an operator's own hands, under a lease that ends by itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.market import BaseName, Gpu, Json, MaxPrice, Region, Steps, found, narrowed
from bot.cli.operate import FAILED, OK, number, operate, print_json

if TYPE_CHECKING:  # keeps --help quick
    from bot.assembly import Trade
    from pipeline.adapters.ssh import SshHosts
    from pipeline.domain.quote import Explained
    from pipeline.flow.leases import Lease
    from pipeline.flow.workbench import Workbench

TRIES = 3  # hosts that may fail before we do

Offer = Annotated[str, typer.Argument(metavar="[OFFER]", help="an offer's id; --best takes the first of offers")]
Best = Annotated[bool, typer.Option("--best", help="the offer that wins")]
Hours = Annotated[float, typer.Option(min=0.05, max=240, help="the lease: then the machine is ended")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be rented, rent nothing")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation rent --best --hours 4 --gpu 'RTX 4090'")(rent)
    app.command(epilog="Example: trainstation session --dataset pictures/ --config my.yaml --hours 3")(session)


def rent(
    offer: Offer = "",
    hours: Hours = 2.0,
    gpu: Gpu = None,
    region: Region = "",
    max_price: MaxPrice = None,
    *,
    best: Best = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Rent a machine, wait until it answers and is proved ours, say how to reach it. Its lease ends it."""
    if bool(offer) == best:
        raise typer.BadParameter("give an offer's id, or --best")

    async def work(trade: "Trade") -> int:
        asked = Asked(offer=offer, hours=hours, gpu=gpu, region=region, max_price=max_price)
        chosen = await choose(trade, asked)
        if dry_run or not chosen:
            return tell_dry(chosen, hours, as_json=as_json)
        bench = workbench(trade)
        lease = await taken(trade, bench, asked, chosen)
        tell_rented(trade, lease, as_json=as_json)
        return OK

    operate(work)


def session(  # noqa: PLR0913, PLR0917  # one parameter an option
    offer: Offer = "",
    dataset: Annotated[Path | None, typer.Option(exists=True, help="folder or zip to lay on the machine")] = None,
    config: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="the trainer's, yours")] = None,
    trigger: Annotated[str, typer.Option(help="of the config we write when you bring none")] = "mytrigger",
    steps: Steps = 2000,
    base: BaseName = "flux1-dev",
    hours: Hours = 2.0,
    gpu: Gpu = None,
    region: Region = "",
    max_price: MaxPrice = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="leave it running until its lease ends")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Rent a machine, lay dataset and config on it, and sit down at it. Leaving the shell gives it back."""

    async def work(trade: "Trade") -> int:
        from bot.cli import sitting  # noqa: PLC0415  # keeps --help quick

        asked = Asked(
            offer=offer, hours=hours, gpu=gpu, region=region, max_price=max_price, steps=steps, base=base
        )  # fmt: skip
        luggage = await sitting.packed(trade, dataset, config, trigger, asked)  # what can fail for free, first
        chosen = await choose(trade, asked)
        if dry_run or not chosen:
            return tell_dry(chosen, hours, as_json=as_json)
        bench = workbench(trade)
        lease = await taken(trade, bench, asked, chosen)
        return await sitting.sit(trade, bench, lease, luggage, keep=keep)

    operate(work)


# --- what they share


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


def say(key: str, **facts: str | float) -> None:
    """A sentence on stderr: stdout is for the answer alone."""
    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick

    typer.echo(Words().say(key, **facts), err=True)


async def choose(trade: "Trade", asked: Asked) -> list["Explained"]:
    """The offer that was named, or all that fit, the best first; [] (and a word about it) when there is none."""
    need = narrowed(trade, asked.steps, asked.base, asked.gpu, asked.region, asked.max_price)
    fit = await found(trade, need, renting=True)
    chosen = [each for each in fit if asked.offer in {"", each.offer.id}]
    if not chosen:
        say("ops-unknown-offer" if asked.offer else "ops-no-offers")
    return chosen


def tell_dry(chosen: list["Explained"], hours: float, *, as_json: bool) -> int:
    """What would be rented."""
    from bot.cli import marketview  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.money import MICRO  # noqa: PLC0415  # keeps --help quick

    if not chosen:
        return FAILED
    first = chosen[0]
    most = first.rate * hours / MICRO
    if as_json:
        print_json({"dry_run": True, "usd_most": round(most, 4), **marketview.offer_row(first, chosen, why=False)})
    else:
        say("ops-would-rent", offer=first.offer.id, gpu=first.offer.gpu, most=marketview.usd(most), hours=f"{hours:g}")
    return OK


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


def facts_of(trade: "Trade", lease: "Lease") -> dict[str, Any]:
    """A rented machine for programs."""
    from pipeline.domain.money import MICRO  # noqa: PLC0415  # keeps --help quick

    assert lease.machine is not None
    ways = [{"host": each.host, "port": each.port} for each in lease.machine.endpoints]
    return {
        "id": number(lease.machine.instance), "lease": lease.id, "label": lease.label, "gpu": lease.machine.gpu,
        "usd_per_hour": lease.machine.rate / MICRO, "until": lease.until.isoformat(), "ssh": ways,
        "host_key": lease.machine.host_key, "key": str(trade.books.settings.ssh_key),
    }  # fmt: skip


def tell_rented(trade: "Trade", lease: "Lease", *, as_json: bool) -> None:
    facts = facts_of(trade, lease)
    if as_json:
        print_json(facts)
        return
    way = facts["ssh"][0]
    say("ops-rented", id=str(facts["id"]), gpu=facts["gpu"], until=lease.until.strftime("%H:%M UTC"))
    typer.echo(f"ssh -i {facts['key']} -p {way['port']} root@{way['host']}")
    say("ops-end-early", id=str(facts["id"]))
