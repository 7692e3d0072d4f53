"""Our client as the library's callbacks see it: what stands behind a command, a form, a button."""

from collections.abc import Callable
from typing import Any, Protocol

import discord

from bot.platforms.discord.brake import Brake
from bot.ports import Grounds
from notifier.words import Words


class Ear(Protocol):
    """Who hears what people do."""

    async def commanded(self, interaction: discord.Interaction[Any]) -> None: ...

    async def pressed(self, interaction: discord.Interaction[Any], action: str) -> None: ...

    async def catch_up(self) -> None: ...

    async def drain(self) -> None: ...


class Listener(discord.Client):
    """discord.py's client with what is ours beside it. `ear` is set before it logs in."""

    ear: Ear
    grounds: Grounds
    words: Callable[[str], Words]
    brake: Brake


Interaction = discord.Interaction[Listener]


async def heard(interaction: Interaction) -> None:
    """Hand a slash command to the ear."""
    await interaction.client.ear.commanded(interaction)
