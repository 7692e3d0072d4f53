"""The answer to one interaction, by its own token while that lives: first its response, then what follows it."""

import asyncio
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import aiohttp
import discord

from bot.platforms.discord.face import Face
from bot.platforms.discord.inbox import Remark
from bot.platforms.discord.where import Place, Spot

UNKNOWN_MESSAGE: Final = 10008
GONE: Final = frozenset({UNKNOWN_MESSAGE, 10015, 50027})  # dismissed, or the token is too old: others will do
LIFE: Final = 15 * 60 - 10.0  # seconds of an interaction's token, less a few
UNAUTHORIZED, LARGE, TOO_LARGE = 401, 413, 40005


BROKEN: Final = (aiohttp.ClientError, OSError, TimeoutError)  # the line, not the answer


class Expired(Exception):
    """Nothing can be said by this interaction any more; the bot's own token must do."""


class Reply:
    """One interaction that was deferred. `pressed`: the message its button is on; None for a command."""

    def __init__(
        self, interaction: discord.Interaction[Any], *, hidden: bool, pressed: Spot | None = None, age: float = 0.0
    ) -> None:
        self._interaction = interaction
        self._ends = _now() + LIFE - age
        self._hidden = hidden
        self._first: Spot | None = pressed  # the message its response is
        self._thinking = pressed is None  # a response is promised and not there yet
        self._following: set[int] = set()

    async def kept(self) -> bool:
        """Whether the promised answer is there already: Discord knows, where a process died before it could note it."""
        if self._dead or not self._thinking:
            return False
        try:
            return not (await self._interaction.original_response()).flags.loading
        except discord.HTTPException as error:
            return error.code == UNKNOWN_MESSAGE  # it was there, and was taken away
        except BROKEN:
            return False

    async def show(self, face: Face, over: Spot | None) -> Spot:
        """Show `face`, over `over` if that is a message of this answer. Raises Expired."""
        if self._dead:
            raise Expired
        try:
            if self._thinking or (over is not None and over == self._first):
                return await self._respond(face)
            if over is not None and over.number in self._following:
                message = await self._interaction.followup.edit_message(over.number, **face.edited())
                return self._spot(message)
            return await self._follow(face)
        except discord.HTTPException as error:
            if _gone(error):
                raise Expired from error
            raise

    async def file(self, file: Path, said: str) -> bool:
        """Send `file`; False: it is larger than this place takes. Raises Expired."""
        if self._dead:
            raise Expired
        if (await asyncio.to_thread(file.stat)).st_size > self._interaction.filesize_limit:
            return False
        try:
            if self._thinking:
                sent = await self._interaction.edit_original_response(content=said, attachments=[discord.File(file)])
                self._first, self._thinking = self._spot(sent), False
            else:
                await self._interaction.followup.send(said, file=discord.File(file), ephemeral=self._hidden)
        except discord.HTTPException as error:
            if error.code == TOO_LARGE or error.status == LARGE:
                return False
            if _gone(error):
                raise Expired from error
            raise
        return True

    async def finish(self) -> None:
        """Take the promise of an answer back where none was needed."""
        if self._thinking and not self._dead:
            self._thinking = False
            try:
                await self._interaction.delete_original_response()
            except (discord.HTTPException, *BROKEN):  # the person sees a promise for a while longer
                return

    @property
    def _dead(self) -> bool:
        """By our own clock: an id tells a time, too, but not in every world."""
        return _now() >= self._ends

    async def _respond(self, face: Face) -> Spot:
        message = await self._interaction.edit_original_response(**face.edited())
        self._thinking = False
        if self._first is None:
            self._first = self._spot(message)
        return self._first

    async def _follow(self, face: Face) -> Spot:
        message = await self._interaction.followup.send(**face.sent(), ephemeral=self._hidden, wait=True)
        self._following.add(message.id)
        return self._spot(message)

    def _spot(self, message: discord.Message) -> Spot:
        channel = self._interaction.channel_id or message.channel.id
        return Spot(channel, message.id, self._hidden)


def revived(client: discord.Client, remark: Remark) -> discord.Interaction[Any]:
    """The interaction that an earlier process deferred, as far as answering it needs."""
    place = Place.read(remark.chat)
    channel: Any = {"id": str(place.channel), "type": discord.ChannelType.private.value, "recipients": []}
    known: Any = {
        "id": str(remark.id), "application_id": str(remark.app), "type": discord.InteractionType.component.value,
        "token": remark.token, "version": 1, "channel_id": str(place.channel), "channel": channel,
        "attachment_size_limit": remark.room, "locale": remark.locale,
    }  # fmt: skip
    return discord.Interaction(data=known, state=client._connection)  # noqa: SLF001  # it has no other way in


def _now() -> float:
    return asyncio.get_running_loop().time()


def _gone(error: discord.HTTPException) -> bool:
    return error.code in GONE or error.status == UNAUTHORIZED


answering: ContextVar[Reply | None] = ContextVar("answering", default=None)  # the interaction in hand, if one is
