"""Buttons that never die: what one does is written on it, so that any process, before or after a restart, hears it."""

import re
from collections.abc import Mapping
from typing import Any, Final, Self

import discord

from bot.platforms.discord.hearing import Listener

STYLE: Final[Mapping[str, discord.ButtonStyle]] = {
    "start": discord.ButtonStyle.success,
    "stop": discord.ButtonStyle.primary,
    "cancel": discord.ButtonStyle.danger,
}
MOST: Final = 100  # letters of a custom_id


class Press(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"(?P<action>[\s\S]{1,100})"):
    """Any button of ours, of this version or an older one: who pressed it may do what, the office knows."""

    def __init__(self, button: discord.ui.Button[discord.ui.View], action: str) -> None:
        super().__init__(button)
        self.action = action

    @classmethod
    def of(cls, action: str, label: str) -> Self:
        assert len(action) <= MOST, action
        style = STYLE.get(action.partition(":")[0], discord.ButtonStyle.secondary)
        return cls(discord.ui.Button(style=style, label=label, custom_id=action), action)

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        assert isinstance(item, discord.ui.Button)
        return cls(item, match["action"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        client: Listener = interaction.client
        await client.ear.pressed(interaction, self.action)
