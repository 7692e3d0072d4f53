"""A person at Discord's client: types, presses, uploads, reads. What the real client would not send, fails the test."""

import mimetypes
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tests.support.discord import forms
from tests.support.discord.gateway import Gateway
from tests.support.discord.rules import FILE_BYTES, bounds
from tests.support.discord.state import (
    BOT_ID,
    FILE_UPLOAD,
    Channel,
    Interaction,
    Json,
    Message,
    State,
    Upload,
    User,
)

STRING, INTEGER, BOOLEAN, USER, NUMBER, ATTACHMENT = 3, 4, 5, 6, 10, 11
RIGHT: Final[dict[int, tuple[type, ...]]] = {STRING: (str,), INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float)}
LABEL: Final = 18
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
PATIENCE: Final = 30.0  # seconds a person looks at a chat before the test gives up


@dataclass(frozen=True, slots=True)
class File:
    """Something to attach."""

    name: str
    data: bytes


class Person:
    """Every action waits until the bot acknowledged it; `sees` and `reads` show what this person is shown."""

    def __init__(self, user: User, state: State, gateway: Gateway) -> None:
        self.user = user
        self._state = state
        self._gateway = gateway

    @property
    def dm(self) -> Channel:
        return self._state.direct(self.user)

    # --- reading

    def sees(self, where: Channel | None = None) -> list[Message]:
        """What this person is shown, oldest first: in `where`, or everywhere. Not others' secrets, nor "thinking"."""
        return [
            one
            for one in self._state.messages()
            if (where is None or one.channel is where)
            and one.channel.user in {None, self.user}
            and not one.loading
            and (not one.ephemeral or (one.asked is not None and one.asked.user is self.user))
        ]

    async def reads(
        self, pattern: str, where: Channel | None = None, *, after: Message | None = None, seconds: float = PATIENCE
    ) -> Message:
        """Wait for the newest message with `pattern` in it (below `after`)."""

        def look() -> Message | None:
            fit = (one for one in reversed(self.sees(where)) if after is None or one.id > after.id)
            return next((one for one in fit if re.search(pattern, one.text)), None)

        return await self._state.bell.until(look, lambda: f"{pattern!r}; seen:\n{self.told(where)}", seconds)

    async def finds(self, label: str, where: Channel | None = None, *, seconds: float = PATIENCE) -> Message:
        """Wait for the newest message with an enabled button of that label."""

        def look() -> Message | None:
            return next((one for one in reversed(self.sees(where)) if one.button(label)), None)

        return await self._state.bell.until(look, lambda: f"button {label!r}; seen:\n{self.told(where)}", seconds)

    async def until(self, look: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait for anything else that shows."""
        await self._state.bell.until(look, lambda: f"{what}; seen:\n{self.told()}", seconds)

    def told(self, where: Channel | None = None) -> str:
        """Everything seen, for a test's failure."""
        return "\n---\n".join(
            f"{one.text} {[each.get('label') for each in one.buttons]} ({len(one.versions)} writes)"
            for one in self.sees(where)
        )

    # --- commands

    def menu(self, where: Channel | None = None) -> dict[str, Json]:
        """The commands offered there, by the name this person reads."""
        place = where or self.dm
        found = [*self._state.commands.get(None, [])]
        if place.guild:
            found += self._state.commands.get(place.guild.id, [])
        return {self.in_my_words(one, "name"): one for one in found if self._offered(one, place)}

    def in_my_words(self, one: Json, key: str) -> str:
        return str((one.get(f"{key}_localizations") or {}).get(self.user.locale) or one[key])

    def _offered(self, command: Json, place: Channel) -> bool:
        contexts = command.get("contexts")
        if contexts is not None and (1 if place.private else 0) not in contexts:
            return False
        return not place.guild or place.guild.member or 1 in (command.get("integration_types") or [0])

    def _command(self, name: str, where: Channel) -> Json:
        menu = self.menu(where)
        found = next((one for shown, one in menu.items() if name in {shown, one["name"]}), None)
        assert found is not None, f"/{name} is not offered here: {sorted(menu)}"
        return found

    async def slash(
        self, name: str, where: Channel | None = None, /, *, late: float = 0, **options: object
    ) -> Interaction:
        """Type a command. `late`: seconds that its event takes to reach the bot; over 3, nobody waits for an answer."""
        place = where or self.dm
        command = self._command(name, place)
        known = {one["name"]: one for one in command.get("options") or ()}
        assert options.keys() <= known.keys(), f"/{name} has no {options.keys() - known.keys()}"
        missing = [one for one in known if known[one].get("required") and one not in options]
        assert not missing, f"/{name} needs {missing}"
        resolved: Json = {}
        rows = [self._option(known[key], value, resolved) for key, value in options.items()]
        data: Json = {"id": command["id"], "name": command["name"], "type": 1, "options": rows}
        if resolved:
            data["resolved"] = resolved
        return await self._interact(COMMAND, place, data, late=late)

    def _option(self, known: Json, value: object, resolved: Json) -> Json:
        kind, name = known["type"], known["name"]
        if kind == ATTACHMENT:
            assert isinstance(value, File), f"{name} is a file"
            upload = self._uploads(value)
            resolved.setdefault("attachments", {})[str(upload.id)] = forms.attachment(upload, self._state)
            return {"name": name, "type": kind, "value": str(upload.id)}
        if kind == USER:
            assert isinstance(value, Person), f"{name} is a person"
            resolved.setdefault("users", {})[str(value.user.id)] = forms.user(value.user)
            return {"name": name, "type": kind, "value": str(value.user.id)}
        right = RIGHT[kind]
        assert isinstance(value, right), f"{name} is of type {kind}, not {value!r}"
        if choices := known.get("choices"):
            by_name = {self.in_my_words(one, "name"): one["value"] for one in choices}
            value = by_name.get(str(value), value)
            assert value in by_name.values(), f"{name} is one of {by_name}"
        if isinstance(value, int | float):
            assert known.get("min_value", value) <= value <= known.get("max_value", value), f"{name}: out of range"
        if isinstance(value, str):
            assert known.get("min_length", 0) <= len(value) <= known.get("max_length", 6000), f"{name}: length"
        return {"name": name, "type": kind, "value": value}

    async def types(
        self, name: str, option: str, text: str, where: Channel | None = None, /, **others: object
    ) -> list[Json]:
        """Begin to type an option; the choices offered."""
        place = where or self.dm
        command = self._command(name, place)
        known = {one["name"]: one for one in command["options"]}
        assert known[option].get("autocomplete"), f"{option} asks nobody"
        rows = [{"name": key, "type": known[key]["type"], "value": value} for key, value in others.items()]
        rows.append({"name": option, "type": known[option]["type"], "value": text, "focused": True})
        data = {"id": command["id"], "name": command["name"], "type": 1, "options": rows}
        one = await self._interact(AUTOCOMPLETE, place, data)
        assert one.choices is not None
        return one.choices

    # --- buttons and modals

    async def presses(
        self, label: str, on: Message | None = None, where: Channel | None = None, *, late: float = 0
    ) -> Interaction:
        """Press the button whose label holds `label`, on that message or the newest that has it."""
        message = on or await self.finds(label, where)
        button = message.button(label)
        assert button is not None, f"no enabled {label!r} on: {message.text} {message.buttons}"
        data = {"component_type": 2, "custom_id": button["custom_id"]}
        return await self._interact(COMPONENT, message.channel, data, message=message, late=late)

    async def fills(self, opened: Interaction, files: Sequence[File] = (), **values: str) -> Interaction:
        """Send the modal that `opened`, with `files` in its upload field and `values` by custom_id."""
        assert opened.modal is not None, "no modal was opened"
        resolved: Json = {}
        left, rows = list(files), list[Json]()
        for part in opened.modal["components"]:
            assert part["type"] == LABEL, "a modal's rows are labels"
            filled = self._filled(part["component"], left, values, resolved)
            rows.append({"type": LABEL, "id": len(rows) + 1, "component": filled})
        assert not left, f"no room for {len(left)} files"
        data: Json = {"custom_id": opened.modal["custom_id"], "components": rows}
        if resolved:
            data["resolved"] = {"attachments": resolved}
        return await self._interact(MODAL, opened.channel, data, message=opened.message)

    def _filled(self, field: Json, left: list[File], values: dict[str, str], resolved: Json) -> Json:
        """One field; of the files `left` it takes as many as it may."""
        answer = {"type": field["type"], "id": 9, "custom_id": field["custom_id"]}
        if field["type"] != FILE_UPLOAD:
            return answer | {"value": values.get(field["custom_id"], field.get("value", ""))}
        least, most = bounds(field)
        mine, left[:] = left[:most], left[most:]
        assert len(mine) >= least, f"{least} files at least, not {len(mine)}"
        uploads = [self._uploads(one) for one in mine]
        resolved |= {str(one.id): forms.attachment(one, self._state) for one in uploads}
        return answer | {"values": [str(one.id) for one in uploads]}

    # --- what all of them do

    def _uploads(self, file: File) -> Upload:
        assert len(file.data) <= FILE_BYTES, "the client refuses files of more than 10 MiB"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return self._state.upload(file.name, file.data, kind, f"ephemeral-attachments/{BOT_ID}")

    async def _interact(
        self, kind: int, place: Channel, data: Json, *, message: Message | None = None, late: float = 0
    ) -> Interaction:
        one = Interaction(
            id=self._state.new_id(), token=secrets.token_urlsafe(48), kind=kind, user=self.user, channel=place,
            made_at=self._state.clock.now() - timedelta(seconds=late), data=data, message=message,
        )  # fmt: skip
        self._state.interactions[one.token] = one
        await self._gateway.dispatch("INTERACTION_CREATE", self._payload(one), place.guild)
        if late <= 3:
            await self._state.bell.until(
                lambda: one.ack, lambda: f"the application did not respond: {data.get('name') or data}", 3.5
            )
        return one

    def _payload(self, one: Interaction) -> Json:
        place = one.channel
        found: Json = {
            "id": str(one.id), "application_id": str(BOT_ID), "type": one.kind, "token": one.token, "version": 1,
            "channel_id": str(place.id), "channel": forms.channel(place), "locale": self.user.locale,
            "entitlements": [], "attachment_size_limit": FILE_BYTES, "app_permissions": forms.EVERYTHING,
            "data": one.data,
        }  # fmt: skip
        if one.message is not None:
            found["message"] = forms.message(one.message, self._state)
        return found | (_in_guild(place, self.user) if place.guild else _in_direct(self.user))


def _in_guild(place: Channel, user: User) -> Json:
    guild = place.guild
    assert guild is not None
    owners: dict[str, Any] = {"0": str(guild.id)} if guild.member else {"1": str(user.id)}
    return {
        "guild_id": str(guild.id), "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
        "guild_locale": "en-US", "context": 0, "authorizing_integration_owners": owners, "member": forms.member(user),
    }  # fmt: skip


def _in_direct(user: User) -> Json:
    return {"context": 1, "authorizing_integration_owners": {"0": "0", "1": str(user.id)}, "user": forms.user(user)}
