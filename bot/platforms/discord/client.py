"""discord.py's client, put up for us: no privileged intents, no cache it does not need, mentions off."""

import logging
from typing import Any, Final

import discord
import structlog
from discord import app_commands

from bot.platforms.discord import commands, sync, translate
from bot.platforms.discord.brake import Brake
from bot.platforms.discord.buttons import Press
from bot.platforms.discord.hearing import Listener
from bot.platforms.discord.photos import FORM
from bot.ports import Grounds

LIMIT_PATIENCE: Final = 300.0  # seconds of a rate limit that are waited out where it is; a longer one is an error

log = structlog.get_logger()


class Tree(app_commands.CommandTree["Client"]):
    """What discord.py cannot make sense of is read by the dialogue all the same: it says what is wrong."""

    async def on_error(
        self, interaction: discord.Interaction["Client"], error: app_commands.AppCommandError, /
    ) -> None:
        if interaction.type is discord.InteractionType.autocomplete or interaction.response.is_done():
            log.error("discord-command", error=type(error).__name__, exc_info=error)
            return
        log.info("discord-odd-command", error=type(error).__name__)
        await self.client.ear.commanded(interaction)


class Client(Listener):
    """One connection."""

    tree: Tree

    def __init__(self, grounds: Grounds, dev_guild: int | None) -> None:
        self.brake = Brake()
        logging.getLogger("discord.state").setLevel(logging.ERROR)  # it warns that servers are not kept: they are not
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody talks to us aloud
        super().__init__(
            http_trace=self.brake.trace(),
            intents=discord.Intents.none(),  # commands, buttons and forms bring all they need; servers fill no memory
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=LIMIT_PATIENCE,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        self.grounds = grounds
        self.words = grounds.words
        self._dev_guild = dev_guild
        self.tree = Tree(self, allowed_contexts=commands.EVERYWHERE, allowed_installs=commands.ANYBODY)
        for command in commands.commands(operators=bool(grounds.operators)):
            self.tree.add_command(command)

    async def setup_hook(self) -> None:
        """Logged in, not yet connected."""
        self.add_dynamic_items(Press)
        await self.tree.set_translator(translate.Translator(self.words))
        if await sync.sync(self.tree, self.grounds.store, self._dev_guild):
            log.info("discord-synced", guild=self._dev_guild)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Forms only: the library hears theirs while the object that opened them lives, we hear them always."""
        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.modal_submit and data.get("custom_id") == FORM:
            await self.ear.commanded(interaction)

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        log.exception("discord-event", event=event_method)  # noqa: LOG004  # the library calls this while handling one


class Sharded(Client, discord.AutoShardedClient):
    """As many connections as Discord says: from 2,500 servers on one is not enough."""

    async def connect(self, *, reconnect: bool = True) -> None:
        self.shard_count, _, _ = await self.http.get_bot_gateway()  # asked here, DISCORD_GATEWAY_URL stays in force
        await super().connect(reconnect=reconnect)
