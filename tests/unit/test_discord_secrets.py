"""What goes wrong between us and Discord is told without its secrets: not in logs, not in sentences, not in errors."""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from discord import HTTPException

from bot.desk import Desk
from bot.logs import set_up
from bot.platforms.discord.platform import Discord, Line
from bot.ports import Grounds, Refused
from bot.visit import Premises
from notifier.card import Card
from notifier.ports import Unreachable
from notifier.words import Words
from pipeline.adapters.redact import secrets
from pipeline.domain.account import Room
from pipeline.domain.job import Address
from tests.support import discord as fake
from tests.support.discord_town import Clerk, Clock
from tests.support.store import MemoryStore


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, ours and the libraries', as it would be on a bad day."""
    out = io.StringIO()
    set_up("debug", "json", out)
    yield out
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def platform(there: fake.Discord, folder: Path, token: str = "") -> tuple[Discord, Desk, Grounds]:
    env = there.env
    one = Discord(
        Line(
            token=token or env["DISCORD_TOKEN"], api=env["DISCORD_API_URL"], gateway=env["DISCORD_GATEWAY_URL"],
        )
    )  # fmt: skip
    office, clock = Clerk(), Clock()
    grounds = Grounds(store=MemoryStore(), folder=folder, clock=clock, words=Words, office=office)
    return one, Desk(office, {"discord": one}, Words, clock, Premises()), grounds


def test_every_adapter_error_provoked_no_secret_in_logs(tmp_path: Path, logged: io.StringIO) -> None:
    async def story() -> None:
        async with fake.discord() as there:
            secrets.learn(there.token)
            one, desk, grounds = platform(there, tmp_path)
            running = asyncio.get_running_loop().create_task(one.run(desk.hear, grounds))
            await there.online()
            ann = there.person(7, refuses=50007)
            await ann.slash("train", there.channel, trigger="ohwx", dataset=fake.File("set.zip", b"broken"))
            await ann.reads("cannot be opened|not an archive|no zip|zip", there.channel)
            await ann.slash("balance", there.channel, late=4)
            there.refuse("POST", "/channels/*", via=False)
            with suppress(Unreachable, HTTPException):
                await one.show(Address("discord", f"c.{there.channel.id}.7", "en", Room.DM), Card(title="t"), None)
            await there.gateway.drop(1001)
            await there.online()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            for exchange in there.rest.exchanges:
                for part in exchange.path.split("/"):
                    if len(part) > 60:  # the token of an interaction
                        assert part not in logged.getvalue()
            assert "ex=" not in logged.getvalue()  # no signed link
            assert there.token not in logged.getvalue()
            assert there.token not in repr(one)

    asyncio.run(story())
    assert logged.getvalue()


def test_a_wrong_token_is_refused_without_being_told(tmp_path: Path, logged: io.StringIO) -> None:
    wrong = "NOT.the-token.of-anybody"

    async def story() -> None:
        async with fake.discord() as there:
            secrets.learn(wrong)
            one, desk, grounds = platform(there, tmp_path, wrong)
            with pytest.raises(Refused) as refused:
                await one.run(desk.hear, grounds)
            assert wrong not in repr(refused.value)
            assert refused.value.__cause__ is None

    asyncio.run(story())
    assert wrong not in logged.getvalue()


def test_a_secret_in_a_librarys_own_line_is_hidden(logged: io.StringIO) -> None:
    secrets.learn("a-token-nobody-may-see")
    logging.getLogger("discord.http").error("GET /x with a-token-nobody-may-see")
    try:
        int("a-token-nobody-may-see")
    except ValueError:
        logging.getLogger("discord.client").exception("failed")
    assert "nobody-may-see" not in logged.getvalue()
    assert logged.getvalue().count("[secret]") >= 2
