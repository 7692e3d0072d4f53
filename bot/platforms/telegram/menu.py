"""What Telegram shows of the bot before anybody speaks: its commands and its description, per language and scope."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiogram.methods import SetMyCommands, SetMyDescription, SetMyShortDescription, TelegramMethod
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
)

from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.wire import Wait, Wire
from bot.talk import hello
from notifier.words import HOME, Words, languages
from pipeline.domain.faults import OperatorFault

DESCRIPTION, SHORT, COMMAND = 512, 120, 256  # letters

log = structlog.get_logger()


async def set_up(wire: Wire, memory: Memory, words: Callable[[str], Words]) -> None:
    """Set what differs from what we set last. A failure costs the menu, not the bot."""
    calls = _calls(words)
    mark = hashlib.sha256(json.dumps([_seen(call) for call in calls], sort_keys=True).encode()).hexdigest()
    name = f"menu-{wire.bot.id}"
    if (await memory.get(name) or {}).get("mark") == mark:
        return
    try:
        for call in calls:
            await wire.call(call)
    except (OperatorFault, Wait) as fault:
        log.warning("telegram-menu", why=str(fault))
        return
    await memory.put(name, {"mark": mark})


def _seen(call: TelegramMethod[bool]) -> dict[str, Any]:
    return {"method": call.__api_method__, **call.model_dump(mode="json", exclude_none=True, warnings=False)}


def _calls(words: Callable[[str], Words]) -> list[TelegramMethod[bool]]:
    """Commands for all, for private chats, for groups; then the two descriptions. English is for every other tongue."""
    calls: list[TelegramMethod[bool]] = []
    for language in sorted(languages(), key=lambda name: name != HOME):
        said, code = words(language), None if language == HOME else language.partition("-")[0]
        group, whole = _commands(hello.IN_GROUPS, said), _commands(hello.LISTED, said)
        calls += [
            SetMyCommands(commands=group, scope=BotCommandScopeDefault(), language_code=code),
            SetMyCommands(commands=whole, scope=BotCommandScopeAllPrivateChats(), language_code=code),
            SetMyCommands(commands=group, scope=BotCommandScopeAllGroupChats(), language_code=code),
            SetMyDescription(description=said.say("telegram-description")[:DESCRIPTION], language_code=code),
            SetMyShortDescription(short_description=said.say("telegram-about")[:SHORT], language_code=code),
        ]
    return calls


def _commands(names: Sequence[str], words: Words) -> list[BotCommand]:
    return [BotCommand(command=name, description=words.say(f"chat-help-{name}")[:COMMAND]) for name in names]
