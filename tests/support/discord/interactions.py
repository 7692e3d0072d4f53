"""Interactions over REST: the callback within 3 s, and the webhook that a token opens for 15 minutes."""

from typing import Any, Final

from aiohttp import web

from tests.support.discord import forms, rules
from tests.support.discord.body import Exchange, Row, body_of, number
from tests.support.discord.errors import Refusal, invalid
from tests.support.discord.pen import Pen
from tests.support.discord.state import (
    ACK_WITHIN,
    BOT_ID,
    EPHEMERAL,
    LOADING,
    TOKEN_LIFE,
    Interaction,
    Json,
    Message,
    State,
    Upload,
)

FOLLOW_UPS: Final = 5  # where the bot is not a member


class Interactions:
    """The path holds the secret: none of this asks for the bot's token."""

    def __init__(self, state: State, pen: Pen) -> None:
        self._state = state
        self._pen = pen

    def table(self) -> list[Row]:
        hook = "/webhooks/{webhook_id}/{webhook_token}"
        return [
            ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self._callback),
            ("POST", hook, self._follow_up),
            ("GET", f"{hook}/messages/@original", self._hook_get),
            ("PATCH", f"{hook}/messages/@original", self._hook_edit),
            ("DELETE", f"{hook}/messages/@original", self._hook_delete),
            ("GET", f"{hook}/messages/{{message_id}}", self._hook_get),
            ("PATCH", f"{hook}/messages/{{message_id}}", self._hook_edit),
            ("DELETE", f"{hook}/messages/{{message_id}}", self._hook_delete),
        ]

    async def _callback(self, request: web.Request, exchange: Exchange) -> tuple[int, Any]:
        exchange.body, files = await body_of(request, exchange)
        one = self._state.interactions.get(request.match_info["interaction_token"])
        age = self._state.clock.now() - one.made_at if one else ACK_WITHIN
        if one is None or one.id != number(request, "interaction_id") or age > ACK_WITHIN:
            raise Refusal(10062)
        if one.ack is not None:
            raise Refusal(40060)
        kind, data = exchange.body["type"], exchange.body.get("data") or {}
        message = self._acted(one, kind, data, files)
        one.ack, one.ack_after = kind, age.total_seconds()
        if request.query.get("with_response") not in {"1", "true"}:
            return 204, None
        answer: Json = {"interaction": {"id": str(one.id), "type": one.kind}}
        if message is not None:
            answer["interaction"] |= {
                "response_message_id": str(message.id), "response_message_loading": message.loading,
                "response_message_ephemeral": message.ephemeral, "channel_id": str(message.channel.id),
            }  # fmt: skip
            if kind in {4, 7}:  # a promise is no message yet
                answer["resource"] = {"type": kind, "message": forms.message(message, self._state)}
        return 200, answer

    def _acted(self, one: Interaction, kind: int, data: Json, files: list[Upload]) -> Message | None:
        """Do what a callback says; the message it made or changed."""
        fits = {2: {4, 5, 9}, 3: {4, 5, 6, 7, 9}, 4: {8}, 5: {4, 5, 6} | ({7} if one.message else set())}
        if kind not in fits[one.kind]:
            raise invalid("type", f"Value must be one of {fits[one.kind]}", "BASE_TYPE_CHOICES")
        match kind:
            case 4:
                one.original = self._pen.written(one.channel, data, files, asked=one)
            case 5:
                flags = (data.get("flags") or 0) & EPHEMERAL | LOADING
                one.original = self._pen.written(one.channel, {"flags": flags}, [], asked=one, empty_ok=True)
            case 6:
                one.original = one.message
            case 7:
                assert one.message is not None
                one.original = one.message
                self._pen.rewritten(one.message, data, files)
            case 8:
                rules.check_choices(data.get("choices") or [])
                one.choices = data.get("choices") or []
            case 9:
                rules.modal(data)
                one.modal = data
        return one.original

    def _by_token(self, request: web.Request) -> Interaction:
        one = self._state.interactions.get(request.match_info["webhook_token"])
        if one is None or one.ack is None or number(request, "webhook_id") != BOT_ID:
            raise Refusal(10015)
        if self._state.clock.now() - one.made_at > TOKEN_LIFE:
            raise Refusal(50027)
        return one

    async def _follow_up(self, request: web.Request, exchange: Exchange) -> tuple[int, Json]:
        one = self._by_token(request)
        exchange.body, files = await body_of(request, exchange)
        if one.original is not None and one.original.loading:  # the first one takes the place of "thinking..."
            self._pen.rewritten(one.original, exchange.body, files)
            return 200, forms.message(one.original, self._state)
        one.follow_ups += 1
        if one.channel.guild and not one.channel.guild.member and one.follow_ups > FOLLOW_UPS:
            raise Refusal(40094)
        return 200, forms.message(self._pen.written(one.channel, exchange.body, files, asked=one), self._state)

    def _hooked(self, request: web.Request) -> Message:
        one = self._by_token(request)
        number = request.match_info.get("message_id")
        message = one.channel.messages.get(int(number)) if number else one.original
        if message is None or message.id not in one.channel.messages:
            raise Refusal(10008)
        if message.asked is not one and message is not one.original:
            raise Refusal(10008)
        return message

    async def _hook_get(self, request: web.Request, _exchange: Exchange) -> tuple[int, Json]:
        return 200, forms.message(self._hooked(request), self._state)

    async def _hook_edit(self, request: web.Request, exchange: Exchange) -> tuple[int, Json]:
        message = self._hooked(request)
        exchange.body, files = await body_of(request, exchange)
        self._pen.rewritten(message, exchange.body, files)
        return 200, forms.message(message, self._state)

    async def _hook_delete(self, request: web.Request, _exchange: Exchange) -> tuple[int, None]:
        message = self._hooked(request)
        del message.channel.messages[message.id]
        return 204, None
