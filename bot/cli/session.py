"""rent, session: a machine for an operator's own hands, under a lease that ends by itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.hiring import Asked, choose, taken, workbench
from bot.cli.market import BaseName, Gpu, Json, MaxPrice, Region, Steps
from bot.cli.operate import FAILED, OK, number, operate, print_json, say

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Trade
    from pipeline.domain.quote import Explained
    from pipeline.flow.leases import Lease

Offer = Annotated[str, typer.Argument(metavar="[OFFER]", help="an offer's id; --best takes the first of offers")]
Wanted = Annotated[str, typer.Argument(metavar="[OFFER]", help="an offer's id; without it, the one that wins")]
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
    offer: Wanted = "",
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
        told = facts_of(trade, lease) if as_json else None
        return await sitting.sit(trade, bench, lease, luggage, keep=keep, told=told)

    operate(work)


# --- what is told


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
