"""Discord as a platform: ear and mouth over one connection that comes, goes, and is made again."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import discord
import structlog

from bot.platforms.discord import endpoints
from bot.platforms.discord.client import Client, Sharded
from bot.platforms.discord.ear import NAME, Ear
from bot.platforms.discord.fetch import Fetch, fetched
from bot.platforms.discord.mouth import Mouth
from bot.platforms.discord.people import People
from bot.ports import Grounds, Hear, Refused
from notifier.card import Card
from notifier.ports import MessageId
from pipeline.domain.job import Address

PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds between two tries to log in
CLOSE_SECONDS: Final = 1.0
CROWDED: Final = 4011  # more servers than one connection may hold
FATAL: Final = {4004: "ops-discord-token", 4013: "ops-discord-intents", 4014: "ops-discord-intents"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How to reach Discord."""

    token: str = field(repr=False)
    api: str
    gateway: str | None = None
    dev_guild: int | None = None


class Discord:
    """Ear and Courier. Cards wait while nobody is logged in."""

    name = NAME

    def __init__(self, line: Line) -> None:
        self._line = line
        self._mouth: Mouth | None = None
        self._open = asyncio.Event()

    # --- ear

    async def run(self, hear: Hear, grounds: Grounds) -> None:
        """As Ear.run: log in, however long that takes, and listen. A line that ends is made again."""
        endpoints.point(self._line.api, self._line.gateway)
        kind: type[Client] = Client
        while True:
            client = await self._logged_in(hear, grounds, kind)
            try:
                kind = await _listened(client, kind)
            finally:
                await client.ear.drain()
                self._open.clear()
                await _closed(client)

    def put_up(self, hear: Hear, grounds: Grounds, fetch: Fetch | None = None, kind: type[Client] = Client) -> Client:
        """A client with its ear and mouth, not logged in."""
        client = kind(grounds, self._line.dev_guild)
        people = People(client, grounds)
        self._mouth = Mouth(client, grounds, people)
        client.ear = Ear(client, hear, grounds, self._mouth, people, fetch or partial(fetched, api=self._line.api))
        return client

    def ready(self) -> None:
        """Somebody is logged in: cards may go."""
        self._open.set()

    async def _logged_in(self, hear: Hear, grounds: Grounds, kind: type[Client]) -> Client:
        """Log in; wait while Discord cannot be reached. Raises Refused for a wrong token."""
        pause = PAUSE
        while True:
            client = self.put_up(hear, grounds, kind=kind)
            try:
                await client.login(self._line.token)
            except discord.LoginFailure:
                await _closed(client)
                raise Refused(FATAL[4004]) from None
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("discord-unreachable", error=type(error).__name__, again_in=pause)
                await _closed(client)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except BaseException:
                await _closed(client)
                raise
            else:
                self.ready()
                return client

    # --- mouth

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        """As Courier.show."""
        return await (await self._said()).show(to, card, over)

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        """As Courier.send_file."""
        return await (await self._said()).send_file(to, file, caption)

    async def _said(self) -> Mouth:
        await self._open.wait()
        assert self._mouth is not None
        return self._mouth


async def _listened(client: Client, kind: type[Client]) -> type[Client]:
    """Listen until the line ends; which kind of client the next one takes. Raises Refused."""
    refused: Refused | None = None
    try:
        async with asyncio.TaskGroup() as group:
            catching_up = group.create_task(client.ear.catch_up())
            kind = await _connected(client, kind)
            catching_up.cancel()
    except* Refused as alone:
        refused = next(one for one in alone.exceptions if isinstance(one, Refused))
    if refused is not None:
        raise refused
    return kind


async def _connected(client: Client, kind: type[Client]) -> type[Client]:
    """As `_listened`. The library makes a lost connection again; what it cannot mend is a close code."""
    try:
        await client.connect()
    except discord.PrivilegedIntentsRequired:
        raise Refused(FATAL[4014]) from None
    except discord.ConnectionClosed as closed:
        if closed.code == CROWDED and kind is Client:
            log.info("discord-sharding")
            return Sharded
        log.error("discord-closed", code=closed.code)  # noqa: TRY400  # the code says all
        raise Refused(FATAL.get(closed.code, "ops-discord-closed")) from None
    return kind


async def _closed(client: Client) -> None:
    """Hang up; a line that does not answer is let go."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    except (TimeoutError, aiohttp.ClientError, OSError):
        log.info("discord-hung-up")
