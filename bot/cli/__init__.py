"""The operators' command line: a file per group of verbs. Heavy imports happen inside commands."""

import typer

from bot.cli import checkpoints, explain, jobs, logs, market, money, play, render, run, session, train

app = typer.Typer(
    name="trainstation",
    help="Train a LoRA from chat. Try: trainstation demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (play, run, market, session, money, train, jobs, checkpoints, logs, explain, render):
    group.register(app)
