"""render-config: the trainer's config for a recipe, as a job would send it. Nothing is rented, nothing is asked."""

import re
import sys
from typing import Annotated, Final

import typer

from bot.cli.operate import BAD_SETTINGS, guarded, say
from bot.cli.ordering import ordering, read

JOB: Final = re.compile(r"[a-z0-9]{12}")  # as domain/ids.py has it; nothing in it globs or is a trap (facts 0.7)
EXAMPLE: Final = "k3v9q0000000"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation render-config ohwx --base zimage-turbo --preset style --vram 24564")(
        render_config
    )


@ordering
def render_config(
    trigger: Annotated[str, typer.Argument(help="the trigger word")],
    typed: list[str],
    *,
    vram: Annotated[int, typer.Option(min=1, help="MB of the GPU it is for")] = 24_564,
    lower: Annotated[int, typer.Option(min=0, help="more frugal by so many rungs, after out of memory")] = 0,
    home: Annotated[str, typer.Option(help="home folder on the machine")] = "/root",
    job: Annotated[str, typer.Option(help="the job's id, which is its folder and the config's name")] = EXAMPLE,
    caption: Annotated[list[str] | None, typer.Option(help="for sample prompts; may be repeated")] = None,
    at_hub: Annotated[bool, typer.Option("--at-hub", help="name the base by hub id, not by folder")] = False,
) -> None:
    """Print the trainer's config as JSON. It holds neither who may see the model nor what machine is wanted."""
    from pipeline.domain.faults import UserFault  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.ids import JobId  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.recipe import Captions  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.bases import base  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.recipe_config import config  # noqa: PLC0415  # keeps --help quick

    _resumable(home, job)
    try:
        recipe = read(trigger, typed)
        text = config(
            JobId(job), recipe, base(recipe.base), home, vram_mb=vram, lower=lower, at_hub=at_hub,
            captions=() if recipe.captions is Captions.NONE else caption or (),
        )  # fmt: skip
    except UserFault as fault:
        guarded(fault)
    sys.stdout.write(f"{text}\n")


def _resumable(home: str, job: str) -> None:
    """Refuse what makes the trainer begin anew instead of resuming: the rule for a real box's home and a job's id."""
    from pipeline.domain.text import line  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.box import TRAPS, resumable  # noqa: PLC0415  # keeps --help quick

    if not resumable(home):
        say("ops-bad-home", got=line(home, 80), traps=", ".join(TRAPS))
    elif not JOB.fullmatch(job):
        say("ops-bad-job", got=line(job, 80), like=EXAMPLE)
    else:
        return
    raise typer.Exit(BAD_SETTINGS)
