"""Discord says no, not now, or too late: what the bot does then, on the wire."""

import signal
from pathlib import Path

import pytest

from tests.chat.discord_scene import Scene, photos, play
from tests.support.discord import Message, Person

SEND = "/channels/{channel_id}/messages"
PUT = "/applications/{application_id}/commands"


@pytest.mark.torture  # in process, too
def test_a_refused_dm_falls_back_to_the_channel_with_a_mention_and_says_why_once(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann, bob = there.person(7, refuses=50007), there.person(8, refuses=50278)
        await one.starts()
        first = await fallen_back(one, ann, "first")
        assert "write to you directly" in first.versions[0]
        await ann.presses("Cancel", first)
        await ann.until(lambda: not first.buttons, "a final card")
        assert "write to you directly" in first.text  # an edit leaves it where it is
        again = await fallen_back(one, ann, "second")
        assert "write to you directly" not in again.versions[0]
        other = await fallen_back(one, bob, "other")
        assert "write to you directly" in other.versions[0]
        refused = [each for each in there.asked("POST", SEND) if each.status == 403]
        assert len(refused) == 2  # one each: a closed door is not knocked at again

    async def fallen_back(one: Scene, person: Person, trigger: str) -> Message:
        await one.ordered(person, trigger)
        live = await person.reads(rf"{trigger}[\s\S]*Step \d+ of", one.there.channel)
        assert live.pinged == [person.user]
        return live

    play(tmp_path, scenario)


@pytest.mark.torture  # the brake has its own tests
def test_a_429_with_via_is_ridden_out_and_one_without_is_not_asked_again_at_once(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        await one.starts()
        ridden = there.refuse("POST", r"/channels/\d+/messages$", times=2, retry_after=0.2)
        await one.ordered(ann)
        await ann.finds("Cancel", ann.dm)
        assert ridden.given == 2
        edge = there.refuse("PATCH", r"/channels/\d+/messages/", times=1, via=False)
        await ann.presses("Cancel")
        await ann.until(lambda: edge.given == 1, "an edit")
        live = ann.sees(ann.dm)[-1]
        await ann.until(lambda: not live.button("Cancel"), "a final card")  # later, when it was tried again

    play(tmp_path, scenario)


@pytest.mark.torture  # in process, too
def test_an_event_that_comes_too_late_to_be_acknowledged_does_nothing_and_harms_nobody(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        bot = await one.starts()
        quote = await one.quoted(ann)
        late = await ann.presses("Start", quote, late=4)
        await ann.until(lambda: there.answered(late, 10062), "10062")
        assert ann.sees(ann.dm) == []  # the person was told that it failed, so nothing was started
        await ann.presses("Start", quote)
        await ann.finds("Cancel", ann.dm)
        assert bot.running

    play(tmp_path, scenario)


@pytest.mark.torture  # in process, too
def test_an_answer_that_took_longer_than_the_token_lives_comes_by_the_bots_own(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        await one.starts()
        there.cdn.open.clear()
        asked = await ann.slash("photos", ann.dm)
        sent = await ann.fills(asked, photos())
        await ann.until(lambda: there.cdn.waiting, "a download")
        there.passes(16 * 60)
        there.cdn.open.set()
        counted = await ann.reads("10 pictures", ann.dm)
        assert counted.asked is None
        assert there.answered(sent, 50027)

    play(tmp_path, scenario)


@pytest.mark.torture  # in process, too
def test_a_wrong_token_or_a_forbidden_intent_ends_the_bot_with_one_sentence(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        bot = await one.starts(ready=False, DISCORD_TOKEN="wrong")
        assert await bot.ended(20) == 2
        assert "DISCORD_TOKEN" in bot.log
        assert "wrong" not in bot.log.replace("is wrong", "")
        one.there.gateway.refuse_next = 4014
        bot = await one.starts(ready=False)
        assert await bot.ended(20) == 2
        assert "ntents" in bot.log
        assert "Traceback" not in bot.log

    play(tmp_path, scenario, clean=False)


@pytest.mark.torture  # Telegram is ended in mid-job
def test_sigterm_ends_it_within_5_s_in_the_middle_of_a_download_and_the_next_start_answers(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        bot = await one.starts()
        there.cdn.open.clear()
        await ann.fills(await ann.slash("photos", ann.dm), photos())
        await ann.until(lambda: there.cdn.waiting, "a download")
        bot.signal(signal.SIGTERM)
        assert await bot.ended(5) == 0
        there.cdn.open.set()
        await one.starts()
        await ann.reads("10 pictures", ann.dm)

    play(tmp_path, scenario)
