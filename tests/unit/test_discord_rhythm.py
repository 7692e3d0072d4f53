"""How often a live message is edited, and what the brake does when too much is refused."""

import asyncio

import pytest

from bot.platforms.discord.brake import MOST, WINDOW, Brake
from bot.platforms.discord.rhythm import OLD, Rhythm
from bot.platforms.discord.where import Kind, Place, Spot
from notifier.card import Card
from notifier.ports import Later, MessageId
from pipeline.ports import Pace
from tests.support.virtual import run

SPOT = Spot(5, 60)
HOUR = 3600.0


def card(step: int, line: str = "training", *, final: bool = False) -> Card:
    return Card(title="t", lines=(line,), bar_label=f"{step}/30", final=final)


def shown(pace: float = 1.0) -> Rhythm:
    rhythm = Rhythm(Pace(pace))
    rhythm.shown(SPOT, card(1), 0.0)
    return rhythm


def wait(rhythm: Rhythm, one: Card, now: float, *, shared: bool = False, age: float = 0.0) -> float:
    return rhythm.wait(SPOT, one, now, age, shared=shared)


def test_figures_move_every_twenty_seconds_and_every_thirty_where_others_read() -> None:
    assert wait(shown(), card(2), 5.0) == 15.0
    assert wait(shown(), card(2), 5.0, shared=True) == 25.0
    assert wait(shown(), card(2), 20.0) == 0


def test_new_words_go_at_once() -> None:
    assert wait(shown(), card(2, "coming home"), 1.0) == 0
    assert wait(shown(), card(2, "coming home"), 0.2) == pytest.approx(0.8)
    assert wait(shown(), card(2, "coming home"), 1.0, shared=True) == 2.0


def test_pace_never_beats_discords_own_limits() -> None:
    assert wait(shown(0.01), card(2), 0.5) == 0.5
    assert wait(shown(0.01), card(2), 1.0, shared=True) == 2.0


def test_old_messages_of_one_channel_are_edited_fifteen_seconds_apart() -> None:
    rhythm, other = shown(), Spot(5, 61)
    rhythm.shown(other, card(1), 0.0)
    assert wait(rhythm, card(2, "new"), HOUR) == 0
    rhythm.shown(SPOT, card(2, "new"), HOUR)
    assert rhythm.wait(other, card(2, "new"), HOUR + 5, 0, shared=False) == 10.0
    assert rhythm.wait(other, card(3, "end", final=True), HOUR + 15, 0, shared=False) == 0


def test_a_message_from_before_a_restart_is_as_old_as_its_number_says() -> None:
    rhythm = Rhythm(Pace(1.0))
    rhythm.wait(SPOT, card(1), 100.0, OLD, shared=False)
    rhythm.shown(SPOT, card(1), 130.0)
    assert wait(rhythm, card(2, "new"), 135.0) == 10.0


def test_a_hundred_messages_after_a_restart_are_no_burst() -> None:
    rhythm = Rhythm(Pace(1.0))
    waits = sorted(rhythm.wait(Spot(5, 1000 + n), card(1), 0.0, 0, shared=False) for n in range(100))
    assert sum(one < 2 for one in waits) < 20
    assert waits[-1] <= 20


def test_the_end_is_told_at_once() -> None:
    assert wait(shown(), card(30, final=True), 1.0) == 0


def test_thousands_of_refusals_stop_us_before_discord_does() -> None:
    brake = Brake()
    for n in range(MOST):
        brake.check(float(n) / 10)
        brake.note(403, float(n) / 10)
    with pytest.raises(Later):
        brake.check(MOST / 10)
    brake.check(MOST / 10 + WINDOW)


def test_fewer_than_fifty_requests_go_in_any_second_however_many_wait() -> None:
    async def sends() -> list[float]:
        brake, went = Brake(), list[float]()

        async def send() -> None:
            await brake.turn()
            went.append(asyncio.get_running_loop().time())

        await asyncio.sleep(100)
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(send())
        return went

    went = run(sends())
    assert all(sum(at <= one < at + 1 for one in went) < 50 for at in went)
    assert went[-1] == pytest.approx(105, abs=0.2)


def test_what_is_granted_is_not_counted() -> None:
    brake = Brake()
    for n in range(3 * MOST):
        brake.note(204 if n % 2 else 500, 0.0)
    brake.check(0.0)


@pytest.mark.parametrize("kind", Kind)
def test_places_and_messages_survive_being_written_down(kind: Kind) -> None:
    assert Place.read(str(Place(kind, 5, 7))) == Place(kind, 5, 7)
    assert Spot.read(Spot(5, 6, hidden=True).id) == Spot(5, 6, hidden=True)
    assert Spot.read(MessageId("5.6")) == Spot(5, 6)
    assert Place.read("99") == Place(Kind.CHANNEL, 99)
