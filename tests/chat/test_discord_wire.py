"""From a zip to a model on Discord: the real bot as a second process, the real wire, the sandbox's market."""

from pathlib import Path

from tests.chat.discord_scene import DONE, SHORT, Scene, a_zip, play
from tests.support.discord import File


def test_from_a_slash_command_with_9_mb_to_a_model_in_the_dm_and_a_pointer_in_the_channel(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann, bob = there.person(7, name="Ann"), there.person(8, name="Bob")
        await one.starts()
        await ann.slash("train", there.channel, trigger="ohwx", dataset=File("set.zip", a_zip(size=9_000_000)), **SHORT)
        quote = await ann.finds("Start", there.channel)
        assert "12 pictures" in quote.text
        assert quote not in bob.sees()
        await ann.presses("Start", quote)
        live = await ann.reads(r"\d+/100 steps", ann.dm, seconds=60)
        pointer = next(each for each in bob.sees(there.channel) if f"<@{ann.user.id}>" in each.text)
        assert f"/{ann.dm.id}/{live.id}" in pointer.text
        done = await ann.reads(DONE, ann.dm, seconds=60)
        assert done is live
        assert len(done.versions) >= 4  # sent, and edited in place at least three times
        assert "<lora:ohwx" in done.text
        assert "http" in done.text
        assert not [each for each in done.buttons if each.get("custom_id") and not each.get("disabled")]

    play(tmp_path, scenario)


def test_kill_9_in_training_and_the_next_start_edits_the_same_message_to_its_end(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        bot = await one.starts()
        await ann.slash("train", ann.dm, trigger="ohwx", dataset=File("set.zip", a_zip()), **SHORT)
        quote = await ann.finds("Start", ann.dm)
        await bot.dies()
        bot = await one.starts()
        await ann.presses("Start", quote)  # its button outlived the process that made it
        live = await ann.reads(r"[1-9]\d*/100 steps", ann.dm, seconds=60)
        await bot.dies()
        written = len(live.versions)
        await one.starts()
        done = await ann.reads(DONE, ann.dm, seconds=60)
        assert done is live
        assert len(done.versions) > written
        assert len([each for each in ann.sees(ann.dm) if "steps" in each.text or "<lora:" in each.text]) == 1
        assert len(there.asked("PUT", "/applications/{application_id}/commands")) == 1  # of three starts, the first

    play(tmp_path, scenario)
