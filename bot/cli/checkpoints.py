"""checkpoints, take: what trainings left at home, and making one of them a model."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.jobs import Dry
from bot.cli.market import Json
from bot.cli.operate import OK, operate, print_json, say
from bot.cli.train import Job_

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Trade
    from pipeline.domain.checkpoint import Kept


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation checkpoints k3v9q0000000")(checkpoints)
    app.command(epilog="Example: trainstation take k3v9q0000000 --step 1500 --dry-run")(take)


def checkpoints(job: Job_, *, as_json: Json = False) -> None:
    """Checkpoints of a training that is over: each can become its model, for 30 days."""

    async def work(trade: "Trade") -> int:
        from bot.cli import counter  # noqa: PLC0415  # keeps --help quick

        found = await counter.known(trade.books.store, job)
        kept = await counter.counter(trade).kept(found.account, found.id)
        if as_json:
            print_json([_row(each) for each in kept])
        elif kept:
            _show(kept)
        else:
            say("ops-no-checkpoints", job=found.id)
        return OK

    operate(work)


def take(
    job: Job_,
    step: Annotated[int, typer.Option(min=1, help="of the checkpoint, as `checkpoints` has it")],
    *,
    dry_run: Dry = False,
    as_json: Json = False,
) -> None:
    """Make a kept checkpoint the model: its person is charged what it costs them, and told in their chat."""

    async def work(trade: "Trade") -> int:
        from bot.cli import counter  # noqa: PLC0415  # keeps --help quick
        from pipeline.domain.faults import UserFault  # noqa: PLC0415  # keeps --help quick

        found, intake = await counter.known(trade.books.store, job), counter.counter(trade)
        kept = next((each for each in await intake.kept(found.account, found.id) if each.checkpoint.step == step), None)
        if kept is None:
            raise UserFault("checkpoint-gone", step=step)
        taken = None if dry_run else await intake.take(found.account, found.address, found.id, step)
        live = counter.runs(trade.books.settings.data_dir)
        if as_json:
            print_json({**_row(kept), "job": taken.id if taken else "", "stored": not dry_run, "runner": live})
            return OK
        say("ops-take-dry" if taken is None else "ops-take", job=found.id, step=step, points=kept.price)
        if taken is not None and not live:
            say("ops-wish-later")
        return OK

    operate(work)


def _row(kept: "Kept") -> dict[str, Any]:
    one = kept.checkpoint
    return {
        "training": kept.training, "step": one.step, "sha256": one.sha256, "bytes": one.size, "points": kept.price,
        "current": kept.current, "until": kept.until.isoformat(),
    }  # fmt: skip


def _show(kept: "list[Kept]") -> None:
    from rich import box  # noqa: PLC0415  # keeps --help quick
    from rich.console import Console  # noqa: PLC0415  # keeps --help quick
    from rich.table import Table  # noqa: PLC0415  # keeps --help quick

    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick

    words = Words()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "file", "price", "until", "sha"):
        table.add_column(words.say(f"ops-column-{name}"), no_wrap=name != "sha")
    for each in kept:
        price = words.say("ops-current") if each.current else words.points(each.price)
        one = each.checkpoint
        table.add_row(words.number(one.step), words.size(one.size), price, words.day(each.until), one.sha256[:12])
    Console(highlight=False, markup=False).print(table)
