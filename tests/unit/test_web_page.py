"""The page as it is served: whole in every language, and nothing in it that a policy would have to allow."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from aiohttp.test_utils import make_mocked_request
from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl

from bot.web.gate import Crowd, Gate, TooMany, origin_of
from bot.web.inbox import KINDS, Limits
from bot.web.page import SCRIPT, TYPES, Page
from notifier.words import Words, languages, words_folder

STATIC: Final = Path(__file__).parents[2] / "bot" / "web" / "static"


def said() -> set[str]:
    """Every message of web.ftl, without its prefix."""
    body = FluentParser().parse((words_folder() / "en" / "web.ftl").read_text("utf-8")).body
    return {entry.id.name.removeprefix("web-") for entry in body if isinstance(entry, ftl.Message)}


def served(headers: Mapping[str, str] | None = None, query: str = "") -> str:
    page = Page(lambda locale: Words(locale, strict=True), Limits())
    answer = asyncio.run(page.page(make_mocked_request("GET", f"/upload{query}", headers=headers or {})))
    assert answer.text is not None
    return answer.text


def test_every_word_of_the_page_is_shown_or_said_and_the_script_says_none_that_is_missing() -> None:
    scripts = "".join((STATIC / name).read_text() for name in TYPES if name.endswith(".js"))
    spoken = set(re.findall(r'say\("([\w-]+)"', scripts)) | set(re.findall(r'"(refused-[\w-]+)"', scripts))
    assert spoken <= set(SCRIPT)
    shown = set(re.findall(r'"web-([\w-]+)"', (STATIC.parent / "page.py").read_text()))
    assert said() == shown | set(SCRIPT)
    codes = set(re.findall(r'Refused\("(\w+)"', (STATIC.parent / "inbox.py").read_text()))
    assert codes - {"offset", "chunk"} <= {name.removeprefix("refused-") for name in SCRIPT}


@pytest.mark.parametrize("language", languages())
def test_the_page_is_whole_in_every_language(language: str) -> None:
    page = served(query=f"?lang={language}")
    assert f'<html lang="{language}">' in page
    assert not re.search(r"\$\w", page)


def test_the_link_s_language_wins_over_the_browser_s_and_one_we_lack_is_answered_in_english() -> None:
    assert '<html lang="en">' in served({"Accept-Language": "tlh, de;q=0.5"}, "?lang=xx-Klingon")
    assert '<html lang="en">' in served({"Accept-Language": "en-GB,en;q=0.9"})
    assert '<html lang="en">' in served({"Accept-Language": ";;;" * 500}, "?lang=%00<script>")


def test_the_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = served()
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    assert re.findall(r"<style|javascript:|https?://", page) == []
    assert re.findall(r'<script(?! type="module" src=| type="application/json")', page) == []
    everything = "".join((STATIC / name).read_text() for name in TYPES)
    foreign = set(re.findall(r"https?://[\w.-]+", everything))
    assert foreign == {"https://web.telegram.org", "http://www.w3.org"}  # a frame's origin, and SVG's name


def test_the_page_offers_what_the_server_takes() -> None:
    pattern = re.search(r"const KINDS = /(.*)/i;", (STATIC / "page.js").read_text())
    assert pattern is not None
    for kind in KINDS:
        assert re.search(pattern[1], f"cat{kind}")
    for other in (".txt", ".exe", ".svg", ".gif", ""):
        assert not re.search(pattern[1], f"cat{other}")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://bot.example", "https://bot.example"),
        ("https://Bot.Example:443/pages", "https://bot.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_spelled_as_browsers_spell_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_the_gate_counts_each_link_by_itself_and_forgives_with_time() -> None:
    async def play() -> list[bool]:
        gate = Gate(Crowd(at_once=2, burst=3, each_second=1000.0))
        seen = []
        with gate.through("a"), gate.through("a"):
            seen.append(_open(gate, "a"))
            seen.append(_open(gate, "b"))
        seen.append(_open(gate, "a"))
        slow = Gate(Crowd(at_once=2, burst=2, each_second=0.0))
        seen += [_open(slow, "a") for _ in range(3)]
        return seen

    assert asyncio.run(play()) == [False, True, True, True, True, False]


def _open(gate: Gate, link: str) -> bool:
    try:
        with gate.through(link):
            return True
    except TooMany:
        return False
