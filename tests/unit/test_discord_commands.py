"""Commands against Discord's rules, in every language; told to Discord only when they changed."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.platforms.discord.client import Client
from bot.platforms.discord.said import files_of, text_of
from bot.platforms.discord.sync import sync
from bot.platforms.discord.translate import Translator
from bot.ports import Grounds
from notifier.words import Words, languages, spoken
from pipeline.domain.ids import Identity
from pipeline.flow.records import COLLECTIONS
from tests.support.discord_town import Clock
from tests.support.store import MemoryStore

CHAT_INPUT, COMMANDS_MOST, LETTERS_MOST, OPTIONS_MOST = 1, 100, 8000, 25
SWAPPED = str.maketrans("aeiou", "áéíóú")


class Pseudo(Words):
    """English with accents: what is not in locales/ stays plain and is seen."""

    def say(self, key: str, /, **facts: Any) -> str:
        return super().say(key, **facts).translate(SWAPPED)


def pseudo(locale: str) -> Words:
    return Pseudo("en") if locale == "de" else Words(locale)


def client(words: Callable[[str], Words] = Words, store: MemoryStore | None = None) -> Client:
    grounds = Grounds(
        store=store or MemoryStore(COLLECTIONS), folder=Path(), clock=Clock(), words=words,
        operators=frozenset({Identity("discord:7")}),
    )  # fmt: skip
    return Client(grounds, None)


def payloads(words: Callable[[str], Words] = Words, monkey: bool = False) -> list[dict[str, Any]]:
    async def made() -> list[dict[str, Any]]:
        one = client(words)
        translator = Translator(words, spoken=_german if monkey else spoken)
        await one.tree.set_translator(translator)
        return [await command.get_translated_payload(one.tree, translator) for command in one.tree.get_commands()]

    return asyncio.run(made())


def _german(locale: str) -> str:
    return "de" if locale == "de" else spoken(locale)


def parts(command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield command
    yield from command.get("options", [])


def names(part: dict[str, Any]) -> dict[str, str]:
    return {"": part["name"], **(part.get("name_localizations") or {})}


def descriptions(part: dict[str, Any]) -> dict[str, str]:
    return {"": part["description"], **(part.get("description_localizations") or {})}


@pytest.mark.parametrize("words", [Words, pseudo])
def test_names_and_descriptions_keep_discords_rules_in_every_language(words: Callable[[str], Words]) -> None:
    all_commands = payloads(words, monkey=words is pseudo)
    assert 0 < len(all_commands) <= COMMANDS_MOST
    for command in all_commands:
        assert command["type"] == CHAT_INPUT
        assert len(command.get("options", [])) <= OPTIONS_MOST
        assert re.fullmatch(r"[-_a-z0-9]{1,32}", command["name"])
        for part in parts(command):
            for name in names(part).values():
                assert 1 <= len(name) <= 32
                assert name == name.lower()
                assert re.fullmatch(r"[-_'\w]+", name)
            assert all(1 <= len(said) <= 100 for said in descriptions(part).values())
        for locale in {one for part in parts(command) for one in descriptions(part)}:
            letters = sum(len(names(part).get(locale, part["name"])) for part in parts(command))
            letters += sum(len(descriptions(part).get(locale, part["description"])) for part in parts(command))
            assert letters <= LETTERS_MOST
    for locale in {one for command in all_commands for one in names(command)}:
        told = [names(command).get(locale, command["name"]) for command in all_commands]
        assert len(told) == len(set(told))
        for command in all_commands:
            options = [names(option).get(locale, option["name"]) for option in command.get("options", [])]
            assert len(options) == len(set(options))


def test_a_language_of_ours_reaches_discord_whole_and_americans_get_english() -> None:
    train = next(command for command in payloads(pseudo, monkey=True) if command["name"] == "train")
    assert train["name_localizations"] == {"de": "tráín", "en-US": "train"}
    assert set(train["description_localizations"]) == {"de", "en-US"}
    for option in train["options"]:
        assert option["name_localizations"]["de"] == option["name"].translate(SWAPPED)
        assert option["description_localizations"]["de"] != option["description"]


def test_every_language_we_speak_is_offered_where_discord_speaks_it_too() -> None:
    offered = {locale for command in payloads() for locale in descriptions(command) if locale}
    for locale in discord.Locale:
        if spoken(locale.value) != "en":
            assert locale.value in offered
    assert set(languages()) >= {"en"}


def test_train_needs_only_a_trigger_and_is_everywhere() -> None:
    train = next(command for command in payloads() if command["name"] == "train")
    needed = [option["name"] for option in train["options"] if option.get("required")]
    kinds = {option["name"]: option["type"] for option in train["options"]}
    assert needed == ["trigger"]
    assert (kinds["trigger"], kinds["dataset"], kinds["steps"]) == (3, 11, 4)
    assert sorted(train["contexts"]) == [0, 1, 2]
    assert sorted(train["integration_types"]) == [0, 1]
    steps = next(option for option in train["options"] if option["name"] == "steps")
    assert (steps["min_value"], steps["max_value"]) == (10, 20_000)


def test_no_intent_that_needs_a_review_is_asked_for() -> None:
    intents = client().intents
    assert not intents.message_content
    assert not intents.members
    assert not intents.presences
    assert not intents.messages


def test_commands_are_told_once_and_again_when_they_change() -> None:
    store, put = MemoryStore(COLLECTIONS), list[int | None]()

    async def start(words: Callable[[str], Words], guild: int | None = None) -> None:
        one = client(words, store)
        one.http = Recorder(put)  # type: ignore[assignment]  # its calls are all we look at
        one.tree._http = one.http
        one._connection.application_id = 2
        await one.tree.set_translator(Translator(words, spoken=_german if words is pseudo else spoken))
        await sync(one.tree, store, guild)

    async def starts() -> None:
        await start(Words)
        await start(Words)
        assert put == [None]
        await start(pseudo)
        assert put == [None, None]
        await start(Words, 4)
        await start(Words, 4)
        assert put == [None, None, 4]

    asyncio.run(starts())


class Recorder:
    """Discord's command routes."""

    def __init__(self, put: list[int | None]) -> None:
        self._put = put

    async def bulk_upsert_global_commands(self, _app: int, payload: list[Any]) -> list[Any]:
        assert json.dumps(payload)
        self._put.append(None)
        return []

    async def bulk_upsert_guild_commands(self, _app: int, guild: int, payload: list[Any]) -> list[Any]:
        self._put.append(guild)
        return []


def option(name: str, value: object, kind: int = 3) -> dict[str, object]:
    return {"name": name, "value": value, "type": kind}


def test_options_in_any_order_and_of_any_kind_become_one_command_line() -> None:
    data = {
        "name": "train",
        "options": [option("steps", 5, 4), option("trigger", "ohwx"), option("lr", 1e-4, 10), option("x", "a  b")],
    }
    assert text_of(data) == "/train ohwx steps=5 lr=0.0001 x=a_b"
    assert text_of({"name": "grant", "options": [option("person", "7", 6), option("points", 5, 4)]}).split() == [
        "/grant", "discord:7", "5",
    ]  # fmt: skip


def test_files_come_in_the_order_they_were_given_and_fifty_at_most() -> None:
    attached = {str(n): {"filename": f"{n}.jpg", "url": "https://x", "size": n} for n in range(60)}
    rows = [{"component": {"values": [str(n) for n in range(30, 60)]}}, {"component": {"values": ["1"]}}]
    found = files_of({"components": rows, "resolved": {"attachments": attached}})
    assert [one.name for one in found] == [f"{n}.jpg" for n in (*range(30, 60), 1)]
    many = [{"component": {"values": [str(n) for n in range(60)]}}]
    assert len(files_of({"components": many, "resolved": {"attachments": attached}})) == 50
    assert files_of({"options": [option("dataset", "99", 11)], "resolved": {}}) == []
