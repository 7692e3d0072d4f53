"""From a zip to a model on Discord: the real bot as a second process, the real wire, the sandbox's market."""

from pathlib import Path

from tests.chat.discord_scene import DONE, SHORT, Scene, a_zip, play
from tests.support.discord import File


def test_from_a_slash_command_with_9_mb_to_a_model_in_the_dm_and_a_pointer_in_the_channel(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann, bob = there.person(7, name="Ann"), there.person(8, name="Bob")
        await one.starts()
        asked = await ann.slash(
            "train", there.channel, trigger="ohwx", dataset=File("set.zip", a_zip(size=9_000_000)), **SHORT
        )
        assert asked.ack_after < 0.5
        quote = await ann.finds("Start", there.channel)
        assert "12 pictures" in quote.text
        assert quote not in bob.sees()
        press = await ann.presses("Start", quote)
        assert press.ack_after < 0.5
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
