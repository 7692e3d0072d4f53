"""Tell Discord of our commands when they changed, and only then: creating them is counted by the day."""

import hashlib
import json
from typing import Any, Final

import discord
import structlog
from discord import app_commands

from pipeline.ports import Store

COLL: Final = "platforms"

log = structlog.get_logger()


async def sync(tree: app_commands.CommandTree[Any], store: Store, guild: int | None) -> bool:
    """Sync to `guild` at once, or everywhere; True when there was something to tell.

    What fails is tried at the next start: old commands are better than no bot.
    """
    where = discord.Object(guild) if guild is not None else None
    if where is not None:
        tree.copy_global_to(guild=where)
    now = {"hash": await _hash(tree, where)}
    key = f"discord:commands:{tree.client.application_id}:{guild or 'everywhere'}"
    before = await store.get(COLL, key)
    if before is not None and before["hash"] == now["hash"]:
        return False
    try:
        await tree.sync(guild=where)
    except (discord.HTTPException, app_commands.AppCommandError) as error:
        log.error("discord-sync", error=line_of(error))  # noqa: TRY400  # a trace of the library's says no more
        return False
    if before is None:
        await store.create(COLL, key, now)
    else:
        await store.cas(COLL, key, before["version"], now)
    return True


async def _hash(tree: app_commands.CommandTree[Any], where: discord.Object | None) -> str:
    translator = tree.translator
    assert translator is not None
    whole = [await command.get_translated_payload(tree, translator) for command in tree.get_commands(guild=where)]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def line_of(error: Exception) -> str:
    """What Discord says is wrong with our own words; nothing of a person's is in it."""
    return " ".join(str(error).split())[:500]
