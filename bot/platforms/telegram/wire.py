"""The Bot API on the wire: the one place that meets aiogram's client, its errors and the token."""

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.base import BaseSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetFile, GetMe, TelegramMethod
from aiogram.types import User
from aiogram.utils.token import TokenValidationError

from bot.ports import Refused
from notifier.ports import Unreachable
from pipeline.domain.faults import OperatorFault
from pipeline.domain.text import line

CLOUD_MOST: Final = 20 << 20  # bytes that getFile gives from Telegram's own servers
LOCAL_MOST: Final = 2000 << 20
UPLOAD_MOST, LOCAL_UPLOAD_MOST = 50 * 10**6, 2000 * 10**6
CALL_SECONDS, UPLOAD_SECONDS, FETCH_SECONDS = 30, 600, 900
CHUNK: Final = 64 * 1024
GONE: Final = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message to delete not found",
)
NOBODY: Final = ("chat not found", "user not found", "peer_id_invalid", "user is deactivated", "bot was kicked")

T = TypeVar("T")


class Wait(Exception):
    """Telegram asked for `seconds` of silence."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Moved(Exception):
    """The group lives under another number now."""

    def __init__(self, chat: int) -> None:
        super().__init__(chat)
        self.chat = chat


class Same(Exception):
    """The message reads like this already."""


class Gone(Exception):
    """The message is not there any more."""


class OtherKind(Exception):
    """It is a picture where we took it for text, or the other way round."""


class Rival(Exception):
    """Somebody else asks for this bot's updates."""


class TooBig(Exception):
    """A file beyond what the server gives to bots."""


class RawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates as it came: one update that aiogram cannot read must not hold up all others for ever."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


class Wire:
    """Calls out; every foreign exception is translated here, and none of ours holds the token."""

    def __init__(self, token: str, base: str, local: Path | None = None, session: BaseSession | None = None) -> None:
        """`local`: where the files of a Bot API server in local mode are. Raises Refused."""
        session = session or AiohttpSession()
        session.api = TelegramAPIServer.from_base(base, is_local=local is not None)
        try:
            self.bot = Bot(
                token,
                session=session,
                default=DefaultBotProperties(parse_mode="HTML", link_preview_is_disabled=True),
            )
        except TokenValidationError:
            raise Refused("telegram-bad-token") from None
        self._local = local

    @property
    def most(self) -> int:
        """Bytes of the largest file a person can send."""
        return LOCAL_MOST if self._local else CLOUD_MOST

    @property
    def upload_most(self) -> int:
        return LOCAL_UPLOAD_MOST if self._local else UPLOAD_MOST

    async def me(self) -> User:
        return await self.call(GetMe())

    async def call(self, method: TelegramMethod[T], seconds: int = CALL_SECONDS) -> T:
        """Call `method`. Raises what this file declares, Unreachable, OperatorFault("telegram-...")."""
        try:
            return await self.bot(method, request_timeout=seconds)
        except AiogramError as error:
            raise _translated(error) from None
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:  # a file that went, a session closed
            raise OperatorFault("telegram-down", why=type(error).__name__) from None

    async def fetch(self, file_id: str, into: Path) -> None:
        """Bring a person's file to `into`. Raises TooBig, OperatorFault("telegram-file" | "telegram-...")."""
        found = await self.call(GetFile(file_id=file_id))
        if (found.file_size or 0) > self.most:
            raise TooBig
        if not found.file_path:
            raise OperatorFault("telegram-file", why="no path")
        if self._local is not None:
            await asyncio.to_thread(_taken, self._mapped(found.file_path), into)
            return
        try:
            await self._stream(found.file_path, into)
        except (aiohttp.ClientError, TimeoutError, OSError, AiogramError) as error:  # their words hold the token
            raise OperatorFault("telegram-file", why=type(error).__name__) from None

    async def _stream(self, path: str, into: Path) -> None:
        url, got = self.bot.session.api.file_url(self.bot.token, path), 0
        chunks = self.bot.session.stream_content(url, timeout=FETCH_SECONDS, chunk_size=CHUNK)
        with await asyncio.to_thread(into.open, "xb") as out:
            async for chunk in chunks:
                got += len(chunk)
                if got > self.most:
                    raise TooBig
                out.write(chunk)

    def _mapped(self, path: str) -> Path:
        """Where a local server's file is for us: its folder may be mounted elsewhere here.

        The server keeps files below a folder named by the token. Raises OperatorFault("telegram-file").
        """
        assert self._local is not None
        home, there = self._local.resolve(), Path(path)
        if not there.is_relative_to(home):
            parts = there.parts
            names = [n for n, part in enumerate(parts) if part.split("~")[0] == self.bot.token]
            there = home.joinpath(*parts[names[-1] :]) if names else home / there.name
        if not there.resolve().is_relative_to(home):
            raise OperatorFault("telegram-file", why="outside TELEGRAM_LOCAL_DIR")
        return there

    async def close(self) -> None:
        await self.bot.session.close()


def _taken(there: Path, into: Path) -> None:
    """Move a local server's file: nobody else would delete it. From a folder we may only read it is copied."""
    try:
        try:
            there.rename(into)
        except OSError:  # another disk, or not ours to change
            shutil.copyfile(there, into)
            with suppress(OSError):
                there.unlink()
    except OSError as error:
        raise OperatorFault("telegram-file", why=type(error).__name__) from None


def _translated(error: AiogramError) -> Exception:  # noqa: C901, PLR0911, PLR0912  # one row for each of Telegram's answers
    said = getattr(error, "message", "").lower()
    match error:
        case TelegramRetryAfter():
            return Wait(error.retry_after)
        case TelegramMigrateToChat():
            return Moved(error.migrate_to_chat_id)
        case TelegramForbiddenError():
            return Unreachable()
        case TelegramConflictError():
            return Rival()
        case TelegramUnauthorizedError():
            return Refused("telegram-bad-token")
        case TelegramNotFound() if said == "not found":  # an unknown bot is a path that does not exist
            return Refused("telegram-bad-token")
        case TelegramBadRequest() | TelegramNotFound():
            for why, meaning in _REFUSALS.items():
                if why in said:
                    return meaning()
            return OperatorFault("telegram-refused", why=line(said, 120))
        case TelegramEntityTooLarge():
            return TooBig()
        case TelegramNetworkError() | TelegramServerError():
            return OperatorFault("telegram-down", why=type(error).__name__)
        case TelegramAPIError():
            return OperatorFault("telegram-refused", why=line(said, 120))
        case _:
            return OperatorFault("telegram-down", why=type(error).__name__)


_REFUSALS: Final[Mapping[str, type[Exception]]] = {
    "message is not modified": Same,
    "no text in the message to edit": OtherKind,
    "no caption in the message to edit": OtherKind,
    "file is too big": TooBig,
    **dict.fromkeys(GONE, Gone),
    **dict.fromkeys(NOBODY, Unreachable),
}
