"""How fast the bot speaks, in virtual time: Telegram's limits as it publishes them, and who goes first."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.platforms.telegram.pace import Gate, Rank, Rhythm
from notifier.card import Button, Card, Tone
from pipeline.ports import Pace
from tests.support.virtual import run

Spoken = list[tuple[float, int, str]]


def speak(messages: Sequence[tuple[int, Rank]], takes: float = 0.0) -> Spoken:
    """Hand all `messages` to a gate at once; when each went. `takes`: seconds of one call."""
    spoken: Spoken = []

    async def one(gate: Gate, chat: int, rank: Rank) -> None:
        async with gate.turn(chat, rank):
            spoken.append((asyncio.get_running_loop().time(), chat, rank.name))
            await asyncio.sleep(takes)

    async def all_of_them() -> None:
        gate = Gate()
        async with asyncio.TaskGroup() as group:
            for chat, rank in messages:
                group.create_task(one(gate, chat, rank))

    run(all_of_them())
    return spoken


def most_in(spoken: Spoken, seconds: float) -> int:
    times = sorted(at for at, _, _ in spoken)
    return max(sum(1 for other in times if at <= other < at + seconds) for at in times)


def test_all_chats_together_get_no_more_than_thirty_messages_a_second() -> None:
    spoken = speak([(chat, Rank.LIVE) for chat in range(1, 201)])
    assert most_in(spoken, 1.0) <= 30
    assert spoken[-1][0] < 11  # and not much less, either


def test_one_chat_gets_one_message_a_second_counted_from_the_end_of_the_last() -> None:
    times = [at for at, _, _ in speak([(7, Rank.LIVE)] * 5, takes=0.4)]
    assert all(later - sooner >= 1.4 for sooner, later in pairwise(times))
    assert times[-1] < 6.5


def test_a_group_gets_twenty_messages_a_minute() -> None:
    spoken = speak([(-7, Rank.LIVE)] * 45)
    assert most_in(spoken, 60.0) == 20
    assert spoken[-1][0] < 180


def test_a_group_at_its_limit_holds_up_nobody_else() -> None:
    spoken = speak([*[(-7, Rank.LIVE)] * 30, *[(chat, Rank.LIVE) for chat in range(1, 11)]])
    assert max(at for at, chat, _ in spoken if chat > 0) < 1


def test_the_last_word_goes_before_live_messages_that_waited_longer() -> None:
    spoken = speak(
        [*[(chat, Rank.LIVE) for chat in range(1, 101)], *[(chat, Rank.LAST_WORD) for chat in range(101, 121)]]
    )
    order = [rank for _, _, rank in spoken]
    assert set(order[10:30]) == {"LAST_WORD"}  # the first ten had gone already


def test_a_chat_that_telegram_wants_left_alone_is_left_alone_for_exactly_that_long() -> None:
    async def life() -> tuple[float, float]:
        gate, loop = Gate(), asyncio.get_running_loop()
        async with gate.turn(7):
            pass
        gate.hold(7, 37)
        began = loop.time()
        async with gate.turn(8):
            other = loop.time() - began
        async with gate.turn(7):
            return other, loop.time() - began

    other, held = run(life())
    assert other == 0
    assert held == pytest.approx(37)


def test_who_stops_waiting_leaves_no_gap_and_no_lock() -> None:
    async def life() -> float:
        gate, loop = Gate(), asyncio.get_running_loop()

        async def speaking() -> None:
            async with gate.turn(7):
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(speaking()) for _ in range(20)]
            await asyncio.sleep(0.5)
            for task in tasks[1:]:
                task.cancel()
        began = loop.time()
        await speaking()
        return loop.time() - began

    assert run(life()) <= 1.1


def test_messages_of_one_chat_never_overlap() -> None:
    async def life() -> int:
        gate, inside, most = Gate(), 0, 0

        async def speaking() -> None:
            nonlocal inside, most
            async with gate.turn(7):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(3)
                inside -= 1

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(speaking())
        return most

    assert run(life()) == 1


# --- when an edit is worth its place

LIVE = Card(
    title="Training ohwx", lines=("Step 6 of 11: training.",), bar=0.1, bar_label="10/100 steps", tone=Tone.BUSY
)
FURTHER = replace(LIVE, bar=0.2, bar_label="20/100 steps", fields=(("Loss", "0.3"),))
MOVED = replace(LIVE, lines=("Step 7 of 11: bringing your model home.",))


def waits(rhythm: Rhythm, card: Card, now: float, chat: int = 7) -> float:
    return rhythm.wait(f"{chat}:1", chat, card, now)


@pytest.mark.parametrize(
    ("pace", "chat", "seconds"), [(1.0, 7, 20.0), (1.0, -7, 30.0), (0.5, 7, 10.0), (1 / 30, 7, 1.0), (1 / 30, -7, 3.0)]
)
def test_figures_are_edited_now_and_then_and_never_faster_than_may_be(pace: float, chat: int, seconds: float) -> None:
    rhythm = Rhythm(Pace(pace))
    rhythm.shown(f"{chat}:1", LIVE, 100)
    assert waits(rhythm, FURTHER, 100, chat) == pytest.approx(seconds)
    assert waits(rhythm, FURTHER, 100 + seconds, chat) == 0


@pytest.mark.parametrize(
    "news", [MOVED, replace(LIVE, buttons=(Button("Stop", "stop:x"),)), replace(LIVE, tone=Tone.BAD)]
)
def test_words_and_buttons_are_news_at_once(news: Card) -> None:
    rhythm = Rhythm(Pace())
    rhythm.shown("7:1", LIVE, 100)
    assert waits(rhythm, news, 100) == 0


def test_a_minute_more_of_the_same_silence_is_no_news() -> None:
    rhythm = Rhythm(Pace())
    silent = replace(LIVE, lines=("The machine has not answered for 2 min.",))
    rhythm.shown("7:1", silent, 100)
    assert waits(rhythm, replace(LIVE, lines=("The machine has not answered for 13 min.",)), 101) > 0


def test_the_end_is_said_at_once() -> None:
    rhythm = Rhythm(Pace())
    rhythm.shown("7:1", LIVE, 100)
    assert waits(rhythm, replace(FURTHER, final=True), 100) == 0


def test_a_restart_with_a_hundred_live_messages_spreads_their_first_edits() -> None:
    rhythm = Rhythm(Pace())
    due = [rhythm.wait(f"{chat}:{chat}", chat, FURTHER, 1000) for chat in range(1, 101)]
    seconds = Counter(int(wait) for wait in due)
    assert max(due) <= 20
    assert len(seconds) >= 15
    assert max(seconds.values()) <= 15
    assert rhythm.wait("5:5", 5, FURTHER, 1020) == 0
