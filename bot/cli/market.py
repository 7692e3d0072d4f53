"""offers, regions, instances, reap: what the market has, what of it is ours, and the end of what nobody owns."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.operate import FAILED, OK, number, operate, print_json

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Trade
    from pipeline.domain.ids import InstanceId
    from pipeline.domain.quote import Explained, Need
    from pipeline.flow.reaper import Claim, Swept

STANDARD_PICTURES = 20
STANDARD_BYTES = 40_000_000
ROUNDS = 12  # times a reap asks: a destroyed rental may stay listed for a minute

Json = Annotated[bool, typer.Option("--json", help="print JSON, and nothing else, on stdout")]
Gpu = Annotated[list[str] | None, typer.Option(help="GPU name, e.g. 'RTX 4090'; may be repeated", show_default=False)]
Region = Annotated[str, typer.Option(help="two letters, e.g. US", show_default=False)]
MaxPrice = Annotated[float | None, typer.Option(min=0, help="dollars an hour, disk included", show_default=False)]
Reliability = Annotated[float | None, typer.Option(min=0, max=1, help="0 to 1", show_default=False)]
Steps = Annotated[int, typer.Option(help="steps of the job that is priced")]
BaseName = Annotated[str, typer.Option(help="its base model")]


class Sort(StrEnum):
    COST = "cost"
    PRICE = "price"
    SPEED = "speed"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation offers --gpu 'RTX 4090' --max-price 0.5 --explain")(offers)
    app.command(epilog="Example: trainstation regions --gpu 'RTX 3090'")(regions)
    app.command(epilog="Example: trainstation instances --json")(instances)
    app.command(epilog="Example: trainstation reap --dry-run")(reap)


def offers(  # noqa: PLR0913  # one parameter an option
    gpu: Gpu = None,
    region: Region = "",
    max_price: MaxPrice = None,
    min_reliability: Reliability = None,
    sort: Annotated[Sort, typer.Option(help="expected cost of the job, price an hour, or time")] = Sort.COST,
    steps: Steps = 2000,
    base: BaseName = "flux1-dev",
    *,
    explain: Annotated[bool, typer.Option("--explain", help="show the sum for the winner and the runner-up")] = False,
    as_json: Json = False,
) -> None:
    """Machines on offer, by what a whole training on them is expected to cost."""

    async def work(trade: "Trade") -> int:
        from bot.cli import marketview  # noqa: PLC0415  # keeps --help quick

        need = narrowed(trade, steps, base, gpu, region, max_price, min_reliability)
        best = await found(trade, need)
        shown = ordered(best, sort)
        if as_json:
            print_json([marketview.offer_row(each, best, why=explain) for each in shown])
        else:
            marketview.show_offers(shown, best, need, explain=explain)
        return OK

    operate(work)


def regions(
    gpu: Gpu = None,
    max_price: MaxPrice = None,
    min_reliability: Reliability = None,
    steps: Steps = 2000,
    base: BaseName = "flux1-dev",
    *,
    as_json: Json = False,
) -> None:
    """GPUs and prices by region."""

    async def work(trade: "Trade") -> int:
        from bot.cli import marketview  # noqa: PLC0415  # keeps --help quick

        groups = marketview.by_region(
            await found(trade, narrowed(trade, steps, base, gpu, "", max_price, min_reliability))
        )  # fmt: skip
        if as_json:
            print_json(groups)
        else:
            marketview.show_regions(groups, steps)
        return OK

    operate(work)


def instances(*, as_json: Json = False) -> None:
    """Every rental of the account: whose it is, how old, what it has cost."""

    async def work(trade: "Trade") -> int:
        from bot.cli import marketview  # noqa: PLC0415  # keeps --help quick

        rows = [claim_row(claim, trade) for claim in await trade.reaper.claims()]
        if as_json:
            print_json(rows)
        else:
            marketview.show_instances(rows)
        return OK

    operate(work)


def reap(
    end: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="end this rental's lease now, too", show_default=False)
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="name them, destroy nothing")] = False,
    as_json: Json = False,
) -> None:
    """Destroy what carries our label and nobody owns, until it is read to be gone. Never asks."""

    async def work(trade: "Trade") -> int:
        from bot.cli import marketview  # noqa: PLC0415  # keeps --help quick
        from bot.cli.operate import complain  # noqa: PLC0415  # keeps --help quick

        if end and not dry_run:
            await end_leases(trade, end)
        swept = await trade.reaper.reap(dry=dry_run, rounds=ROUNDS)
        rows = [doomed_row(claim, trade, swept.left) for claim in swept.doomed]
        if as_json:
            print_json({"dry_run": dry_run, "doomed": rows, "left": [number(each) for each in sorted(swept.left)]})
        else:
            marketview.show_reaped(rows, dry=dry_run)
        if swept.fault is not None:
            complain(swept.fault)
        return code_of(swept, dry=dry_run)

    operate(work)


# --- what they share


def narrowed(
    trade: "Trade",
    steps: int,
    base: str,
    gpu: list[str] | None = None,
    region: str = "",
    max_price: float | None = None,
    min_reliability: float | None = None,
) -> "Need":
    """A standard job on what the operator asks for; without a word, on what the bot itself would rent."""
    from dataclasses import replace  # noqa: PLC0415  # keeps --help quick

    from pipeline.domain.money import micro  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.recipe import Recipe  # noqa: PLC0415  # keeps --help quick
    from pipeline.flow.kit import need_of  # noqa: PLC0415  # keeps --help quick

    recipe = Recipe(trigger="standard", steps=steps, base=base)
    recipe.check()
    need = need_of(recipe, STANDARD_BYTES, STANDARD_PICTURES, trade.house)
    return replace(
        need,
        gpus=frozenset(map(gpu_name, gpu)) if gpu else need.gpus,
        region=region.upper() or need.region,
        max_rate=need.max_rate if max_price is None else micro(max_price),
        min_reliability=need.min_reliability if min_reliability is None else min_reliability,
    )


def gpu_name(said: str) -> str:
    """As the market spells it: "rtx_4090" and "4090" are its "RTX 4090"."""
    name = " ".join(said.replace("_", " ").upper().split())
    name = f"RTX {name}" if name.split(" ")[0].isdigit() else name
    return name.replace(" TI", " Ti").replace(" SUPER", " Super")


async def found(trade: "Trade", need: "Need", *, renting: bool = False) -> list["Explained"]:
    """Sound offers, the cheapest whole job first: exactly the bot's own choice, its history and shuns included."""
    from pipeline.domain.quote import explained  # noqa: PLC0415  # keeps --help quick
    from pipeline.flow.offers import Shelf  # noqa: PLC0415  # keeps --help quick

    shelf = Shelf(provider=trade.provider, store=trade.books.store, clock=trade.books.clock)
    seen = await shelf.look(need, renting=renting)
    return explained(seen.offers, seen.need, seen.shunned)


def ordered(best: list["Explained"], sort: Sort) -> list["Explained"]:
    match sort:
        case Sort.COST:
            return best
        case Sort.PRICE:
            return sorted(best, key=lambda each: each.rate)
        case Sort.SPEED:
            return sorted(best, key=lambda each: each.estimate.seconds)


def claim_row(claim: "Claim", trade: "Trade") -> dict[str, Any]:
    """One rental for people and programs. Age and cost in life's units, the cost by our own meter."""
    from pipeline.domain.money import MICRO  # noqa: PLC0415  # keeps --help quick

    sight = claim.sight
    age = None if sight.since is None else trade.pace.life((trade.books.clock.now() - sight.since).total_seconds())
    return {
        "id": number(sight.instance),
        "label": sight.label,
        "owner": f"{claim.owner} {claim.name}".strip() if claim.owner in {"job", "lease"} else str(claim.owner),
        "status": str(sight.status),
        "gpu": sight.gpu,
        "machine": number(sight.machine),
        "age_seconds": None if age is None else round(age),
        "usd_per_hour": sight.rate / MICRO,
        "usd": None if age is None else round(sight.rate * age / 3600 / MICRO, 4),
    }


def doomed_row(claim: "Claim", trade: "Trade", left: frozenset["InstanceId"]) -> dict[str, Any]:
    return {**claim_row(claim, trade), "why": claim.why, "gone": claim.sight.instance not in left}


async def end_leases(trade: "Trade", names: list[str]) -> None:
    """Make leases end now, by rental or lease id; the sweep that follows destroys what they held."""
    from dataclasses import replace  # noqa: PLC0415  # keeps --help quick

    for lease in await trade.leases.open():
        if lease.id in names or (lease.machine is not None and lease.machine.instance in names):
            await trade.leases.save(replace(lease, until=trade.books.clock.now()))


def code_of(swept: "Swept", *, dry: bool) -> int:
    return FAILED if swept.left and not dry else OK
