"""render-config: the trainer's config for a recipe, as a job would send it. Nothing is rented, nothing is asked."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import BAD_SETTINGS
from bot.cli.market import BaseName
from bot.cli.operate import complain

if TYPE_CHECKING:  # keeps --help quick
    from collections.abc import Mapping, Sequence

    from pipeline.domain.recipe import Recipe


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation render-config ohwx --base zimage-turbo --preset style --vram 24564")(
        render_config
    )


def render_config(  # noqa: PLR0913, PLR0917  # one parameter an option
    trigger: Annotated[str, typer.Argument(help="the trigger word")],
    steps: Annotated[str, typer.Option(help="10 to 20000")] = "",
    base: BaseName = "",
    preset: Annotated[str, typer.Option(help="subject, style or character; sets steps, rank and lr")] = "",
    name: Annotated[str, typer.Option(help="the model's name")] = "",
    rank: Annotated[str, typer.Option(help="1 to 128")] = "",
    lr: Annotated[str, typer.Option(help="0.000001 to 0.01")] = "",
    resolution: Annotated[str, typer.Option(help="up to four sizes, e.g. 512,768,1024")] = "",
    save_every: Annotated[str, typer.Option(help="steps between saves")] = "",
    samples: Annotated[str, typer.Option(help="0 to 4, of the last step")] = "",
    samples_every: Annotated[str, typer.Option(help="steps between rounds of samples while it trains")] = "",
    captions: Annotated[str, typer.Option(help="auto, keep or none")] = "",
    prompt: Annotated[list[str] | None, typer.Option(help="of a sample, your own; up to four times")] = None,
    publish: Annotated[str, typer.Option(help="hf or private; not in the config")] = "",
    region: Annotated[str, typer.Option(help="two letters; not in the config")] = "",
    gpu: Annotated[str, typer.Option(help="GPU name; not in the config")] = "",
    max_price: Annotated[str, typer.Option(help="dollars an hour; not in the config")] = "",
    *,
    vram: Annotated[int, typer.Option(min=1, help="MB of the GPU it is for")] = 24_564,
    lower: Annotated[int, typer.Option(min=0, help="more frugal by so many rungs, after out of memory")] = 0,
    home: Annotated[str, typer.Option(help="home folder on the machine")] = "/root",
    job: Annotated[str, typer.Option(help="the job's id, which is its folder and the config's name")] = "job",
    caption: Annotated[list[str] | None, typer.Option(help="for sample prompts; may be repeated")] = None,
    at_hub: Annotated[bool, typer.Option("--at-hub", help="name the base by hub id, not by folder")] = False,
) -> None:
    """Print the trainer's config as JSON."""
    from pipeline.domain.faults import UserFault  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.ids import JobId  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.recipe import Captions  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.bases import base as row  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.recipe_config import config  # noqa: PLC0415  # keeps --help quick

    typed = {
        "steps": steps, "base": base, "preset": preset, "name": name, "rank": rank, "lr": lr, "resolution": resolution,
        "save_every": save_every, "samples": samples, "samples_every": samples_every, "captions": captions,
        "publish": publish, "region": region, "gpu": gpu,
        "max_price": max_price,
    }  # fmt: skip
    try:
        recipe = read(trigger, typed, prompt or ())
        text = config(
            JobId(job), recipe, row(recipe.base), home, vram_mb=vram, lower=lower, at_hub=at_hub,
            captions=() if recipe.captions is Captions.NONE else caption or (),
        )  # fmt: skip
    except UserFault as fault:
        complain(fault)
        raise typer.Exit(BAD_SETTINGS) from None
    sys.stdout.write(f"{text}\n")


def read(trigger: str, typed: "Mapping[str, str]", prompts: "Sequence[str]" = ()) -> "Recipe":
    """Read the flags as /train reads its options: one reader, one set of bounds, the same words for a mistake."""
    from bot.talk.effects import Known  # noqa: PLC0415  # keeps --help quick
    from bot.talk.options import recipe  # noqa: PLC0415  # keeps --help quick

    words = [f"{key}={value}" for key, value in typed.items() if value]
    words += [f"prompt={prompt}" for prompt in prompts]
    return recipe([trigger, *words], Known())
