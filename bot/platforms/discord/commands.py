"""The slash commands as Discord shows them: names, options, bounds, suggestions. What is said in them is read as text.

So the bodies are all the same: `said.text_of` spells the command line, and the one dialogue checks it.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.platforms.discord import photos, suggest
from bot.platforms.discord.hearing import Interaction, heard
from notifier.words import Words
from pipeline.domain.recipe import BOUNDS, Preset, Publish

EVERYWHERE: Final = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
ANYBODY: Final = app_commands.AppInstallationType(guild=True, user=True)
HOME: Final = Words()
POINTS_MOST: Final = 10_000_000


def _bounds(option: str) -> tuple[int, int]:
    low, high = BOUNDS[option]
    return int(low), int(high)


Steps = Range[int, *_bounds("steps")]
Rank = Range[int, *_bounds("rank")]
Saves = Range[int, *_bounds("save_every")]
Samples = Range[int, *_bounds("samples")]
Word = Range[str, 1, 100]
Link = Range[str, 1, 2000]


@app_commands.autocomplete(base=suggest.bases, region=suggest.regions, gpu=suggest.gpus)
@app_commands.choices(
    preset=[Choice(name=str(preset), value=str(preset)) for preset in Preset],
    publish=[Choice(name=str(publish), value=str(publish)) for publish in Publish],
)
async def train(
    interaction: Interaction,
    trigger: Word,
    dataset: discord.Attachment | None = None,
    steps: Steps | None = None,
    base: Word | None = None,
    preset: Word | None = None,
    publish: Word | None = None,
    name: Word | None = None,
    rank: Rank | None = None,
    lr: float | None = None,
    resolution: Word | None = None,
    samples: Samples | None = None,
    save_every: Saves | None = None,
    region: Word | None = None,
    gpu: Word | None = None,
    max_price: float | None = None,
    url: Link | None = None,
) -> None:
    await heard(interaction)


async def dataset(interaction: Interaction, drop: Range[int, 1, 500] | None = None, clear: bool | None = None) -> None:
    await heard(interaction)


async def jobs(interaction: Interaction) -> None:
    await heard(interaction)


@app_commands.autocomplete(job=suggest.jobs)
async def status(interaction: Interaction, job: Word | None = None) -> None:
    await heard(interaction)


@app_commands.autocomplete(job=suggest.jobs)
async def log(interaction: Interaction, job: Word | None = None) -> None:
    await heard(interaction)


@app_commands.autocomplete(job=suggest.live_jobs)
async def stop(interaction: Interaction, job: Word | None = None) -> None:
    await heard(interaction)


@app_commands.autocomplete(job=suggest.live_jobs)
async def cancel(interaction: Interaction, job: Word | None = None) -> None:
    await heard(interaction)


async def models(interaction: Interaction) -> None:
    await heard(interaction)


@app_commands.autocomplete(model=suggest.models)
async def model(interaction: Interaction, model: Word) -> None:
    await heard(interaction)


async def balance(interaction: Interaction) -> None:
    await heard(interaction)


async def receipts(interaction: Interaction) -> None:
    await heard(interaction)


async def upload(interaction: Interaction) -> None:
    await heard(interaction)


@app_commands.choices(progress=[Choice(name="dm", value="dm"), Choice(name="here", value="here")])
async def settings(interaction: Interaction, progress: Word | None = None) -> None:
    await heard(interaction)


async def start(interaction: Interaction) -> None:
    await heard(interaction)


async def help_(interaction: Interaction) -> None:
    await heard(interaction)


@app_commands.default_permissions(manage_guild=True)
async def grant(
    interaction: Interaction, person: discord.User, points: Range[int, 1, POINTS_MOST], reason: Word | None = None
) -> None:
    await heard(interaction)


COMMANDS: Final[tuple[Callable[..., Coroutine[Any, Any, None]], ...]] = (
    train, photos.photos, dataset, jobs, status, log, stop, cancel, models, model, balance, receipts, upload, settings,
    start, help_,
)  # fmt: skip


def commands(*, operators: bool) -> list[app_commands.Command[Any, Any, None]]:
    """Every command; `grant` only where somebody may use it."""
    return [_command(callback) for callback in (*COMMANDS, *((grant,) if operators else ()))]


def _command(callback: Callable[..., Coroutine[Any, Any, None]]) -> app_commands.Command[Any, Any, None]:
    """`callback` as a command whose every word comes from locales/ (discord.ftl)."""
    name = callback.__name__.rstrip("_")
    options = [option for option in inspect.signature(callback).parameters if option != "interaction"]
    keys = {option: f"discord-{name}-{option.replace('_', '-')}" for option in options}
    app_commands.rename(**{option: locale_str(option, key=key) for option, key in keys.items()})(callback)
    app_commands.describe(**{option: _about(key) for option, key in keys.items()})(callback)
    return app_commands.Command(
        name=locale_str(name, key=f"discord-{name}"), description=_about(f"discord-{name}"), callback=callback
    )


def _about(key: str) -> locale_str:
    return locale_str(HOME.say(f"{key}.about"), key=f"{key}.about")
