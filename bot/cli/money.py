"""grant: points for a person, by their platform identity. Works on the same DATA_DIR while the bot runs."""

import json
import re
from typing import Annotated

import typer

IDENTITY = re.compile(r"(telegram|discord|terminal):[A-Za-z0-9_-]{1,40}")


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation grant telegram:7 100000 --reason test")(grant)


def grant(
    who: Annotated[str, typer.Argument(help="platform:id, never a name")],
    points: Annotated[int, typer.Argument(min=1, help="how many points")],
    reason: Annotated[str, typer.Option(help="kept in the ledger")] = "grant",
    key: Annotated[str, typer.Option(help="the same key never grants twice")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Give somebody points."""
    if not IDENTITY.fullmatch(who):
        raise typer.BadParameter("must be platform:id, for example telegram:7")
    from bot.cli.common import run_until_signal, settings_or_exit  # noqa: PLC0415  # keeps --help quick

    settings = settings_or_exit()

    async def work() -> int:
        from bot.books import books  # noqa: PLC0415  # keeps --help quick
        from pipeline.domain.ids import Identity, spell  # noqa: PLC0415  # keeps --help quick
        from pipeline.domain.money import Points  # noqa: PLC0415  # keeps --help quick

        async with books(settings) as open_books:
            account = await open_books.accounts.made(Identity(who))
            name = key or spell(open_books.dice.getrandbits(60), 12)
            await open_books.ledger.deposit(account, f"grant:{name}", Points(points), source=f"grant: {reason[:80]}")
            balance = await open_books.ledger.balance(account)
        told = {"identity": who, "granted": points, "available": balance.available, "key": name}
        typer.echo(json.dumps(told) if as_json else f"{who}: +{points:,} points, {balance.available:,} available")
        return 0

    raise typer.Exit(run_until_signal(work))
