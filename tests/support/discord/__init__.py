"""A Discord for tests, strict and on loopback: `async with discord() as there: ann = there.person(7)`."""

from tests.support.discord.fake import Discord, discord
from tests.support.discord.people import File, Person
from tests.support.discord.state import Channel, Interaction, Message

__all__ = ["Channel", "Discord", "File", "Interaction", "Message", "Person", "discord"]
