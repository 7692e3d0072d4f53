"""The whole conversation on simcord's Discord: commands, forms, buttons, direct messages, restarts."""

from pathlib import Path

from tests.support.discord_town import ZIP, Town, buttons, run, text


def test_a_zip_with_train_becomes_a_price_that_its_person_alone_sees(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.member()
        asked = await ann.slash(town.channel, "train", trigger="ohwx", dataset=ZIP, steps=30)
        assert asked.ephemeral
        assert asked.response is not None
        assert "12 pictures" in text(asked.response)
        assert buttons(asked.response) == ["Start", "Change", "Cancel"]
        assert town.heard[0].text == "/train ohwx steps=30"

    run(tmp_path, story)
