"""Words a person reads, from `locales/<language>/*.ftl`: the only home of Fluent and Babel."""

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit
from fluent.runtime import FluentBundle, FluentResource

from pipeline.domain.dataset import Finding
from pipeline.domain.faults import Blame, Fact, Fault, blame
from pipeline.domain.money import MICRO, MicroUsd, Points
from pipeline.domain.text import line

HOME: Final = "en"  # complete by test; every other language falls back on it, message by message
CENT: Final = MICRO // 100
MINUTE, HOUR, DAY = 60, 3600, 86_400
PLACES: Final = (  # a checkout, or an installation that brought the words as data
    Path(__file__).parents[1] / "locales",
    Path(sys.prefix) / "share" / "trainstation" / "locales",
)


class Unspoken(Exception):
    """A message is missing or does not fit its facts: a mistake of ours that a test must see."""


class Words:
    """One language. `strict` (tests) raises Unspoken where life falls back: to English, then to the key itself.

    `marked`: foreign words in a sentence stand between U+2068 and U+2069, so that a chat platform can show them as
    letters that neither link nor call anybody. They cannot hold these marks themselves: `line` drops them.
    """

    def __init__(self, locale: str = HOME, *, strict: bool = False, marked: bool = False) -> None:
        self.locale = spoken(locale)
        self._babel = Locale.parse(self.locale, sep="-")
        self._bundles = tuple(dict.fromkeys((_bundle(self.locale), _bundle(HOME))))
        self._strict = strict
        self._marked = marked

    def say(self, key: str, /, **facts: Fact) -> str:
        """The message `key` ("name" or "name.attribute") with its blanks filled. Whole numbers also choose plurals."""
        for bundle in self._bundles:
            said, wrong = _format(bundle, key, facts)
            if not wrong:
                return said
            if self._strict:
                raise Unspoken(key, self.locale, wrong)
        return key.partition("-")[2].replace("-", " ") or key

    def knows(self, key: str) -> bool:
        return any(_pattern(bundle, key) is not None for bundle in self._bundles)

    def fault(self, fault: Fault) -> str:
        """What went wrong, for the person it happened to: their own faults in full, ours as one kind sentence."""
        return self.reason(blame(fault), fault.code, fault.facts)

    def reason(self, whose: Blame, code: str, facts: Mapping[str, Fact]) -> str:
        """As `fault`, of one that is news already. A message's `.person` speaks where blame alone says too little."""
        if whose is Blame.USER:
            return self.say(f"fault-{code}", **self._plain(facts))
        return self.hint(code, facts) or self.say(f"blame-{whose}")

    def hint(self, code: str, facts: Mapping[str, Fact]) -> str:
        """What a person may know of a fault that is not theirs; "" when nothing."""
        key = f"fault-{code}.person"
        return self.say(key, **self._plain(facts)) if self.knows(key) else ""

    def detail(self, code: str, facts: Mapping[str, Fact]) -> str:
        """What went wrong, for operators: the message, and every fact by its name."""
        plain = self._plain(facts)
        said = self.say(f"fault-{code}", **plain)
        return f"{said} ({', '.join(f'{name}: {fact}' for name, fact in plain.items())})" if plain else said

    def finding(self, found: Finding) -> str:
        return self.say(f"finding-{found.code}", **{"name": self.foreign(found.name, 60), **self._plain(found.facts)})

    def foreign(self, said: str, most: int = 200) -> str:
        """Somebody else's words for a sentence of ours: one clean line, marked as theirs."""
        clean = line(said, most)
        return f"\u2068{clean}\u2069" if self._marked and clean else clean

    def points(self, n: Points | int) -> str:
        return self.say("points", n=int(n))

    def usd(self, micro: MicroUsd | int) -> str:
        """Dollars to the cent; below one cent, to the hundredth of it."""
        small = 0 < abs(micro) < CENT
        usd = Decimal(micro) / MICRO
        if small:
            return format_currency(usd, "USD", "¤0.0000", locale=self._babel, currency_digits=False)
        return format_currency(usd, "USD", locale=self._babel)

    def number(self, x: float, digits: int = 4) -> str:
        """Whole numbers as they are, others with `digits` significant digits: a learning rate is not "0"."""
        if not isfinite(x):
            return "–"
        if float(x).is_integer():
            return format_decimal(int(x), locale=self._babel)
        return format_decimal(x, format="@" + "#" * (digits - 1), locale=self._babel)

    def duration(self, seconds: float) -> str:
        """The two greatest parts, short: "1 hr, 20 min". Seconds count below a minute only."""
        whole = max(0, round(seconds))
        if whole < MINUTE:
            return self._unit(whole, "second")
        whole = round(whole / MINUTE) * MINUTE
        parts = [(whole // DAY, "day"), (whole % DAY // HOUR, "hour"), (whole % HOUR // MINUTE, "minute")]
        told = [self._unit(count, unit) for count, unit in parts if count][:2]
        return format_list(told, style="unit-short", locale=self._babel)

    def span(self, delta: timedelta) -> str:
        return self.duration(delta.total_seconds())

    def day(self, at: datetime) -> str:
        """A date, as UTC has it."""
        return format_date(at.date(), locale=self._babel)

    def size(self, size: float) -> str:
        """Bytes as MB or GB."""
        giga = size >= 10**9
        value = round(size / (10**9 if giga else 10**6), 1)
        return format_unit(value, "digital-gigabyte" if giga else "digital-megabyte", "short", locale=self._babel)

    def _unit(self, count: int, unit: str) -> str:
        return format_unit(count, f"duration-{unit}", "short", locale=self._babel)

    def _plain(self, facts: Mapping[str, Fact]) -> dict[str, Fact]:
        """Facts as a sentence may hold them: foreign text cleaned, fractions written out."""
        return {name: self._blank(fact) for name, fact in facts.items()}

    def _blank(self, fact: Fact) -> Fact:
        if isinstance(fact, str):
            return self.foreign(fact)
        return self.number(fact) if isinstance(fact, float) else fact


def spoken(locale: str) -> str:
    """The language of ours that is nearest to `locale` ("de-AT": "de"); English when none is."""
    wanted = locale.replace("_", "-")
    ours = {name.lower(): name for name in languages()}
    return ours.get(wanted.lower()) or ours.get(wanted.partition("-")[0].lower()) or HOME


@cache
def languages() -> tuple[str, ...]:
    """The languages we speak: folders of `locales/`."""
    return tuple(sorted(folder.name for folder in words_folder().iterdir() if any(folder.glob("*.ftl"))))


def words_folder() -> Path:
    """Where `locales/` is, in a checkout or installed. Raises FileNotFoundError when neither has it."""
    for place in PLACES:
        if (place / HOME).is_dir():
            return place
    raise FileNotFoundError(PLACES[0])


@cache
def _bundle(language: str) -> FluentBundle:
    bundle = FluentBundle([language], use_isolating=False)  # marks around blanks would spoil <lora:...> and links
    for file in sorted((words_folder() / language).glob("*.ftl")):
        bundle.add_resource(FluentResource(file.read_text("utf-8")))
    return bundle


def _pattern(bundle: FluentBundle, key: str) -> Any:
    name, _, attribute = key.partition(".")
    if not bundle.has_message(name):
        return None
    message = bundle.get_message(name)
    return message.attributes.get(attribute) if attribute else message.value


def _format(bundle: FluentBundle, key: str, facts: Mapping[str, Fact]) -> tuple[str, list[Exception]]:
    """The message, and what is wrong with it."""
    pattern = _pattern(bundle, key)
    if pattern is None:
        return "", [KeyError(key)]
    said, wrong = bundle.format_pattern(pattern, dict(facts))
    return str(said), list(wrong)
