"""Buttons, live messages, time and restarts on simcord's Discord."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.platforms.discord.inbox import Inbox
from notifier.card import Card
from notifier.ports import Later, MessageId, Unreachable
from pipeline.domain.account import Room
from tests.support.discord_talk import answer, live, quoted, started
from tests.support.discord_town import ZIP, Town, buttons, run, text


def test_start_is_told_in_a_direct_message_with_a_pointer_in_the_channel(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        quote = await quoted(ann)
        pressed = await ann.presses(quote, "Start")
        job = town.office.filed[0]
        assert job.address == replace(ann.address, room=Room.DM)
        assert buttons(quote) == []  # an answered quote has no buttons
        assert pressed.followups == []
        message = await town.told(job, live(3))
        assert "3/30 steps" in text(ann.dm[-1])
        pointer = town.channel.history()[-1]
        assert ann.mention in pointer.content
        assert f"https://discord.com/channels/@me/{message.replace('.', '/')}" in pointer.content
        await town.passes(1)
        assert await town.told(job, live(4, "Stage 7 of 11: coming home."), message) == message
        assert "4/30 steps" in text(ann.dm[-1])
        assert len(ann.dm) == 1

    run(tmp_path, story)


def test_progress_here_stays_in_the_channel(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        assert "progress=here" in answer(await ann.says("settings", progress="here"))
        await town.told(await started(town, ann), live(3))
        assert "3/30 steps" in text(town.channel.history()[-1])
        assert ann.dm == []

    run(tmp_path, story)


def test_a_live_message_is_never_a_hidden_one(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        job = await started(town, ann)
        await town.told(job, live(1))
        await town.told(replace(job, address=replace(job.address, room=Room.HERE)), live(1))
        assert not ann.dm[-1].flags.ephemeral
        assert not town.channel.history()[-1].flags.ephemeral

    run(tmp_path, story)


@pytest.mark.parametrize("code", [50007, 50278])
def test_a_refused_dm_falls_back_to_the_channel_with_a_mention_and_says_so_once(tmp_path: Path, code: int) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        job = await started(town, ann)
        ann.refuses(code)
        first = await town.told(job, live(3))
        shown = town.channel.history()[-1]
        assert ann.mention in shown.content
        assert "may not write to you directly" in shown.content
        assert "3/30 steps" in text(shown)
        assert ann.dm == []
        tries = town.asked("POST", "/messages")
        await town.told(job, live(1))
        assert town.channel.history()[-1].content == ann.mention
        assert town.asked("POST", "/messages") == tries + 1  # a refusal is not asked for twice
        await town.passes(3)
        assert await town.told(job, live(5, "Stage 7 of 11: coming home."), first) == first

    run(tmp_path, story)


def test_who_speaks_in_their_dm_has_it_open_again(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        job = await started(town, ann)
        ann.refuses(50007)
        await town.told(job, live(1))
        ann.relents()
        await ann.whispers("balance")
        await town.told(job, live(2))
        assert "2/30 steps" in text(ann.dm[-1])

    run(tmp_path, story)


def test_nothing_private_goes_to_a_channel_because_a_dm_is_closed(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        ann.refuses(50007)
        with pytest.raises(Unreachable):
            await town.shows(ann.address, Card(title="Balance", lines=("1 point",), final=True))
        assert town.channel.history() == []

    run(tmp_path, story)


def test_buttons_live_through_a_restart(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        quote = await quoted(ann)
        await town.restart()
        await ann.presses(quote, "Start")
        job = town.office.filed[0]
        assert buttons(quote) == []
        await town.told(job, live(1, job=job.id))
        await town.restart()
        await ann.presses(ann.dm[-1], "Cancel")
        assert town.office.filed[0].wish == "cancel"

    run(tmp_path, story)


def test_a_double_click_starts_one_training(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        quote = await quoted(ann)
        await ann.presses(quote, "Start")
        digest = next(iter(town.office.quotes.values())).digest
        await ann.forges(f"start:{digest}", quote)
        assert len(town.office.filed) == 1

    run(tmp_path, story)


def test_every_button_x_role_x_foreign_job_one_same_answer(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann, bob, operator = town.person(), town.person(), town.person()
        await town.promotes(operator)
        job = await started(town, ann)
        digest = next(iter(town.office.quotes.values())).digest
        message = await town.told(replace(job, address=replace(job.address, room=Room.HERE)), live(1, job=job.id))
        shown = town.channel.history()[-1]
        assert message.endswith(str(shown.id))
        for who in (bob, operator):
            for verb in ("stop", "cancel"):
                theirs = await who.forges(f"{verb}:{job.id}", shown)
                assert theirs == await who.forges(f"{verb}:nosuchjob000", shown)
                assert len(theirs) == 1
            assert await who.forges(f"start:{digest}", shown) == await who.forges("start:nosuchquote", shown)
            assert (await who.forges("x" * 100, shown))[0].startswith("That button no longer")
        assert town.office.filed[0].wish is None

    run(tmp_path, story)


def test_a_late_photo_forces_a_new_quote(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        quote = await quoted(ann)
        form = await ann.says("photos")
        await ann.fills(form, ("40.jpg", b"picture 40"))
        pressed = await ann.presses(quote, "Start")
        assert town.office.filed == []
        assert "changed" in text(pressed.followups[0])

    run(tmp_path, story)


# --- time


def test_every_interaction_is_acknowledged_before_any_work(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        with town.busy():
            asked = await ann.says("balance")
            assert asked.acknowledged
            assert answer(asked) == ""
        await town.env.settle()
        assert "100,000" in answer(asked)

    run(tmp_path, story)


def test_after_fifteen_minutes_only_the_bots_own_token_speaks(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        with town.busy():
            await ann.says("balance")
            await town.passes(16 * 60)
        await town.env.settle()
        assert "100,000" in text(ann.dm[-1])

    run(tmp_path, story)


def test_what_was_acknowledged_and_not_answered_is_answered_by_the_next_process(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        with town.busy():
            asked = await ann.says("train", trigger="ohwx", dataset=ZIP, steps=30)
            await town.restart()
        await town.catches_up()
        assert "12 pictures" in answer(asked)  # what was promised there is kept there
        await town.restart()
        await town.catches_up()
        assert asked.followups == []
        assert ann.dm == []

    run(tmp_path, story)


def test_what_was_answered_but_not_noted_is_not_answered_again(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        town.store.stuck = True
        await quoted(town.person())
        town.store.stuck = False
        await town.restart()
        await town.catches_up()
        assert len(town.heard) == 1
        assert await Inbox(town.store).left(town.clock.now()) == []

    run(tmp_path, story)


def test_after_a_long_fall_the_answer_comes_by_direct_message(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        with town.busy():
            await ann.says("balance")
            await town.restart()
        await town.passes(20 * 60)
        await town.catches_up()
        assert "100,000" in text(ann.dm[-1])

    run(tmp_path, story)


def test_a_press_that_a_kill_interrupted_starts_one_training(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        quote = await quoted(ann)
        with town.busy():
            await ann.presses(quote, "Start")
            await town.restart()
        await town.catches_up()
        assert len(town.office.filed) == 1

    run(tmp_path, story)


def test_a_remark_that_kills_us_is_not_tried_for_ever(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        with town.busy():
            await ann.says("balance")
            await town.restart()
        inbox = Inbox(town.store)
        tries = [len(await inbox.left(town.clock.now())) for _ in range(5)]
        assert tries == [1, 1, 1, 0, 0]

    run(tmp_path, story)


def test_figures_wait_for_their_turn_and_words_do_not(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        job = await started(town, ann)
        message = await town.told(job, live(1))
        await town.passes(2)
        with pytest.raises(Later):
            await town.told(job, live(2), message)
        await town.told(job, live(2, "Stage 7 of 11: coming home."), message)
        await town.passes(20)
        await town.told(job, live(3, "Stage 7 of 11: coming home."), message)
        assert "3/30 steps" in text(ann.dm[-1])

    run(tmp_path, story)


def test_a_message_deleted_by_its_reader_is_sent_anew(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        job = await started(town, ann)
        message = await town.told(job, live(1))
        gone = MessageId(f"{message.partition('.')[0]}.1")
        anew = await town.told(job, replace(live(2), final=True), gone)
        assert anew != message
        assert len(ann.dm) == 2

    run(tmp_path, story)


def test_samples_are_seen_by_others_only_when_their_owner_puts_them_there(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        picture = tmp_path / "samples.png"
        picture.write_bytes(b"png")
        ann = town.person()
        job = await started(town, ann)
        there = replace(job, address=replace(job.address, room=Room.HERE))
        await town.told(job, replace(live(1), picture=picture))
        await town.told(there, replace(live(1), picture=picture))
        await town.told(there, replace(live(1), picture=picture, shared=True))
        assert [len(one.attachments) for one in ann.dm] == [1]
        hidden, shown = (one for one in town.channel.history()[-2:])
        assert (len(hidden.attachments), len(shown.attachments)) == (0, 1)

    run(tmp_path, story)
