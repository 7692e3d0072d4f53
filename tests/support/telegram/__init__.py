"""A strict Telegram Bot API on loopback, with the people who talk to the bot. Sources: facts/chat.md 1, 3a, 5."""

from tests.support.telegram.people import Channel, Group, Person
from tests.support.telegram.seen import Seen
from tests.support.telegram.server import TOKEN, TelegramServer

__all__ = ["TOKEN", "Channel", "Group", "Person", "Seen", "TelegramServer"]
