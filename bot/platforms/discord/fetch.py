"""Attachments come home at once, for their links expire: streamed under caps, from hosts that may be asked only."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp

from bot.platforms.discord.endpoints import may_fetch
from pipeline.domain.dataset import MOST_BYTES
from pipeline.domain.faults import UserFault
from pipeline.domain.text import line

CHUNK: Final = 256 * 1024
TIMEOUT: Final = aiohttp.ClientTimeout(total=900, sock_connect=10, sock_read=30)
EXPIRED: Final = frozenset({401, 403, 404, 410})
NAME_MOST: Final = 80

Fetch = Callable[[str, Path, int], Awaitable[None]]  # link, file, bytes at most. Raises UserFault


async def fetched(url: str, into: Path, most: int, *, api: str) -> None:
    """Save what is at `url` as the new file `into`.

    Raises UserFault("attachment-foreign" | "attachment-expired" | "attachment-too-big" | "attachment-broken").
    """
    if not may_fetch(url, api):
        raise UserFault("attachment-foreign")
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
            session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status in EXPIRED:
                raise UserFault("attachment-expired")
            if answer.status != 200:  # noqa: PLR2004  # HTTP
                raise UserFault("attachment-broken")
            await _pour(answer, into, most)
    except (aiohttp.ClientError, TimeoutError):
        raise UserFault("attachment-broken") from None  # theirs name the signed link


async def _pour(answer: aiohttp.ClientResponse, into: Path, most: int) -> None:
    whole = 0
    with into.open("xb") as file:
        async for chunk in answer.content.iter_chunked(CHUNK):
            whole += len(chunk)
            if whole > most:
                raise UserFault("attachment-too-big", most_mb=most // 10**6)
            await asyncio.to_thread(file.write, chunk)


def home_name(name: str) -> str:
    """A person's file name as a file of ours: one part of a path, and no hidden one."""
    plain = line(name, NAME_MOST).replace("/", "_").replace("\\", "_").replace("\0", "_").lstrip(".")
    return plain.encode()[-200:].decode("utf-8", "ignore") or "file"


def room(size: int) -> None:
    """Refuse early what would be too much. Raises UserFault("attachment-too-big")."""
    if size > MOST_BYTES:
        raise UserFault("attachment-too-big", most_mb=MOST_BYTES // 10**6)
