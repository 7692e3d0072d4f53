"""What is offered while somebody types. Nothing chosen here is believed: the dialogue reads it as typed text."""

import asyncio
from collections.abc import Sequence
from typing import Final

from discord.app_commands import Choice

from bot.platforms.discord.hearing import Interaction
from pipeline.domain.faults import Fault
from pipeline.domain.ids import AccountId, Identity
from pipeline.domain.text import line
from pipeline.trainers.bases import BASES

MOST: Final = 25  # suggestions Discord shows
LONGEST: Final = 100  # letters of one
SECONDS: Final = 2.0  # of the three there are
REGIONS: Final = (  # where machines of the class we rent are commonly offered
    "US", "CA", "DE", "FR", "NL", "GB", "SE", "NO", "FI", "PL", "CZ", "ES", "IT", "BG", "RO", "UA", "IS", "JP", "KR",
    "TW", "SG", "AU", "IN", "BR", "ZA",
)  # fmt: skip
GPUS: Final = ("RTX_3090", "RTX_4090", "RTX_5090", "L40S", "A100_SXM4", "H100_SXM")


async def bases(_interaction: Interaction, typed: str) -> list[Choice[str]]:
    return _choices(typed, [(name, f"{name}: {base.title}") for name, base in BASES.items()])


async def regions(_interaction: Interaction, typed: str) -> list[Choice[str]]:
    return _choices(typed, [(region, region) for region in REGIONS])


async def gpus(_interaction: Interaction, typed: str) -> list[Choice[str]]:
    return _choices(typed, [(gpu, gpu.replace("_", " ")) for gpu in GPUS])


async def models(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Own models first, then public ones."""
    office = interaction.client.grounds.office
    account = await _account(interaction)
    if office is None or account is None:
        return []
    try:
        async with asyncio.timeout(SECONDS):
            found = await office.models(account)
    except (Fault, TimeoutError):
        return []
    return _choices(typed, [(model.slug, f"{model.slug} ({model.trigger})") for model in found])


async def jobs(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await _jobs(interaction, typed, live=False)


async def live_jobs(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await _jobs(interaction, typed, live=True)


async def _jobs(interaction: Interaction, typed: str, *, live: bool) -> list[Choice[str]]:
    office = interaction.client.grounds.office
    account = await _account(interaction)
    if office is None or account is None:
        return []
    try:
        async with asyncio.timeout(SECONDS):
            found = await office.jobs(account, MOST)
    except (Fault, TimeoutError):
        return []
    return _choices(
        typed, [(job.id, f"{job.slug or job.recipe.slug} ({job.id})") for job in found if not (live and job.over)]
    )


async def _account(interaction: Interaction) -> AccountId | None:
    office = interaction.client.grounds.office
    if office is None:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            return await office.account(Identity(f"discord:{interaction.user.id}"))
    except (Fault, TimeoutError):
        return None


def _choices(typed: str, offers: Sequence[tuple[str, str]]) -> list[Choice[str]]:
    """Those of (value, name) that hold what is typed."""
    wanted = typed.strip().lower()
    fitting = [(value, name) for value, name in offers if wanted in name.lower() and len(value) <= LONGEST]
    return [Choice(name=line(name, LONGEST), value=value) for value, name in fitting[:MOST]]
