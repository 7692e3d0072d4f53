"""Command names and descriptions in people's languages, from locales/."""

import re
from collections.abc import Callable
from typing import Any, Final

import discord
import structlog
from discord import app_commands

from notifier.words import HOME, Words, spoken

NAME: Final = re.compile(r"[-_'\w]{1,32}")  # also the Thai and Devanagari marks that \w leaves out: see `fits`
DESCRIPTION: Final = 100

log = structlog.get_logger()


class Translator(app_commands.Translator):
    """A language we do not speak gets none of ours: Discord shows the command's own words."""

    def __init__(self, words: Callable[[str], Words], spoken: Callable[[str], str] = spoken) -> None:
        self._words, self._spoken = words, spoken

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContext[Any, Any],
    ) -> str | None:
        """What `string` is in `locale`; American English is given, too: else Americans might be shown another one."""
        key = string.extras.get("key")  # a choice has none: its name is what is typed elsewhere, too
        if key is None or (self._spoken(locale.value) == HOME and locale is not discord.Locale.american_english):
            return None
        said = self._words(locale.value).say(key)
        if not fits(said, context.location):
            log.error("discord-word-refused", key=key, locale=locale.value)
            return None  # one bad name would fail all commands
        return said


def fits(said: str, location: app_commands.TranslationContextLocation) -> bool:
    """Discord's own rule for a name or a description."""
    if location.name.endswith("_description"):
        return 1 <= len(said) <= DESCRIPTION
    plain = "".join(
        letter for letter in said if not "\u0900" <= letter <= "\u097f" and not "\u0e00" <= letter <= "\u0e7f"
    )
    return 1 <= len(said) <= 32 and said == said.lower() and (not plain or NAME.fullmatch(plain) is not None)  # noqa: PLR2004  # Discord's
