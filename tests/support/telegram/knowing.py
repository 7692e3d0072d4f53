"""Methods about the bot itself, chats, files and updates: everything that is not a message."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tests.support.telegram.answers import GONE_QUERY, bad
from tests.support.telegram.calls import Call
from tests.support.telegram.feed import Feed, Hook
from tests.support.telegram.markup import units
from tests.support.telegram.world import Chat, Kind, World

NAME: Final = re.compile(r"[a-z0-9_]{1,32}")
LANGUAGE: Final = re.compile(r"([a-z]{2})?")
SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
COMMANDS_MAX: Final = 100
DESCRIBED: Final = {"name": 64, "description": 512, "short_description": 120}
SCOPES: Final = frozenset(
    {
        "default",
        "all_private_chats",
        "all_group_chats",
        "all_chat_administrators",
        "chat",
        "chat_administrators",
        "chat_member",
    }
)


@dataclass(slots=True)
class Press:
    """A button pressed: its query waits for an answer. `until`: loop time."""

    id: str
    user: int
    until: float
    answer: str | None = None  # None: the person still sees it turning
    alert: bool = False
    url: str = ""


@dataclass(slots=True)
class Profile:
    """What the bot said about itself, by language; commands by (scope, language)."""

    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    commands: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    menu: dict[str, Any] = field(default_factory=lambda: {"type": "commands"})


class Knowing:
    """One per server. `now`: loop time."""

    def __init__(self, world: World, feed: Feed, now: Callable[[], float]) -> None:
        """`feed` is where updates wait."""
        self._world, self._feed, self.clock = world, feed, now
        self.profile = Profile()
        self.presses: dict[str, Press] = {}

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        described: dict[str, Callable[[Call], Any]] = {}
        for what in DESCRIBED:
            title = "".join(part.capitalize() for part in what.split("_"))
            described[f"setMy{title}"] = partial(self.describe, what)
            described[f"getMy{title}"] = partial(self.described, what)
        return {
            **described,
            "getMe": self.me,
            "logOut": lambda _call: True,
            "close": lambda _call: True,
            "setMyCommands": self.set_commands,
            "getMyCommands": self.get_commands,
            "deleteMyCommands": self.delete_commands,
            "setChatMenuButton": self.set_menu,
            "getChatMenuButton": lambda _call: self.profile.menu,
            "getUpdates": self.updates,
            "setWebhook": self.set_webhook,
            "deleteWebhook": self.delete_webhook,
            "getWebhookInfo": lambda _call: self._feed.about_hook(),
            "getFile": lambda call: self._world.files.get(call.text("file_id")),
            "getChat": self.chat,
            "getChatMember": self.member,
            "leaveChat": self.leave,
            "answerCallbackQuery": self.answer,
        }

    # --- itself

    def me(self, _call: Call) -> dict[str, Any]:
        abilities = {
            "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False,
            "can_connect_to_business": False, "has_main_web_app": False,
        }  # fmt: skip
        return self._world.bot.wire() | abilities

    def describe(self, what: str, call: Call) -> bool:
        if units(call.text(what)) > DESCRIBED[what]:
            raise bad(f"{what.upper()}_TOO_LONG")
        self.profile.texts[what, _language(call)] = call.text(what)
        return True

    def described(self, what: str, call: Call) -> dict[str, str]:
        texts = self.profile.texts
        base = self._world.bot.name if what == "name" else ""
        return {what: texts.get((what, _language(call))) or texts.get((what, "")) or base}

    def set_commands(self, call: Call) -> bool:
        commands = call.json("commands", [])
        if len(commands) > COMMANDS_MAX:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not NAME.fullmatch(str(command.get("command", "")).removeprefix("/")):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= units(str(command.get("description", ""))) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self.profile.commands[_scope(call), _language(call)] = commands
        return True

    def get_commands(self, call: Call) -> list[dict[str, str]]:
        return self.profile.commands.get((_scope(call), _language(call)), [])

    def delete_commands(self, call: Call) -> bool:
        self.profile.commands.pop((_scope(call), _language(call)), None)
        return True

    def set_menu(self, call: Call) -> bool:
        self.profile.menu = call.json("menu_button") or {"type": "commands"}
        return True

    # --- updates

    async def updates(self, call: Call) -> list[dict[str, Any]]:
        return await self._feed.poll(
            call.number("offset"), call.number("limit"), call.number("timeout"), call.json("allowed_updates")
        )

    def set_webhook(self, call: Call) -> bool:
        secret = call.text("secret_token")
        if secret and not SECRET.fullmatch(secret):
            raise bad("secret token contains unallowed characters")
        if not call.text("url"):
            return self.delete_webhook(call)
        hook = Hook(call.text("url"), secret, call.number("max_connections", 40))
        self._feed.set_hook(hook, call.json("allowed_updates"), drop=call.flag("drop_pending_updates"))
        return True

    def delete_webhook(self, call: Call) -> bool:
        self._feed.drop_hook(drop=call.flag("drop_pending_updates"))
        return True

    # --- chats

    def chat(self, call: Call) -> dict[str, Any]:
        chat = self._known(call)
        more: dict[str, Any] = {"accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": GIFTS}
        return chat.wire() | more

    def member(self, call: Call) -> dict[str, Any]:
        chat = self._known(call)
        number = call.number("user_id")
        if number == self._world.bot.id:
            return self._world.member(chat, self._world.bot, chat.bot)
        user = self._world.users.get(number)
        if user is None:
            raise bad("invalid user_id specified" if not number else "member not found")
        return self._world.member(chat, user, chat.members.get(number, "left"))

    def leave(self, call: Call) -> bool:
        chat = self._world.reach(call.text("chat_id"))
        if chat.kind is Kind.PRIVATE:
            raise bad("private chat can't be left")
        chat.bot = "left"
        self._world.bell.ring()
        return True

    def _known(self, call: Call) -> Chat:
        """Reading is allowed where writing is not: only a chat never met is not found."""
        chat = self._world.chats.get(call.number("chat_id"))
        return chat if chat is not None and chat.kind is Kind.PRIVATE else self._world.reach(call.text("chat_id"))

    def answer(self, call: Call) -> bool:
        press = self.presses.get(call.text("callback_query_id"))
        if press is None or press.answer is not None or self.clock() > press.until:
            raise bad(GONE_QUERY)
        if units(call.text("text")) > 200:
            raise bad("MESSAGE_TOO_LONG")
        press.answer, press.alert, press.url = call.text("text"), call.flag("show_alert"), call.text("url")
        self._world.bell.ring()
        return True


GIFTS: Final = dict.fromkeys(
    ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"),
    False,  # each of them
)


def _language(call: Call) -> str:
    code = call.text("language_code")
    if not LANGUAGE.fullmatch(code):
        raise bad("invalid language code specified")
    return code


def _scope(call: Call) -> str:
    scope = call.json("scope") or {"type": "default"}
    if scope.get("type") not in SCOPES:
        raise bad("can't parse BotCommandScope: unsupported type specified")
    more = {key: value for key, value in scope.items() if key != "type" and value is not None}
    return str(scope["type"]) + (json.dumps(more, sort_keys=True) if more else "")
