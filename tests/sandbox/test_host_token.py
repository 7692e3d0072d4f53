"""HF_HOST_TOKEN over real sockets: the trainer on the box downloads the base with it, and says why when it cannot."""

import asyncio
from pathlib import Path

import pytest

from pipeline.domain.job import Job
from pipeline.domain.stage import End
from pipeline.sandbox.hub import flux
from pipeline.sandbox.world import Sandbox, sandbox
from tests.sandbox.standin_box import Box
from tests.sandbox.test_whole_job import Wall, house, over, seen_on_boxes, started

TOKEN = "hf_of_an_account_that_owns_nothing"


@pytest.mark.torture  # its parts are stories
def test_with_the_setting_a_whole_job_trains_from_what_the_trainer_downloaded(tmp_path: Path) -> None:
    wall = Wall()

    async def life() -> Job:
        async with house(tmp_path, wall, hf_host_token=TOKEN) as (world, whole):
            world.hub.add_token(TOKEN, "box", role="fineGrained", scoped=False)
            account, job = await started(whole, wall, tmp_path, "/train mytrigger steps=10 rank=1 samples=0")
            while "environ" not in seen_on_boxes(tmp_path, TOKEN):  # noqa: ASYNC110  # an outsider's look at the box
                await asyncio.sleep(0.1)
            assert seen_on_boxes(tmp_path, TOKEN) == ["environ", "hub.env", "run.env"]
            assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.env")} == {0o600}
            assert seen_on_boxes(tmp_path, world.env["HF_TOKEN"], world.env["VAST_API_KEY"]) == []
            job = await over(whole, account, job)
            assert (await whole.books.ledger.audit()).total == 0
            assert world.market.live() == 0
            return job

    job = asyncio.run(life())
    assert job.ending
    assert (job.ending.end, job.attempt) == (End.DONE, 1)
    assert job.url


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", ("is not a local folder", "huggingface_hub.errors.GatedRepoError: 401", "Cannot access gated repo")),
        ("hf_no_licence", ("is not a local folder", "huggingface_hub.errors.GatedRepoError: 403")),
        ("hf_no_switch", ("does not appear to have a file named config.json", "Please enable access to public gated")),
    ],
)
def test_a_trainer_that_may_not_read_the_base_fails_in_the_real_words(
    tmp_path: Path, token: str, words: tuple[str, ...]
) -> None:
    async def life() -> tuple[int, str]:
        async with sandbox(tmp_path / "world", speed=1000) as world:
            return await asyncio.to_thread(_run, world, token)

    def _run(world: Sandbox, token: str) -> tuple[int, str]:
        world.hub.add_token("hf_no_licence", "box", role="fineGrained", gated=False, reads_gated=True)
        world.hub.add_token("hf_no_switch", "box", role="fineGrained", reads_gated=False)
        box = Box(tmp_path / "box")
        given = {"HF_ENDPOINT": world.env["HF_ENDPOINT"], "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_TOKEN": token}
        config = str(box.config(model={"name_or_path": flux.ID}))
        return box.start(config, env=given).wait(timeout=60), box.said()

    code, said = asyncio.run(life())
    assert code == 1
    assert [word for word in words if word not in said] == []
    assert said.index("huggingface_hub.errors") < said.rindex("OSError: ")
    assert "urllib.error" not in said
