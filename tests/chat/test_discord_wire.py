"""From a zip to a model on Discord: the real bot as a second process, the real wire, the sandbox's market."""

from pathlib import Path

import pytest

from tests.chat.discord_scene import DONE, SHORT, Scene, a_zip, play
from tests.support.discord import File, Person


async def ordered(one: Scene, ann: Person, bob: Person) -> None:
    """Order with 9 MB in a server's channel; the price is for her eyes."""
    there = one.there
    await ann.slash("train", there.channel, trigger="ohwx", dataset=File("set.zip", a_zip(size=9_000_000)), **SHORT)
    quote = await ann.finds("Start", there.channel)
    assert "12 pictures" in quote.text
    assert quote not in bob.sees()


async def followed(one: Scene, ann: Person, bob: Person, *, kill: bool) -> None:
    """Press Start and watch the live message to its end; `kill` the bot twice on the way."""
    there = one.there
    quote = await ann.finds("Start", there.channel)
    if kill:
        await one.bots[-1].dies()
        await one.starts()
    await ann.presses("Start", quote)  # its button outlives the process that made it
    live = await ann.reads(r"[1-9]\d*/100 steps", ann.dm, seconds=60)
    (pointer,) = [each for each in bob.sees(there.channel) if f"<@{ann.user.id}>" in each.text]
    assert f"/{ann.dm.id}/{live.id}" in pointer.text
    written = len(live.versions)
    if kill:
        await one.bots[-1].dies()
        await one.starts()
    done = await ann.reads(DONE, ann.dm, seconds=60)
    assert done is live
    assert ann.sees(ann.dm) == [live]
    assert len(done.versions) > max(written, 3)  # sent, and edited in place at least three times
    assert "<lora:ohwx" in done.text
    assert "http" in done.text
    assert not [each for each in done.buttons if each.get("custom_id") and not each.get("disabled")]
    assert len(there.asked("PUT", "/applications/{application_id}/commands")) == 1  # by the first start alone


def test_from_9_mb_in_a_slash_command_to_a_model_in_one_dm_though_the_bot_is_killed_twice(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        ann, bob = one.there.person(7, name="Ann"), one.there.person(8, name="Bob")
        await one.starts()
        await ordered(one, ann, bob)
        await followed(one, ann, bob, kill=True)

    play(tmp_path, scenario)


@pytest.mark.torture
def test_the_same_where_nobody_kills_it(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        ann, bob = one.there.person(7, name="Ann"), one.there.person(8, name="Bob")
        await one.starts()
        await ordered(one, ann, bob)
        await followed(one, ann, bob, kill=False)

    play(tmp_path, scenario)
