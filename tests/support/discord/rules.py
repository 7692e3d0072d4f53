"""What Discord accepts: the lengths, counts and forms of commands and messages. A breach raises a Refusal."""

import re
from collections.abc import Iterable
from typing import Final

from tests.support.discord.errors import Refusal, invalid
from tests.support.discord.state import BUTTON, FILE_UPLOAD, Json, walk

LOCALES: Final = frozenset(
    {
        "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR",
        "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko",
    }
)  # fmt: skip
NAME: Final = re.compile(r"^[-_'\w]{1,32}$")  # and no letter that has a lower case
COMMAND_CHARS: Final = 8000
FILE_BYTES: Final = 10 * 1024 * 1024
REQUEST_BYTES: Final = 25 * 1024 * 1024
V2: Final = 1 << 15
_EMBED: Final = {"title": 256, "description": 4096}


def commands(asked: object, most: int = 100) -> list[Json]:
    """Check a bulk PUT. One bad word anywhere refuses the whole of it."""
    if not isinstance(asked, list):
        raise Refusal(50035)
    names = [one["name"] for one in asked if one.get("type", 1) == 1]
    if len(names) > most:
        raise Refusal(30032)
    if len(names) != len(set(names)):
        raise invalid("name", "Application command names must be unique", "APPLICATION_COMMANDS_DUPLICATE_NAME")
    for index, one in enumerate(asked):
        if one.get("type", 1) == 1:
            _words(one, str(index))
            _options(one.get("options") or [], f"{index}.options")
            if _size(one) > COMMAND_CHARS:
                raise invalid(str(index), "Command exceeds maximum size (8000)", "APPLICATION_COMMAND_TOO_LARGE")
    return asked


def _words(one: Json, where: str) -> None:
    localised = one.get("name_localizations") or {}
    for place, name in {
        "name": one["name"],
        **{f"name_localizations.{key}": text for key, text in localised.items()},
    }.items():
        if not NAME.fullmatch(name) or name != name.lower():
            raise invalid(f"{where}.{place}", f"{name!r} is not a command name", "APPLICATION_COMMAND_INVALID_NAME")
    descriptions = one.get("description_localizations") or {}
    for place, text in {"description": one.get("description"), **descriptions}.items():
        if not isinstance(text, str) or not 1 <= len(text) <= 100:
            raise invalid(f"{where}.{place}", "Must be between 1 and 100 in length.")
    for key in {**localised, **descriptions}:
        if key not in LOCALES:
            raise invalid(f"{where}.name_localizations", f"{key!r} is not a locale", "ENUM_TYPE_COERCE")


def _options(options: list[Json], where: str) -> None:
    if len(options) > 25:
        raise invalid(where, "Must be 25 or fewer in length.")
    if len({one["name"] for one in options}) != len(options):
        raise invalid(where, "Option names must be unique", "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS")
    needed = [bool(one.get("required")) for one in options if one["type"] > 2]
    if needed != sorted(needed, reverse=True):
        words = "Required options must be placed before non-required options"
        raise invalid(where, words, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID")
    for index, one in enumerate(options):
        here = f"{where}.{index}"
        _words(one, here)
        _options(one.get("options") or [], f"{here}.options")
        choices = one.get("choices") or []
        if len(choices) > 25 or (choices and one.get("autocomplete")):
            raise invalid(f"{here}.choices", "Must be 25 or fewer in length, and never beside autocomplete.")
        check_choices(choices, f"{here}.choices")


def check_choices(choices: list[Json], where: str = "data.choices") -> None:
    """Of an option, or of an autocomplete answer."""
    if len(choices) > 25:
        raise invalid(where, "Must be 25 or fewer in length.")
    for index, one in enumerate(choices):
        names = [one["name"], *(one.get("name_localizations") or {}).values()]
        if any(not 1 <= len(name) <= 100 for name in names):
            raise invalid(f"{where}.{index}.name", "Must be between 1 and 100 in length.")
        if isinstance(one["value"], str) and not 1 <= len(one["value"]) <= 100:
            raise invalid(f"{where}.{index}.value", "Must be between 1 and 100 in length.")


def _size(one: Json) -> int:
    """Letters of names, descriptions and values; of a localised text, its longest form."""
    total = sum(
        max(len(text) for text in [one.get(key) or "", *(one.get(f"{key}_localizations") or {}).values()])
        for key in ("name", "description")
    )
    total += sum(len(choice["name"]) + len(str(choice["value"])) for choice in one.get("choices") or ())
    return total + sum(_size(option) for option in one.get("options") or ())


# --- messages


def message(body: Json, *, files: Iterable[str] = (), empty_ok: bool = False) -> None:
    """Check content, embeds and components of a message to be written."""
    content, embeds, components = body.get("content") or "", body.get("embeds") or [], body.get("components") or []
    v2 = bool((body.get("flags") or 0) & V2)
    if len(content) > 2000:
        raise invalid("content", "Must be 2000 or fewer in length.")
    if v2 and (content or embeds):
        raise invalid("content", "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2")
    if not (content or embeds or components or list(files) or empty_ok):
        raise Refusal(50006)
    _embeds(embeds)
    _components(components, v2=v2)


def _embeds(embeds: list[Json]) -> None:
    if len(embeds) > 10:
        raise invalid("embeds", "Must be 10 or fewer in length.")
    total = 0
    for index, embed in enumerate(embeds):
        where, fields = f"embeds.{index}", embed.get("fields") or []
        sizes = {key: (len(embed.get(key) or ""), most) for key, most in _EMBED.items()}
        sizes["footer.text"] = (len((embed.get("footer") or {}).get("text") or ""), 2048)
        sizes["author.name"] = (len((embed.get("author") or {}).get("name") or ""), 256)
        for number, row in enumerate(fields):
            sizes[f"fields.{number}.name"] = (len(row["name"]), 256)
            sizes[f"fields.{number}.value"] = (len(row["value"]), 1024)
            if not row["name"].strip() or not row["value"].strip():
                raise invalid(f"{where}.fields.{number}", "This field is required", "BASE_TYPE_REQUIRED")
        for key, (size, most) in sizes.items():
            if size > most:
                raise invalid(f"{where}.{key}", f"Must be {most} or fewer in length.")
        if len(fields) > 25:
            raise invalid(f"{where}.fields", "Must be 25 or fewer in length.")
        total += sum(size for size, _ in sizes.values())
    if total > 6000:
        raise invalid("embeds", "Embed size exceeds maximum size of 6000", "MAX_EMBED_SIZE_EXCEEDED")


def _components(components: list[Json], *, v2: bool) -> None:
    everything = walk(components)
    if not v2 and (len(components) > 5 or any(part["type"] != 1 for part in components)):
        raise invalid("components", "Must be 5 or fewer action rows.")
    if v2 and len(everything) > 40:
        raise invalid("components", "Must be 40 or fewer components.")
    for index, part in enumerate(everything):
        if part["type"] == 1 and not 1 <= len(part["components"]) <= 5:
            raise invalid(f"components.{index}", "Must be between 1 and 5 in length.")
        if part["type"] == BUTTON:
            _button(part, f"components.{index}")
    ids = [part["custom_id"] for part in everything if part.get("custom_id")]
    if len(ids) != len(set(ids)):
        raise invalid("components", "Component custom id cannot be duplicated", "COMPONENT_CUSTOM_ID_DUPLICATED")
    if any(len(each) > 100 for each in ids):
        raise invalid("components", "Must be between 1 and 100 in length.")


def _button(part: Json, where: str) -> None:
    if len(part.get("label") or "") > 80:
        raise invalid(f"{where}.label", "Must be 80 or fewer in length.")
    if bool(part.get("url")) == bool(part.get("custom_id")) or (part["style"] == 5) != bool(part.get("url")):
        raise invalid(where, "A custom id and url cannot both be specified", "BUTTON_COMPONENT_CUSTOM_ID_URL")
    if not part.get("label") and not part.get("emoji"):
        raise invalid(where, "A button must have a label or an emoji", "BUTTON_COMPONENT_INVALID_LABEL")


def modal(data: Json) -> None:
    """Check a callback of type 9."""
    if not 1 <= len(data.get("title", "")) <= 45:
        raise invalid("data.title", "Must be between 1 and 45 in length.")
    if not 1 <= len(data["components"]) <= 5:
        raise invalid("data.components", "Must be between 1 and 5 in length.")
    for index, part in enumerate(walk(data["components"])):
        where = f"data.components.{index}"
        if part["type"] == 18 and (len(part["label"]) > 45 or len(part.get("description") or "") > 100):
            raise invalid(where, "Must be 45 (label) or 100 (description) or fewer in length.")
        if part["type"] == FILE_UPLOAD:
            least, most = bounds(part)
            if not 0 <= least <= most <= 10:
                raise invalid(where, "max_values must be between 1 and 10")


def bounds(field: Json) -> tuple[int, int]:
    """How few and how many values a field of a modal takes."""
    least, most = field.get("min_values"), field.get("max_values")
    return (1 if least is None else least), (1 if most is None else most)
