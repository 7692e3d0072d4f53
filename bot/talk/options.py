"""The options of /train: a trigger first, then key=value. Words in, a recipe out."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from bot.talk.effects import Known
from pipeline.domain.faults import UserFault
from pipeline.domain.money import MICRO, MicroUsd, micro
from pipeline.domain.recipe import LONGEST_PROMPT, Captions, Preset, Publish, Recipe, preset_values, within
from pipeline.domain.text import line

FAR: Final = 10**15  # outside every bound; nobody reads more digits
LINK: Final = "url"
LINK_MOST: Final = 2000  # letters
QUOTED: Final = r'"[^"]*"|“[^“”]*”'  # phones turn one kind into the other by themselves


def split(text: str) -> list[str]:
    """The words of a remark; what stands in quotes is one word, and an equals sign needs no care for spaces."""
    joined = re.sub(rf"({QUOTED})|\s*=\s*", lambda found: found[1] or "=", text)
    words = re.findall(rf'(?:{QUOTED}|[^\s"“”])+', joined)
    return [re.sub(r'["“”]', "", word) for word in words]


def recipe(words: Sequence[str], known: Known) -> Recipe:
    """Read what follows `/train`. With a trigger a new order begins; without one the last order is changed.

    A preset sets what it is about, wherever it stands; what is typed beside it counts more.

    Raises UserFault, naming the first word that is wrong.
    """
    trigger = words[0] if words and "=" not in words[0] else ""
    options = _options(words[1:] if trigger else words)
    if trigger:
        order = Recipe(trigger=trigger, publish=known.publish)
    elif known.last:
        order = known.last
    else:
        raise UserFault("trigger-missing")
    preset = preset_values(options["preset"]) if "preset" in options else {}
    if "prompt" in options:
        options = {key: value for key, value in options.items() if key != "prompt"} | {"prompts": options["prompt"]}
    order = replace(order, **{**preset, **options})
    order.check()
    return order


def link(words: Sequence[str]) -> tuple[str, list[str]]:
    """The link among `words` ("" when there is none), and the other words. Where it leads is not looked at here.

    Raises UserFault("option-twice" | "option-empty" | "link-not-https" | "link-login" | "link-bad").
    """
    found = [word for word in words if _is_link(word)]
    if not found:
        return "", list(words)
    url = found[0].partition("=")[2]
    if len(found) > 1:
        raise UserFault("option-twice", option=LINK)
    if not url:
        raise UserFault("option-empty", option=LINK)
    _check(url)
    return url, [word for word in words if not _is_link(word)]


def _is_link(word: str) -> bool:
    key, equals, _ = word.partition("=")
    return bool(equals) and key.lower() == LINK


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise UserFault("link-bad") from None
    if parts.scheme != "https":
        raise UserFault("link-not-https")
    if not host or len(url) > LINK_MOST:
        raise UserFault("link-bad")
    if "@" in parts.netloc:
        raise UserFault("link-login")


def written(order: Recipe) -> dict[str, str]:
    """Every option of `order` as it is typed."""
    return {
        "steps": str(order.steps),
        "base": order.base,
        "preset": order.preset.value,
        "name": order.name,
        "rank": str(order.rank),
        "lr": f"{order.lr:g}",
        "resolution": ",".join(map(str, order.resolution)),
        "save_every": str(order.save_every),
        "samples": str(order.samples),
        "samples_every": str(order.samples_every) if order.samples_every else "",
        "captions": order.captions.value,
        "publish": order.publish.value,
        "region": order.region,
        "gpu": order.gpu.replace(" ", "_"),
        "max_price": f"{order.max_price / MICRO:g}" if order.max_price else "",
    }


def spelled(order: Recipe) -> str:
    """Spell `order` as the command that makes it, options at their default, or their preset's, left out."""
    plain = written(replace(Recipe(trigger=order.trigger), **preset_values(order.preset)))
    plain["preset"] = Preset.SUBJECT
    changed = [f"{key}={value}" for key, value in written(order).items() if value != plain[key]]
    said = [f'prompt="{prompt}"' for prompt in order.prompts]
    return " ".join(["/train", order.trigger, *changed, *said])


def _options(words: Sequence[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        option = key.lower()
        if not equals:
            raise UserFault("word-stray", got=word[:40])
        if option not in _READ:
            raise UserFault("option-unknown", option=option[:40], known=", ".join([*_READ, LINK]))
        if option in found and option != "prompt":
            raise UserFault("option-twice", option=option)
        if not value:
            raise UserFault("option-empty", option=option)
        if option == "prompt":
            found[option] = (*found.get(option, ()), _prompt(option, value))
            continue
        found[option] = _READ[option](option, value)
    return found


def _prompt(_option: str, value: str) -> str:
    """A person's own words, as one plain line; whether they are too long is the recipe's to say."""
    return line(value, LONGEST_PROMPT + 1).replace('"', "'")


def _word(_option: str, value: str) -> str:
    return value


def _whole(option: str, value: str) -> int:
    try:
        return max(-FAR, min(FAR, int(value)))
    except ValueError:  # also more digits than Python cares to read
        raise UserFault("number-whole", option=option, got=value[:40]) from None


def _real(option: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserFault("number-bad", option=option, got=value[:40])
    return number


def _sides(option: str, value: str) -> tuple[int, ...]:
    return tuple(_whole(option, side) for side in value.split(","))


def _one_of(choices: type[StrEnum]) -> Callable[[str, str], StrEnum]:
    def read(option: str, value: str) -> StrEnum:
        try:
            return choices(value.lower())
        except ValueError:
            raise UserFault("choice-bad", option=option, got=value[:40], known=", ".join(choices)) from None

    return read


def _region(_option: str, value: str) -> str:
    return value.upper()


def _gpu(_option: str, value: str) -> str:
    return value.replace("_", " ")


def _dollars(option: str, value: str) -> MicroUsd:
    """Within bounds before it is an amount: a recipe's 0 means "none"."""
    price = _real(option, value)
    within(option, price)
    return micro(price)


_READ: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "steps": _whole,
    "base": _word,
    "preset": _one_of(Preset),
    "name": _word,
    "rank": _whole,
    "lr": _real,
    "resolution": _sides,
    "save_every": _whole,
    "samples": _whole,
    "samples_every": _whole,
    "captions": _one_of(Captions),
    "publish": _one_of(Publish),
    "region": _region,
    "gpu": _gpu,
    "max_price": _dollars,
    "prompt": _prompt,
}
