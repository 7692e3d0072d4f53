"""The bells themselves, in real time: they ring at once, and they end without a crash in the log."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.ports import Sight
from tests.stories.test_sweeps import sweeps
from tests.support.world import World


@dataclass
class Stuck(World):
    """A market that takes for ever to list."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def owned(self) -> list[Sight]:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


def test_bells_that_end_in_the_middle_of_a_sweep_log_no_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def life() -> None:
        world = Stuck(root=tmp_path)
        async with sweeps(world).ringing():
            await world.asked.wait()

    with caplog.at_level(logging.INFO):
        asyncio.run(life())
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
