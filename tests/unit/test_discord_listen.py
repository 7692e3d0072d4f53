"""Several platforms in one process: what one of them suffers is not the others' affair."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.cli.listen import listen
from bot.ports import Grounds, Hear, Refused, Said
from notifier.words import Words
from pipeline.flow.records import COLLECTIONS
from pipeline.settings import BadSettings
from tests.support.discord_town import Clock
from tests.support.store import MemoryStore
from tests.support.virtual import run

GROUNDS = Grounds(store=MemoryStore(COLLECTIONS), folder=Path(), clock=Clock(), words=Words)


@dataclass
class Scripted:
    """An ear that runs as it is told, one way a time."""

    name: str
    ways: list[Callable[[], Coroutine[Any, Any, None]]]
    runs: int = 0
    ended: list[str] = field(default_factory=list)

    async def run(self, hear: Hear, grounds: Grounds) -> None:
        self.runs += 1
        try:
            await self.ways.pop(0)()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise


async def hear(_said: Said) -> None:
    raise AssertionError


def refused(after: float) -> Callable[[], Coroutine[Any, Any, None]]:
    async def way() -> None:
        await asyncio.sleep(after)
        raise Refused("ops-discord-token")

    return way


async def broke() -> None:
    raise RuntimeError


def lasts(seconds: float) -> Callable[[], Coroutine[Any, Any, None]]:
    async def way() -> None:
        await asyncio.sleep(seconds)

    return way


def heard(*ears: Scripted) -> None:
    run(listen({one.name: one for one in ears}, hear, {one.name: GROUNDS for one in ears}))


def test_a_wrong_token_is_one_clear_sentence_and_ends_the_program() -> None:
    other = Scripted("telegram", [lasts(1e6)])
    with pytest.raises(BadSettings) as bad:
        heard(Scripted("discord", [refused(1)]), other)
    assert str(bad.value) == "DISCORD_TOKEN: Discord does not accept it"
    assert other.ended == ["cancelled"]


def test_a_token_that_dies_later_leaves_the_other_platform_alone() -> None:
    other = Scripted("telegram", [lasts(10_000)])
    with pytest.raises(BadSettings):
        heard(Scripted("discord", [refused(3600)]), other)
    assert other.ended == []


def test_an_ear_that_breaks_is_put_up_again_while_the_other_listens() -> None:
    discord, telegram = Scripted("discord", [broke, broke, lasts(1)]), Scripted("telegram", [lasts(100)])
    heard(discord, telegram)
    assert (discord.runs, telegram.runs) == (3, 1)
