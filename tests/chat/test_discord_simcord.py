"""Commands, forms and suggestions on simcord's Discord."""

from dataclasses import replace
from pathlib import Path

import pytest
import simcord

from notifier.ports import Unreachable
from pipeline.domain.ids import Identity
from tests.support.discord_talk import JOB, answer, started
from tests.support.discord_town import ZIP, Town, buttons, run, text


def test_a_zip_with_train_becomes_a_price_that_its_person_alone_sees(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        asked = await town.person().says("train", trigger="ohwx", dataset=ZIP, steps=30)
        assert asked.ephemeral
        assert "12 pictures" in answer(asked)
        assert asked.response is not None
        assert buttons(asked.response) == ["Start", "Change", "Cancel"]
        assert town.heard[0].text == "/train ohwx steps=30"
        assert [path.name for path in town.heard[0].attachments] == ["pictures.zip"]
        assert not list(tmp_path.iterdir())  # what was brought home went where it belongs

    run(tmp_path, story)


def test_every_option_of_train_is_the_text_a_person_would_have_typed(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await town.person().says(
            "train", trigger="ohwx", steps=1500, base="flux1-dev", preset="style", publish="private", name="my cat",
            rank=8, lr=0.0002, resolution="512,768", samples=0, save_every=50, region="de", gpu="RTX 4090",
            max_price=0.5,
        )  # fmt: skip
        assert set(town.heard[0].text.split()) == {
            "/train", "ohwx", "steps=1500", "base=flux1-dev", "preset=style", "publish=private", "name=my_cat",
            "rank=8", "lr=0.0002", "resolution=512,768", "samples=0", "save_every=50", "region=de", "gpu=RTX_4090",
            "max_price=0.5",
        }  # fmt: skip

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("dataset", {}, "/dataset"),
        ("dataset", {"drop": 3}, "/dataset drop 3"),
        ("dataset", {"clear": True}, "/dataset clear"),
        ("status", {"job": JOB}, f"/status {JOB}"),
        ("stop", {}, "/stop"),
        ("cancel", {"job": JOB}, f"/cancel {JOB}"),
        ("model", {"model": "fluffy"}, "/model fluffy"),
        ("settings", {"progress": "here"}, "/settings progress=here"),
        ("help", {}, "/help"),
        ("start", {}, "/start"),
        ("jobs", {}, "/jobs"),
        ("models", {}, "/models"),
        ("balance", {}, "/balance"),
        ("receipts", {}, "/receipts"),
        ("upload", {}, "/upload"),
    ],
)
def test_commands_mirror_the_dialogue(tmp_path: Path, command: str, options: dict[str, object], said: str) -> None:
    async def story(town: Town) -> None:
        asked = await town.person().says(command, **options)
        assert town.heard[0].text == said
        assert asked.ephemeral  # balances, receipts, mistakes: in company everything is for one person's eyes
        assert answer(asked)

    run(tmp_path, story)


def test_alone_with_the_bot_answers_stay(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        asked = await ann.whispers("balance")
        assert not asked.ephemeral
        assert "100,000" in text(ann.dm[-1])

    run(tmp_path, story)


def test_an_option_out_of_bounds_is_answered_as_typed_text_is(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        asked = await town.person().says("train", trigger="o h w x", dataset=ZIP)
        assert "I do not understand" in answer(asked)

    run(tmp_path, story)


def test_a_command_that_was_never_synced_cannot_be_used(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        with pytest.raises(simcord.SetupError):
            await town.person().says("grant", person=None)

    run(tmp_path, story)


def test_operators_give_points_once_however_often_the_order_arrives(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        boss, bob = town.person(), town.person()
        await town.promotes(boss)
        assert "5,000" in answer(await boss.whispers("grant", person=bob.user, points=5000, reason="for a bug report"))
        assert "105,000" in answer(await bob.says("balance"))
        assert town.heard[0].id == f"discord:{town.heard[0].id.partition(':')[2]}"
        assert town.heard[0].text == f"/grant discord:{bob.id} 5000 for a bug report"
        assert "I do not know /grant" in answer(await bob.whispers("grant", person=bob.user, points=5000))

    run(tmp_path, story)


def test_discord_7_is_not_telegram_7(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        town.grounds = replace(town.grounds, operators=frozenset({Identity(f"telegram:{ann.id}")}))
        await town.restart()
        assert "I do not know /grant" in answer(await ann.whispers("grant", person=ann.user, points=5))
        assert town.heard[0].identity == f"discord:{ann.id}"

    run(tmp_path, story)


def test_a_file_goes_into_the_answer_and_one_that_is_too_large_does_not(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        small, large = tmp_path.parent / "ohwx.safetensors", tmp_path.parent / "large.safetensors"
        small.write_bytes(b"weights")
        with large.open("wb") as file:
            file.truncate(40 * 10**6)
        ann = town.person()
        assert await town.sends(ann.address, small)
        assert [one.filename for one in ann.dm[-1].attachments] == ["ohwx.safetensors"]
        assert not await town.sends(ann.address, large)
        ann.refuses(50007)
        with pytest.raises(Unreachable):
            await town.sends(ann.address, small)
        assert town.channel.history() == []  # a model is its owner's

    run(tmp_path, story)


def test_suggestions_are_bases_regions_own_trainings_and_nothing_of_others(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann, bob = town.person(), town.person()
        job = await started(town, ann)
        assert "flux1-dev" in await ann.types("train", "base", "FLUX")
        assert await ann.types("train", "region", "d") == ["DE"]
        assert await ann.types("stop", "job", "") == [job.id]
        assert await bob.types("stop", "job", "") == []
        assert await ann.types("model", "model", "") == []

    run(tmp_path, story)


def test_photos_opens_a_form_and_ten_files_of_it_are_counted(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        form = await ann.says("photos")
        assert form.modal is not None
        sent = await ann.fills(form, *((f"{n}.jpg", f"picture {n}".encode()) for n in range(10)))
        assert answer(sent).startswith("10 pictures in the draft")
        assert len(town.heard[0].attachments) == 10

    run(tmp_path, story)


def test_a_form_opened_before_a_restart_is_heard_after_it(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        ann = town.person()
        form = await ann.says("photos")
        await town.restart()
        sent = await ann.fills(form, ("1.jpg", b"picture 1"))
        assert answer(sent).startswith("One picture in the draft")

    run(tmp_path, story)


def test_a_link_that_expired_before_the_download_is_said_plainly(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        town.broken_links = True
        asked = await town.person().says("train", trigger="ohwx", dataset=ZIP)
        assert "too old" in answer(asked)
        assert town.heard == []  # no price for pictures that did not come

    run(tmp_path, story)
