"""A real aiogram client on the fake, for the tests of the fake itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
)
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
)
from PIL import Image

from tests.support.telegram import TOKEN, TelegramServer
from tests.support.telegram.flood import Limits
from tests.support.telegram.judge import judge

FREE = Limits(chat_seconds=0, overall=10_000, group=10_000)  # where the flood is not the matter
Scenario = Callable[[TelegramServer, Bot], Coroutine[Any, Any, None]]


@asynccontextmanager
async def a_bot(server: TelegramServer) -> AsyncIterator[Bot]:
    api = TelegramAPIServer.from_base(server.url)
    bot = Bot(TOKEN, AiohttpSession(api=api), default=DefaultBotProperties(parse_mode="HTML"))
    try:
        yield bot
    finally:
        await bot.session.close()


def play(scenario: Scenario, **how: Any) -> None:
    async def whole() -> None:
        server = TelegramServer(**{"limits": FREE, "judge": judge, **how})
        async with server.open(), a_bot(server) as bot:
            await scenario(server, bot)

    asyncio.run(whole())


def picture(side: int = 64, kind: str = "JPEG") -> bytes:
    into = BytesIO()
    Image.new("RGB", (side, side), (side % 256, 90, 120)).save(into, kind)
    return into.getvalue()


def keys(*rows: tuple[str, str]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text=t, callback_data=d)] for t, d in rows])


async def refused(call: Coroutine[Any, Any, Any], kind: type[TelegramAPIError] = TelegramBadRequest) -> str:
    with pytest.raises(kind) as caught:
        await call
    assert type(caught.value) is kind
    return str(caught.value.message)
