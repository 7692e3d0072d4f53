"""Which of people's doings reach the bot, and as what kind of update."""

import re
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tests.support.telegram.feed import Feed
from tests.support.telegram.knowing import Knowing
from tests.support.telegram.world import Chat, Kind, Message, User, World, stamp

COMMAND: Final = re.compile(r"/[A-Za-z0-9_]{1,64}(?:@(\w+))?(?!\w)")


@dataclass(slots=True)
class Scene:
    """What all people share. `patience`: seconds in which a pressed button must be answered."""

    world: World
    feed: Feed
    knowing: Knowing
    patience: float
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def deliver(self, message: Message, *, edited: bool = False) -> int | None:
        """Hand `message` to the bot if it may see it; the update's id."""
        chat = message.chat
        if chat.bot in {"left", "kicked"} or (chat.is_group and not _meant(message, self.world.bot.username)):
            return None
        kind = "channel_post" if chat.kind is Kind.CHANNEL else "message"
        return self.feed.push(f"edited_{kind}" if edited else kind, message.wire)

    def turns(self, chat: Chat, by: User, status: str) -> None:
        """The bot's own standing in `chat` changes, by `by`."""
        before, chat.bot = chat.bot, status
        bot = self.world.bot
        self.feed.push(
            "my_chat_member",
            {
                "chat": chat.wire(), "from": by.wire(), "date": stamp(),
                "old_chat_member": self.world.member(chat, bot, before),
                "new_chat_member": self.world.member(chat, bot, status),
            },
        )  # fmt: skip
        self.world.bell.ring()


def _meant(message: Message, name: str) -> bool:
    """Whether privacy mode lets the bot see this message of a group."""
    if not any(key in message.wire for key in ("text", "caption", "photo", "document")):
        return True  # a service message
    if message.wire.get("reply_to_message", {}).get("from", {}).get("username") == name:
        return True
    command = COMMAND.match(message.said)
    return command is not None and command[1] in {None, name}
