"""What a person types, chooses and presses on Discord, on the wire: commands, forms, suggestions, RESUME."""

from pathlib import Path

import pytest

from tests.chat.discord_scene import PROMISED_FILES, Scene, photos, play

PUT = "/applications/{application_id}/commands"
GUILD_PUT = "/applications/{application_id}/guilds/{guild_id}/commands"


def test_a_form_with_ten_files_becomes_ten_pictures_seen_by_their_owner_alone(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann, bob = there.person(7), there.person(8)
        await one.starts()
        form = await ann.slash("photos", there.channel)
        sent = await ann.fills(form, photos())
        counted = await ann.reads(f"{PROMISED_FILES} pictures", there.channel)
        assert sent.ack == 5
        assert counted.ephemeral
        assert counted not in bob.sees()
        again = await ann.fills(await ann.slash("photos", there.channel), photos())  # the same ones
        assert again.ack == 5
        await ann.reads(f"{PROMISED_FILES} pictures", there.channel, after=counted)

    play(tmp_path, scenario)


@pytest.mark.torture  # in process, too
def test_bases_are_suggested_while_they_are_typed_and_a_free_value_is_read_like_any_other(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        await one.starts()
        offered = await ann.types("train", "base", "flux", there.channel, trigger="ohwx")
        assert "flux1-dev" in [each["value"] for each in offered]
        assert await ann.types("train", "base", "no such thing", trigger="ohwx") == []
        await ann.fills(await ann.slash("photos", ann.dm), photos())
        await ann.reads(f"{PROMISED_FILES} pictures", ann.dm)
        await ann.slash("train", ann.dm, trigger="ohwx", base="../../etc @everyone")
        refused = await ann.reads("etc", ann.dm)
        assert not refused.button("Start")

    play(tmp_path, scenario)


@pytest.mark.torture  # five starts; in process, too: tests/unit/test_discord_commands.py
def test_commands_are_told_to_discord_when_they_changed_to_one_server_or_to_all(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        guild = there.channel.guild
        assert guild is not None
        for operators, told in (("", 1), ("discord:7", 2)):
            bot = await one.starts(OPERATORS=operators)
            await bot.dies()
            assert len(there.asked("PUT", PUT)) == told
        assert "grant" in ann.menu()
        await one.starts(DISCORD_DEV_GUILD=str(guild.id), OPERATORS="discord:7")
        assert len(there.asked("PUT", PUT)) == 2
        assert len(there.asked("PUT", GUILD_PUT)) == 1

    play(tmp_path, scenario)


def test_a_press_while_the_line_is_down_is_heard_after_resume(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann = there.person(7)
        await one.starts()
        await there.gateway.reconnect()
        await ann.slash("balance", ann.dm)
        await ann.until(lambda: there.gateway.resumed == 1, "a RESUME")
        await there.gateway.drop(4000)
        await ann.slash("balance", ann.dm)
        await ann.until(lambda: there.gateway.resumed == 2, "another")
        await ann.until(lambda: len(ann.sees(ann.dm)) == 2, "two answers")
        assert len(there.gateway.identified) == 1
        await there.gateway.invalidate(resumable=False)
        await ann.until(lambda: len(there.gateway.identified) == 2 and there.gateway.online, "a new session")
        await ann.slash("balance", ann.dm)
        await ann.until(lambda: len(ann.sees(ann.dm)) == 3, "a third answer")

    play(tmp_path, scenario)


@pytest.mark.torture  # in process, too
def test_in_a_server_where_only_she_installed_it_all_is_said_to_her_alone(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        elsewhere = there.state.guild("elsewhere", member=False)
        ann, bob = there.person(7), there.person(8)
        await one.starts()
        await ann.fills(await ann.slash("photos", elsewhere), photos())
        await ann.reads(f"{PROMISED_FILES} pictures", elsewhere)
        await ann.slash("train", elsewhere, trigger="ohwx", steps=100, rank=1, samples=0)
        await ann.presses("Start", where=elsewhere)
        await ann.finds("Cancel", ann.dm)
        assert bob.sees() == []
        await ann.presses("Cancel", where=ann.dm)
        await ann.until(lambda: not ann.sees(ann.dm)[-1].buttons, "a final card")

    play(tmp_path, scenario)


@pytest.mark.torture  # in process, too
def test_a_stranger_who_presses_her_button_or_types_her_job_is_answered_as_if_there_were_none(tmp_path: Path) -> None:
    async def scenario(one: Scene) -> None:
        there = one.there
        ann, eve = there.person(7), there.person(8)
        await one.starts()
        await ann.slash("settings", there.channel, progress="here")
        await one.ordered(ann)
        live = await eve.finds("Cancel", there.channel)
        button = live.button("Cancel")
        assert button is not None
        await eve.slash("cancel", there.channel, job="0123456789ab")
        absent = await eve.reads(".", there.channel, after=live)
        await eve.slash("cancel", there.channel, job=button["custom_id"].partition(":")[2])
        typed = await eve.reads(".", there.channel, after=absent)
        await eve.presses("Cancel", live)
        pressed = await eve.reads(".", there.channel, after=typed)
        assert absent.text == typed.text == pressed.text
        assert live.button("Cancel")
        await ann.presses("Cancel", live)
        await ann.until(lambda: not live.button("Cancel"), "a final card")

    play(tmp_path, scenario)
