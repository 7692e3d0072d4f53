"""From discord.py's callbacks to our ear: the one place where they find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

if TYPE_CHECKING:
    from bot.platforms.discord.client import Client

    Interaction = discord.Interaction[Client]
else:
    Interaction = discord.Interaction


async def heard(interaction: Interaction) -> None:
    """Hand a slash command to the ear."""
    await interaction.client.ear.commanded(interaction)
