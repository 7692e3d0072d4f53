"""Discord's REST API, version 10: the part that a bot of slash commands, buttons and direct messages uses."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from aiohttp import web

from tests.support.discord import forms, rules
from tests.support.discord.body import Exchange, Handler, Row, body_of, number
from tests.support.discord.errors import Refusal
from tests.support.discord.gateway import Gateway
from tests.support.discord.interactions import Interactions
from tests.support.discord.limits import Limited, Limits
from tests.support.discord.pen import Pen
from tests.support.discord.state import Channel, Json, Message, State

API: Final = "/api/v10"
CREATES_A_DAY: Final = 200
NONCE_LIFE: Final = timedelta(minutes=3)  # "the past few minutes" is all that is said


class Rest:
    """`exchanges` is everything that was asked; `breaches` what broke one of Discord's rules."""

    def __init__(self, state: State, gateway: Gateway, limits: Limits, token: str) -> None:
        self._state = state
        self._gateway = gateway
        self._limits = limits
        self._token = token
        self.exchanges: list[Exchange] = []
        self.breaches: list[str] = []
        self._created: dict[int | None, int] = {}
        self._pen = Pen(state, gateway, self.breaches)

    def routes(self) -> list[web.RouteDef]:
        message = "/channels/{channel_id}/messages"
        table: list[Row] = [
            ("GET", "/gateway", self._get_gateway),
            ("GET", "/gateway/bot", self._get_gateway_bot),
            ("GET", "/users/@me", self._get_me),
            ("GET", "/oauth2/applications/@me", self._get_application),
            ("GET", "/applications/@me", self._get_application),
            ("POST", "/users/@me/channels", self._open_direct),
            ("GET", "/users/{user_id}", self._get_user),
            ("GET", "/applications/{application_id}/commands", self._get_commands),
            ("PUT", "/applications/{application_id}/commands", self._put_commands),
            ("GET", "/applications/{application_id}/guilds/{guild_id}/commands", self._get_commands),
            ("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", self._put_commands),
            ("GET", "/channels/{channel_id}", self._get_channel),
            ("POST", message, self._send),
            ("GET", f"{message}/{{message_id}}", self._get_message),
            ("PATCH", f"{message}/{{message_id}}", self._edit),
            ("DELETE", f"{message}/{{message_id}}", self._delete),
            *Interactions(self._state, self._pen).table(),
        ]
        return [web.route(method, API + path, self._answering(path, handler)) for method, path, handler in table]

    def _answering(self, route: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What surrounds every call: who asks, how often, and how the answer is written."""

        async def answer(request: web.Request) -> web.StreamResponse:
            exchange = Exchange(
                method=request.method, path=request.path.removeprefix(API), route=route, query=dict(request.query),
                at=asyncio.get_running_loop().time(),
            )  # fmt: skip
            self.exchanges.append(exchange)
            headers: dict[str, str] = {}
            scope = ""
            try:
                self._known(request, route)
                headers = self._limits.enter(request, route)
                exchange.status, exchange.answer = await handler(request, exchange)
            except Limited as limited:
                exchange.status, scope = 429, limited.scope
                exchange.answer, headers = limited.response()
            except Refusal as refusal:
                exchange.status, exchange.answer = refusal.status, refusal.body
                if refusal.status in {400, 413}:
                    self.breaches.append(f"{exchange.method} {exchange.path}: {refusal}")
            self._limits.note(exchange.status, scope)
            self._state.bell.ring()
            return _response(exchange, headers)

        return answer

    def _known(self, request: web.Request, route: str) -> None:
        if self._limits.banned:
            raise Limited(3600, via=False)
        open_to_all = route.startswith(("/interactions/", "/webhooks/"))  # there, the path holds the secret
        if not open_to_all and request.headers.get("Authorization") != f"Bot {self._token}":
            raise Refusal(0)

    # --- the app itself

    async def _get_gateway(self, _request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        return 200, {"url": self._gateway.url}

    async def _get_gateway_bot(self, _request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        start = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return 200, {
            "url": self._gateway.url, "shards": len(self._state.guilds) // 1000 + 1, "session_start_limit": start,
        }  # fmt: skip

    async def _get_me(self, _request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        return 200, forms.me()

    async def _get_application(self, _request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        return 200, forms.application(len(self._state.guilds))

    async def _get_user(self, request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        user = self._state.users.get(number(request, "user_id"))
        if user is None:
            raise Refusal(10013)
        return 200, forms.user(user)

    async def _get_commands(self, request: web.Request, _exchange: Exchange) -> tuple[int, list[Json]]:
        return 200, self._state.commands.get(self._guild(request), [])

    async def _put_commands(self, request: web.Request, exchange: Exchange) -> tuple[int, list[Json]]:
        guild = self._guild(request)
        exchange.body, _ = await body_of(request)
        asked = rules.commands(exchange.body)
        old = {one["name"]: int(one["id"]) for one in self._state.commands.get(guild, [])}
        self._created[guild] = self._created.get(guild, 0) + sum(one["name"] not in old for one in asked)
        if self._created[guild] > CREATES_A_DAY:
            raise Limited(86_400, scope="shared", code=30034)
        stored = [forms.command(one, old.get(one["name"]) or self._state.new_id(), guild) for one in asked]
        self._state.commands[guild] = stored
        return 200, stored

    def _guild(self, request: web.Request) -> int | None:
        if "guild_id" not in request.match_info:
            return None
        guild = number(request, "guild_id")
        if guild not in self._state.guilds:
            raise Refusal(50001)
        return guild

    # --- channels and messages, by the bot's token

    async def _open_direct(self, request: web.Request, exchange: Exchange) -> tuple[int, Json]:
        exchange.body, _ = await body_of(request)
        user = self._state.users.get(int(exchange.body["recipient_id"]))
        if user is None:
            raise Refusal(10013)
        return 200, forms.channel(self._state.direct(user))

    def _channel(self, request: web.Request) -> Channel:
        channel = self._state.channels.get(number(request, "channel_id"))
        if channel is None:
            raise Refusal(10003)
        if channel.closed or (channel.guild and not channel.guild.member):
            raise Refusal(50001)
        return channel

    def _message(self, request: web.Request) -> Message:
        """The bot's token does not see what only one person sees."""
        message = self._channel(request).messages.get(number(request, "message_id"))
        if message is None or message.ephemeral:
            raise Refusal(10008)
        return message

    async def _get_channel(self, request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        return 200, forms.channel(self._channel(request))

    async def _get_message(self, request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        return 200, forms.message(self._message(request), self._state)

    async def _send(self, request: web.Request, exchange: Exchange) -> tuple[int, Json]:
        channel = self._channel(request)
        exchange.body, files = await body_of(request, exchange)
        if channel.user is not None and channel.user.refuses:
            raise Refusal(channel.user.refuses)
        if (twin := self._twin(channel, exchange.body)) is not None:
            return 200, forms.message(twin, self._state)
        message = self._pen.written(channel, exchange.body, files)
        message.nonce = str(exchange.body.get("nonce") or "")
        await self._pen.told("MESSAGE_CREATE", message)
        return 200, forms.message(message, self._state)

    def _twin(self, channel: Channel, body: Json) -> Message | None:
        """The message of a few minutes ago with the same nonce, where the app asks for no twins."""
        if not body.get("enforce_nonce") or not body.get("nonce"):
            return None
        since = self._state.clock.now() - NONCE_LIFE
        fit = (one for one in channel.messages.values() if one.nonce == str(body["nonce"]) and one.made_at > since)
        return next(fit, None)

    async def _edit(self, request: web.Request, exchange: Exchange) -> tuple[int, Json]:
        message = self._message(request)
        exchange.body, files = await body_of(request, exchange)
        self._limits.edit_of_old(message.channel.id, message.made_at)
        self._pen.rewritten(message, exchange.body, files)
        await self._pen.told("MESSAGE_UPDATE", message)
        return 200, forms.message(message, self._state)

    async def _delete(self, request: web.Request, _exchange: Exchange) -> tuple[int, None]:
        message = self._message(request)
        del message.channel.messages[message.id]
        return 204, None


def _response(exchange: Exchange, headers: dict[str, str]) -> web.Response:
    """Content-Type is exactly application/json: discord.py compares it letter by letter."""
    if isinstance(exchange.answer, str):
        return web.Response(status=exchange.status, text=exchange.answer, headers=headers)
    if exchange.status == 204:
        return web.Response(status=204, headers=headers)
    body = json.dumps(exchange.answer).encode()
    return web.Response(status=exchange.status, body=body, headers=headers | {"Content-Type": "application/json"})
