"""Writes messages: new ones and edits, with their files, and tells the gateway."""

import re
from typing import Final

from tests.support.discord import forms, rules
from tests.support.discord.errors import invalid
from tests.support.discord.gateway import DIRECT_MESSAGES, GUILD_MESSAGES, Gateway
from tests.support.discord.state import LOADING, Channel, Interaction, Json, Message, State, Upload, User

MENTION: Final = re.compile(r"<@!?(\d+)>")


class Pen:
    """`breaches`: what was accepted, and still is wrong."""

    def __init__(self, state: State, gateway: Gateway, breaches: list[str]) -> None:
        self._state = state
        self._gateway = gateway
        self.breaches = breaches

    def written(
        self,
        channel: Channel,
        body: Json,
        files: list[Upload],
        *,
        asked: Interaction | None = None,
        empty_ok: bool = False,
    ) -> Message:
        rules.message(body, files=[one.name for one in files], empty_ok=empty_ok)
        message = Message(
            id=self._state.new_id(), channel=channel, made_at=self._state.clock.now(), flags=body.get("flags") or 0,
            asked=asked,
        )  # fmt: skip
        self._fill(message, body, files)
        message.pinged = list(message.mentions)
        channel.messages[message.id] = message
        return message

    def rewritten(self, message: Message, body: Json, files: list[Upload]) -> None:
        """An edit: what it names is replaced, the rest stays. `thinking...` ends with it."""
        rules.message(body, files=[one.name for one in files], empty_ok=True)
        if message.flags & rules.V2 and not (body.get("flags") or 0) & rules.V2 and body.get("flags") is not None:
            raise invalid("flags", "The flag cannot be removed", "MESSAGE_FLAGS_COMPONENTS_V2")
        message.flags = (message.flags | (body.get("flags") or 0) & rules.V2) & ~LOADING
        message.edited_at = self._state.clock.now()
        self._fill(message, body, files)

    def _fill(self, message: Message, body: Json, files: list[Upload]) -> None:
        kept = list(message.uploads)
        if body.get("attachments") is not None:
            named = {str(one["id"]) for one in body["attachments"]}
            kept = [one for one in kept if str(one.id) in named]
        for one in files:
            one.path = one.path.replace("/0/", f"/{message.channel.id}/", 1)
            self._state.uploads[one.path] = one
        message.uploads = [*kept, *files]
        if "content" in body:
            message.content = body["content"] or ""
            message.mentions = self._mentioned(message.content, body.get("allowed_mentions"))
        if "embeds" in body:
            message.embeds = body["embeds"] or []
            self._check_pictures(message)
        if "components" in body:
            message.components = forms.numbered(body["components"] or [])
        message.versions.append(message.text)

    def _check_pictures(self, message: Message) -> None:
        there = {one.name for one in message.uploads}
        for embed in message.embeds:
            for name in forms.pictures(embed):
                if name not in there:
                    self.breaches.append(f"an embed shows {name}, which is not attached")

    def _mentioned(self, content: str, allowed: Json | None) -> list[User]:
        """Who is pinged: nobody whom allowed_mentions leaves out."""
        parse = (allowed or {}).get("parse", [] if allowed else ["users", "roles", "everyone"])
        if "everyone" in parse and re.search("@everyone|@here", content):
            self.breaches.append("everyone was pinged")
        named = {int(number) for number in (allowed or {}).get("users") or ()}
        found = [int(number) for number in MENTION.findall(content)]
        return [self._state.users[n] for n in found if n in self._state.users and ("users" in parse or n in named)]

    async def told(self, event: str, message: Message) -> None:
        """Message events go to who has that (unprivileged) intent."""
        channel = message.channel
        intent = DIRECT_MESSAGES if channel.private else GUILD_MESSAGES
        if not message.ephemeral:
            data = forms.message(message, self._state) | ({"guild_id": str(channel.guild.id)} if channel.guild else {})
            await self._gateway.dispatch(event, data, channel.guild, intent)
