"""train, watch: a training ordered from the command line, and any training followed to its end."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bot.cli.market import Json
from bot.cli.operate import OK, guarded, operate, print_json, say
from bot.cli.ordering import ordering, read

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Books, Trade
    from pipeline.domain.job import Job
    from pipeline.domain.recipe import Recipe
    from pipeline.flow.intake import Intake, Offered

UNFINISHED: Final = -1  # no exit code: nobody leaves with it
Job_ = Annotated[str, typer.Argument(metavar="JOB", help="its id, as `jobs` has it")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation train pictures/ --trigger ohwx --name mycat --steps 2000 --watch")(train)
    app.command(epilog="Example: trainstation watch k3v9q0000000 --json")(watch)


@ordering
def train(
    pictures: Annotated[Path, typer.Argument(metavar="DIR", exists=True, help="a folder or a zip of pictures")],
    trigger: Annotated[str, typer.Option(help="the trigger word")],
    typed: list[str],
    ssh_timeout: Annotated[
        float | None, typer.Option(min=5, metavar="MIN", help="patience with a machine that boots", show_default=False)
    ] = None,
    *,
    watch: Annotated[
        bool, typer.Option("--watch/--background", help="follow it to its end, or leave it to the running bot")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would cost, start nothing")] = False,
    as_json: Json = False,
) -> None:
    """Train a LoRA on a folder of pictures. Beside a running bot, that bot runs it; else --watch runs it here.

    Exit code 0: the model is there. 1: it failed. 2: a wrong option or setting. 3: the market cannot be read.
    4: stopped or cancelled. 5: --background, and no bot runs on this DATA_DIR.
    """
    from pipeline.domain.faults import Fault  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.bases import base  # noqa: PLC0415  # keeps --help quick

    try:
        recipe = read(trigger, typed)
        base(recipe.base)
    except Fault as fault:
        guarded(fault)
    _ordered(pictures, recipe, ssh_timeout, watch=watch, dry_run=dry_run, as_json=as_json)


def _ordered(
    pictures: Path, recipe: "Recipe", minutes: float | None, *, watch: bool, dry_run: bool, as_json: bool
) -> None:
    from bot.cli import counter, follow  # noqa: PLC0415  # keeps --help quick
    from bot.cli.common import settings_or_exit  # noqa: PLC0415  # keeps --help quick

    live = counter.runs(settings_or_exit("vast_api_key").data_dir)
    if not (live or watch or dry_run):
        say("ops-no-runner")
        raise typer.Exit(follow.NO_RUNNER)

    async def beside(trade: "Trade") -> int:
        return await through(counter.counter(trade), trade.books)

    async def through(intake: "Intake", books: "Books") -> int:
        offered = await counter.priced(intake, pictures, recipe)
        if dry_run:
            _tell_price(offered, as_json=as_json)
            return OK
        job = await counter.ordered(intake, books.ledger, offered, minutes)
        say("ops-job-ordered", job=job.id, slug=offered.slug)
        if watch:
            return await _to_its_end(books, job, as_json=as_json)
        if as_json:
            print_json({"job": job.id, "slug": offered.slug})
        else:
            sys.stdout.write(f"{job.id}\n")
        return OK

    if live or dry_run:
        operate(beside)
    else:
        operate_here(through)


def operate_here(work: Any) -> None:
    """Run `work` in a process that also runs the jobs of this DATA_DIR, until it is done."""
    from bot.cli.operate import operated  # noqa: PLC0415  # keeps --help quick

    async def whole(settings: Any) -> int:
        from bot.assembly import station  # noqa: PLC0415  # keeps --help quick

        async with station(settings, {}) as here:
            return int(await work(here.intake, here.books))

    raise typer.Exit(operated(whole, "vast_api_key", "hf_token"))


def _tell_price(offered: "Offered", *, as_json: bool) -> None:
    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.money import MICRO  # noqa: PLC0415  # keeps --help quick

    quote, words = offered.quote, Words()
    for finding in offered.findings:
        typer.echo(words.finding(finding), err=True)
    row = {
        "slug": offered.slug, "pictures": len(offered.manifest.pictures), "steps": offered.recipe.steps,
        "gpu": quote.gpu, "usd": quote.cost / MICRO, "usd_most": quote.ceiling_cost / MICRO, "points": quote.points,
        "points_most": quote.ceiling, "seconds_to_start": round(quote.start_seconds), "seconds": round(quote.seconds),
    }  # fmt: skip
    if as_json:
        print_json(row)
        return
    typer.echo(
        words.say(
            "ops-job-price", slug=offered.slug, pictures=len(offered.manifest.pictures), steps=offered.recipe.steps,
            gpu=quote.gpu, usd=words.usd(quote.cost), most=words.usd(quote.ceiling_cost),
            time=words.duration(quote.seconds),
        )
    )  # fmt: skip


async def _to_its_end(books: "Books", job: "Job", *, as_json: bool) -> int:
    from bot.cli import follow  # noqa: PLC0415  # keeps --help quick

    settings = books.settings
    over = await follow.followed(books, job.id, quiet=as_json)
    if as_json:
        print_json(follow.result(over, settings.data_dir.resolve() / "spool", settings.pace))
    else:
        sys.stdout.write(f"{await follow.last(books, over)}\n")
    return follow.code(over)


def watch(job: Job_, *, as_json: Json = False) -> None:
    """Follow a training to its end. Where no bot runs on this DATA_DIR, this command runs it, and all others there."""
    from bot.cli import counter  # noqa: PLC0415  # keeps --help quick
    from bot.cli.common import settings_or_exit  # noqa: PLC0415  # keeps --help quick
    from bot.cli.operate import read_only  # noqa: PLC0415  # keeps --help quick

    async def seen(books: "Books") -> int:
        return await _to_its_end(books, await counter.known(books.store, job), as_json=as_json)

    async def looked(books: "Books") -> int:
        return OK if (await counter.known(books.store, job)).over else UNFINISHED

    settings = settings_or_exit()
    found = read_only(looked)
    if found not in {OK, UNFINISHED}:
        raise typer.Exit(found)  # told already, and all there is to tell
    if found == OK or counter.runs(settings.data_dir):
        raise typer.Exit(read_only(seen))

    async def here(_intake: "Intake", books: "Books") -> int:
        return await seen(books)

    operate_here(here)
