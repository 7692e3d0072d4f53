"""Updates that Telegram brings to PUBLIC_URL instead of our asking: taken in, which is stored, before it hears 200."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import structlog
from aiogram.methods import SetWebhook
from aiohttp import web

from bot.platforms.telegram.hearing import KINDS
from bot.platforms.telegram.wire import Wait, Wire
from bot.ports import Mount, Refused
from pipeline.domain.faults import OperatorFault

PATH: Final = "/telegram/webhook"
HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"
AT_ONCE: Final = 40  # connections that Telegram may open
PAUSE, LONGEST_PAUSE = 1.0, 30.0

Take = Callable[[Mapping[str, Any]], Awaitable[None]]

log = structlog.get_logger()


async def serve(wire: Wire, take: Take, mount: Mount, public_url: str, secret: str) -> None:
    """Have updates brought until cancelled. Raises Refused without a secret: anybody could speak for anybody."""
    if not secret:
        raise Refused("telegram-no-secret")
    mount(PATH, handler(take, secret))
    pause = PAUSE
    while True:
        try:
            await wire.call(SetWebhook(
                url=f"{public_url}{PATH}", secret_token=secret, allowed_updates=list(KINDS), max_connections=AT_ONCE,
            ))  # fmt: skip
            break
        except OperatorFault as fault:
            log.warning("telegram-no-webhook", code=fault.code, **fault.facts)
        except Wait as wait:
            pause = wait.seconds
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    await asyncio.Event().wait()


def handler(take: Take, secret: str) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    """What answers Telegram: 401 to a stranger, 503 when we could not store it (it comes again), else 200."""

    async def taken(request: web.Request) -> web.Response:
        said = request.headers.get(HEADER, "")
        if not hmac.compare_digest(said.encode(), secret.encode()):
            return web.Response(status=401)
        try:
            update = json.loads(await request.read())
            int(update["update_id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return web.Response(status=400)
        try:
            await take(update)
        except OperatorFault as fault:
            log.warning("telegram-not-stored", code=fault.code)
            return web.Response(status=503)
        return web.Response()

    return taken
