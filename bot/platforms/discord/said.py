"""What an interaction says, as the text that a person would have typed elsewhere: one dialogue for all platforms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import discord

from bot.platforms.discord.inbox import File, Remark
from bot.platforms.discord.where import Kind, Place
from notifier.ports import MessageId

FIRST: Final[Mapping[str, str]] = {  # the option of a command that stands first, without its name
    "train": "trigger", "status": "job", "log": "job", "stop": "job", "cancel": "job", "model": "model",
}  # fmt: skip
FILES_MOST: Final = 50  # of one remark: five fields of ten
CONTEXTS: Final = {0: Kind.CHANNEL, 1: Kind.DM, 2: Kind.ELSEWHERE}
GUILD_INSTALL: Final = "0"  # the key under which Discord names the server that installed the app

Options = Mapping[str, Any]


def place_of(interaction: discord.Interaction[Any]) -> Place:
    """Where it was said, and whether we may write there by ourselves."""
    owners = getattr(interaction, "_integration_owners", {})
    if interaction.guild_id is not None:
        kind = Kind.ELSEWHERE if owners and int(GUILD_INSTALL) not in owners else Kind.CHANNEL
    else:
        kind = Kind.ELSEWHERE if interaction.context.private_channel else Kind.DM
    return Place(kind, interaction.channel_id or 0, interaction.user.id)


def remark_of(
    interaction: discord.Interaction[Any], *, pressed: str | None = None, message: MessageId | None = None
) -> Remark:
    """The interaction in values that can be kept."""
    data: Mapping[str, Any] = interaction.data or {}
    return Remark(
        id=interaction.id,
        user=interaction.user.id,
        chat=str(place_of(interaction)),
        locale=str(interaction.locale.value),
        text=text_of(data) if pressed is None else "",
        pressed=pressed,
        message=message,
        files=tuple(files_of(data)) if pressed is None else (),
        app=interaction.application_id,
        token=interaction.token,
        room=interaction.filesize_limit,
    )


def text_of(data: Mapping[str, Any]) -> str:
    """The command line that these options spell; "" for files alone."""
    name = str(data.get("name", ""))
    if not name:
        return ""
    options = {option["name"]: option["value"] for option in data.get("options", ()) if option.get("type") != ATTACHED}
    return " ".join([f"/{name}", *_SPELL.get(name, _named)(name, options)])


def files_of(data: Mapping[str, Any]) -> list[File]:
    """The attachments, in the order they were given in."""
    attached: Mapping[str, Any] = data.get("resolved", {}).get("attachments", {})
    found = (attached.get(number) for number in _numbers(data))
    files = [File(str(one["filename"]), str(one["url"]), int(one["size"])) for one in found if one is not None]
    return files[:FILES_MOST]


ATTACHED: Final = discord.AppCommandOptionType.attachment.value


def _numbers(data: Mapping[str, Any]) -> Sequence[str]:
    options = [str(option["value"]) for option in data.get("options", ()) if option.get("type") == ATTACHED]
    labels = [row.get("component", {}) for row in data.get("components", ())]
    return [*options, *(str(number) for label in labels for number in label.get("values", ()))]


def _named(name: str, options: Options) -> list[str]:
    """The word that stands first, then name=value."""
    first = FIRST.get(name, "")
    words = [str(options[first])] if first in options else []
    return [*words, *(f"{key}={_word(value)}" for key, value in options.items() if key != first)]


def _dataset(_name: str, options: Options) -> list[str]:
    if options.get("clear"):
        return ["clear"]
    return ["drop", str(options["drop"])] if "drop" in options else []


def _grant(_name: str, options: Options) -> list[str]:
    """A person that was picked from a list arrives as a number."""
    return [f"discord:{options.get('person', '')}", str(options.get("points", "")), str(options.get("reason", ""))]


def _word(value: object) -> str:
    """A value as one word: Discord's fields hold spaces, ours do not."""
    return "_".join(str(value).split()) if isinstance(value, str) else f"{value:g}" if _real(value) else str(value)


def _real(value: object) -> bool:
    return isinstance(value, float)


_SPELL: Final[Mapping[str, Callable[[str, Options], list[str]]]] = {"dataset": _dataset, "grant": _grant}
