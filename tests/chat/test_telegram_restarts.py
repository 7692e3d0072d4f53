"""A bot that is stopped, killed, or down while people write: nothing acknowledged is lost, nothing is done twice."""

import random
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.chat.telegram_scene import SHORT, Scene, finished, late, night, pictures, play


@night.alone()
async def test_sigterm_in_mid_job_ends_in_5_s_and_the_next_start_edits_the_same_message_on(one: Scene) -> None:
    ann = one.somebody()
    first = await one.starts()
    await ann.says(f"/train ohwx {SHORT}", zip=one.zip())
    await ann.until(lambda seen: "Start" in seen.labels, 40)
    await ann.presses("Start")
    live = await ann.until("training. Next", 60)
    menus = len(one.server.called("setMyCommands"))
    await first.ends(5)
    await ann.says("/balance")  # said to nobody
    second = await one.starts()
    told = await ann.until("Available", 40)
    shown = len(one.server.called("editMessageText", "editMessageCaption", "editMessageMedia"))
    await one.server.until(
        lambda: len(one.server.called("editMessageText", "editMessageCaption", "editMessageMedia")) > shown, 40
    )
    await second.dies()  # kill -9: the other way to go
    await one.starts()
    done = await ann.until(finished, 80)
    assert done.id == live.id
    assert len(one.server.called("setMyCommands")) == menus  # set when it changed, not at every start
    assert [seen.id for seen in ann.heard if "Available" in seen.text] == [told.id]  # delivered once
    await ann.says("/models")
    await ann.until(lambda seen: seen.id > done.id and "ohwx" in seen.text, 40)
    await one.bots[-1].ends(5)


@night.alone()
async def test_whatever_was_in_hand_when_it_died_is_done_once_by_the_next(one: Scene) -> None:
    server = one.server
    ann, bob, cat = one.somebody(), one.somebody(), one.somebody()
    first = await one.starts()
    await cat.says("/help")
    await cat.until("/train", 40)
    again = server.feed.delivered[-1]
    server.faults.hold("getFile")
    await ann.album(pictures(4))
    await server.until(lambda: "getFile" in server.faults.struck)
    await server.until(lambda: not server.feed.pending, 40, "not all were acknowledged")
    await first.dies()
    await bob.says("/balance")
    second = await one.starts()
    await ann.until("4 pictures", 60)
    await bob.until("Available", 40)
    gate = server.faults.hold("sendMessage", bob.chat.id)
    await bob.says("/help")
    await server.until(lambda: "sendMessage" in server.faults.struck)
    second.signal(signal.SIGTERM)  # in the middle of an answer, which is still given
    gate.set()
    assert await second.ended(5) == 0
    await bob.until("/train", 1)
    third = await one.starts()
    server.feed.again(again)  # one that Telegram forgot it had delivered
    await bob.says("/dataset")
    await bob.until("No pictures", 40)
    await third.ends(5)
    assert len(cat.heard) == 1
    assert sum("Available" in seen.text for seen in bob.heard) == 1
    assert sum("/train" in seen.text for seen in bob.heard if "/help" in seen.text) <= 1


@pytest.mark.torture
@late.alone()
async def test_sigterm_in_mid_download_ends_in_5_s_and_every_photo_arrives_after_all(one: Scene) -> None:
    ann = one.somebody()
    first = await one.starts()
    one.server.line = 2_000  # bytes a second: a picture takes longer than we have
    await ann.album(pictures(3))
    await one.server.until(lambda: one.server.downloads)
    await one.server.until(lambda: not one.server.feed.pending, 40)
    await first.ends(5)
    one.server.line = None
    await one.starts()
    await ann.until("3 pictures", 60)


@night.alone()
async def test_two_pollers_quarrel_until_one_goes_and_nothing_is_lost_or_answered_twice(one: Scene) -> None:
    ann = one.somebody()
    await one.starts()
    second = await one.starts(DATA_DIR=str(one.folder / "other"))
    await one.server.until(lambda: any(call.status == 409 for call in one.server.calls), 40)
    await one.bots[0].ends(5)
    await ann.says("/help")
    await ann.until("/train", 40)
    assert second.running
    assert len(ann.heard) == 1


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_hundred_photos_in_ten_albums_out_of_order_with_doubles_and_restarts_between_are_all_there(
    tmp_path: Path,
) -> None:
    async def scenario(one: Scene) -> None:
        dice = random.Random(16)
        ann = one.somebody()
        bot = await one.starts()
        for album in range(10):
            sent = await ann.album(pictures(10, 1 + 10 * album), order=dice.sample(range(10), 10))
            for message in dice.sample(sent, 2):
                await ann.forwards(message)
            await one.server.until(partial(one.server.files.fetched_of, sent), 60)
            if album % 3 == 1:
                await bot.dies()
                bot = await one.starts()
            elif album % 3 == 2:
                await bot.ends(5)
                bot = await one.starts()
        await ann.until("100 pictures", 300)
        assert not one.server.feed.pending
        await bot.ends(5)

    play(tmp_path, scenario)
