"""A bot that is stopped, killed, or down while people write: nothing acknowledged is lost, nothing is done twice."""

import signal
from pathlib import Path

from tests.chat.telegram_scene import SHORT, Scene, finished, pictures, play


def test_sigterm_in_mid_job_ends_in_5_s_and_the_next_start_edits_the_same_message_on(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        ann = one.somebody()
        first = await one.starts()
        await ann.says(f"/train ohwx {SHORT}", zip=one.zip())
        await ann.until(lambda seen: "Start" in seen.labels, 40)
        await ann.presses("Start")
        live = await ann.until("training. Next", 60)
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
        assert [seen.id for seen in ann.heard if "Available" in seen.text] == [told.id]  # delivered once
        await ann.says("/models")
        await ann.until(lambda seen: seen.id > done.id and "ohwx" in seen.text, 40)
        await one.bots[-1].ends(5)

    play(tmp_path, scenario)


def test_whatever_was_in_hand_when_it_died_is_done_once_by_the_next(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        server = one.server
        ann, bob, cat = one.somebody(), one.somebody(), one.somebody()
        first = await one.starts()
        await cat.says("/help")
        await cat.until("/train", 40)
        again = server.feed.delivered[-1]
        server.faults.hold("getFile")
        await ann.album(pictures(10))
        await server.until(lambda: "getFile" in server.faults.struck)
        await server.until(lambda: not server.feed.pending, 40, "not all were acknowledged")
        await first.dies()
        await bob.says("/balance")
        second = await one.starts()
        await ann.until("10 pictures", 60)
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

    play(tmp_path, scenario)


def test_sigterm_in_mid_download_ends_in_5_s_and_every_photo_arrives_after_all(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        ann = one.somebody()
        first = await one.starts()
        one.server.line = 2_000  # bytes a second: a picture takes longer than we have
        await ann.album(pictures(10))
        await one.server.until(lambda: one.server.downloads)
        await one.server.until(lambda: not one.server.feed.pending, 40)
        await first.ends(5)
        one.server.line = None
        await one.starts()
        await ann.until("10 pictures", 60)

    play(tmp_path, scenario)


def test_two_pollers_quarrel_until_one_goes_and_nothing_is_lost_or_answered_twice(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        ann = one.somebody()
        await one.starts()
        second = await one.starts(DATA_DIR=str(tmp_path / "other"))
        await one.server.until(lambda: any(call.status == 409 for call in one.server.calls), 40)
        await one.bots[0].ends(5)
        await ann.says("/help")
        await ann.until("/train", 40)
        assert second.running
        assert len(ann.heard) == 1

    play(tmp_path, scenario)
