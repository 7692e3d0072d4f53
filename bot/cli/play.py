"""demo, chat, sandbox: the whole program against a world on loopback. Nothing is rented, nothing is paid."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

Speed = Annotated[float, typer.Option(min=1, help="how many times faster than life the world runs")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation demo pictures.zip")(demo)
    app.command(epilog="Example: trainstation chat")(chat)
    app.command(epilog="Example: trainstation sandbox --env-file sandbox.env")(sandbox)


def demo(
    pictures: Annotated[Path | None, typer.Argument(exists=True, help="a zip or a folder; without it, ours")] = None,
    steps: Annotated[int, typer.Option(min=10, help="training steps")] = 30,
    speed: Speed = 30.0,
) -> None:
    """Watch a whole training in a chat, in about a minute. No account is needed and no GPU is rented."""
    from bot.cli.common import run_until_signal  # noqa: PLC0415  # keeps --help quick
    from bot.cli.theatre import play_demo  # noqa: PLC0415  # keeps --help quick

    raise typer.Exit(run_until_signal(lambda: play_demo(pictures, steps, speed)))


def chat(speed: Speed = 30.0) -> None:
    """The same world by hand: type what you would type in a chat."""
    from bot.cli.common import run_until_signal  # noqa: PLC0415  # keeps --help quick
    from bot.cli.theatre import play_chat  # noqa: PLC0415  # keeps --help quick

    raise typer.Exit(run_until_signal(lambda: play_chat(speed)))


def sandbox(
    env_file: Annotated[Path | None, typer.Option(help="write KEY=value lines for a bot here")] = None,
    speed: Speed = 30.0,
    fault: Annotated[list[str], typer.Option(help="a fault of the market, by name; again: once more")] = [],  # noqa: B006  # typer copies it
) -> None:
    """Start the world alone: market, hosts, hub, each on a free port of this machine, until SIGINT or SIGTERM."""
    from bot.cli.common import run_until_signal  # noqa: PLC0415  # keeps --help quick
    from bot.cli.theatre import keep_sandbox  # noqa: PLC0415  # keeps --help quick
    from pipeline.sandbox.market.faults import KNOWN  # noqa: PLC0415  # keeps --help quick

    if not KNOWN.keys() >= set(fault):
        for name, known in sorted(KNOWN.items(), key=lambda each: each[1].row):
            typer.echo(f"{known.row:3} {name:24} {known.says}", err=True)
        raise typer.Exit(2)
    raise typer.Exit(run_until_signal(lambda: keep_sandbox(env_file, speed, Counter(fault))))
