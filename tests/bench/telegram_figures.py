"""How fast the bot answers on Telegram while many train, what it takes of memory, and what a training costs in calls.

The bot is a process of its own before the strict fake server, whose published limits count: an answer also waits for
its turn among the edits, as it would there. The wire is loopback, and both sides share this machine's cores.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bot.platforms.telegram.pace import PRIVATE_EVERY
from tests.bench.row import Row, median_seconds, most, percentile
from tests.support.notified import ordered
from tests.support.store import MemoryStore
from tests.support.telegram import TOKEN, Person, TelegramServer
from tests.support.virtual import run as virtually
from tests.unit.test_telegram_hour import Room, lived, relay_of

TRAINING, CHATTING = 500, 200
EVERY: Final = 0.2  # seconds between two people who say something
JOINED: Final = 120.0  # seconds for all live messages to be there


def telegrams() -> list[Row]:
    return [*asyncio.run(_busy()), _calls(), _import()]


@asynccontextmanager
async def _bot(there: TelegramServer) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A bot that asks for updates, with its trainings."""
    chats = [there.person(10_000 + n).user.id for n in range(TRAINING)]
    order = {"token": TOKEN, "api": there.url, "chats": chats}
    child = subprocess.Popen([sys.executable, "-m", "tests.bench.telegram_child"], stdin=subprocess.PIPE)  # noqa: ASYNC220  # it is the thing measured
    assert child.stdin is not None
    child.stdin.write(json.dumps(order).encode())
    child.stdin.close()
    try:
        await there.until(lambda: there.feed.polls, 40, "the bot never asked for updates")
        yield child
    finally:
        child.kill()
        child.wait()


async def _busy() -> list[Row]:
    async with TelegramServer().open() as there:
        began = time.perf_counter()
        async with _bot(there) as child:
            started = time.perf_counter() - began
            await there.until(lambda: len(there.called("sendMessage")) >= TRAINING, JOINED, "live messages")
            before = len(there.called("editMessageText"))
            words, presses, took = await _chatted(there)
            edits = len(there.called("editMessageText")) - before
            memory = _memory(child.pid)
        beside = f"{TRAINING} live jobs, {CHATTING} people, {edits / took:.0f} edits a second beside them"
        aim = f"median {percentile(words, 50):.0f} ms, {beside}, turns at the limiter included"
        return [
            most("Telegram: update to answer, p99", percentile(words, 99), 300, "ms", aim),
            most(
                "Telegram: button to its answer, p99", percentile(presses, 99), 300, "ms",
                f"median {percentile(presses, 50):.0f} ms, no turn to wait for",
            ),
            most("Telegram: limits broken", len(there.violations), 0, "", "; ".join(there.violations[:3])),
            Row("Telegram: memory of the bot", memory, "MB", detail=f"{TRAINING} live jobs, store in memory"),
            Row("Telegram: start until it listens", started, "s", detail="imports included"),
        ]  # fmt: skip


async def _chatted(there: TelegramServer) -> tuple[list[float], list[float], float]:
    """Everybody says one thing and presses one button. Milliseconds of each, and seconds of the whole."""
    people = [there.person(100_000 + n) for n in range(CHATTING)]
    words, presses, began = list[float](), list[float](), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(_one(person, words, presses))
            await asyncio.sleep(EVERY)
    return words, presses, time.perf_counter() - began


async def _one(person: Person, words: list[float], presses: list[float]) -> None:
    at = time.perf_counter()
    await person.says("/balance")
    said = await person.hears(0, PRIVATE_EVERY)
    words.append(1000 * (time.perf_counter() - at))
    at = time.perf_counter()
    await person.answered(person.forges("stop:k3v9aaaaaaaa", said))
    presses.append(1000 * (time.perf_counter() - at))


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024


def _import() -> Row:
    """What the library costs a start, beside all that Python needs anyway."""

    def ours() -> None:
        subprocess.run([sys.executable, "-c", "import bot.platforms.telegram.telegram"], check=True)

    return Row("Telegram: import", median_seconds(ours, 3), "s", detail="the platform and aiogram, a process each")


def _calls() -> Row:
    """One hour's training, from its first message to its last, in virtual time."""
    room = Room()
    virtually(_told(room))
    return most("Telegram: calls of a 1 h training", len(room.line.calls), 200, "", "a reading every 3 s")


async def _told(room: Room) -> None:
    store = MemoryStore()
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(relay_of(store, room).run())
        await lived(store, ordered(platform="telegram"))
        await asyncio.sleep(60)
        telling.cancel()
