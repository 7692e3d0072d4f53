"""HF_HOST_TOKEN, off and on: what a box gets of our secrets, and what nobody rents a box with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.domain.job import Job
from pipeline.domain.stage import End
from pipeline.ports import Answer, House
from pipeline.trainers.box import Command
from tests.support.box import Box
from tests.support.jobs import lived
from tests.support.world import HOUSE, World

TOKEN = "hf_only_reads_gated"
TRUSTING = replace(HOUSE, host_token=TOKEN, hub="http://127.0.0.1:9")


@dataclass
class Watched(World):
    """Keeps all that goes over the line: commands, and files by their name."""

    asked: list[Command] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)


class Noting(Box):
    world: Watched

    async def run(self, command: Command) -> Answer:
        self.world.asked.append(command)
        return await super().run(command)

    async def ask(self, program: Command, *question: int) -> bytes:
        self.world.asked.append(program)
        return await super().ask(program, *question)

    async def put(self, local: Path, remote: str) -> None:
        self.world.sent[remote.rsplit("/", 1)[1]] = local.read_text()
        await super().put(local, remote)


def told(tmp_path: Path, house: House, **over: Any) -> tuple[Watched, Job]:
    world = Watched(root=tmp_path, box=Noting, house=house, **over)
    return world, lived(world)


def names(world: Watched) -> set[str]:
    return {command.name for command in world.asked}


def model(sent: Mapping[str, str]) -> Any:
    return json.loads(sent["config.json"])["config"]["process"][0]["model"]["name_or_path"]


def test_without_the_setting_a_gated_job_sends_no_reusable_secret_in_argv_env_or_sftp(tmp_path: Path) -> None:
    world, job = told(tmp_path, HOUSE)
    assert job.ending
    assert job.ending.end is End.DONE
    assert {"fetch", "fetched", "start"} <= names(world)
    assert (world.judged, "hub.env" in world.sent) == ([], False)
    over_the_line = [*(command.script for command in world.asked), *world.sent.values()]
    assert not [text for text in over_the_line if "HF_TOKEN" in text or "hf_" in text]
    assert model(world.sent).startswith("/home/box/ts/")


def test_with_the_setting_the_trainer_downloads_by_itself(tmp_path: Path) -> None:
    world, job = told(tmp_path, TRUSTING, fetch_seconds=1e6)
    assert job.ending
    assert (job.ending.end, world.judged) == (End.DONE, [TOKEN])
    assert not names(world) & {"fetch", "fetched"}
    assert "links.tsv" not in world.sent
    assert world.sent["hub.env"].splitlines() == [f"HF_TOKEN={TOKEN}", "HF_ENDPOINT=http://127.0.0.1:9"]
    assert model(world.sent) == "black-forest-labs/FLUX.1-dev"


def test_the_token_is_in_one_file_of_the_box_and_in_none_at_home(tmp_path: Path) -> None:
    world, _ = told(tmp_path, TRUSTING)
    assert [name for name, text in world.sent.items() if TOKEN in text] == ["hub.env"]
    assert not [command.name for command in world.asked if TOKEN in command.script]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in repr(TRUSTING)


def test_prepare_refuses_a_token_that_may_do_more_and_nothing_is_rented(tmp_path: Path) -> None:
    world, job = told(tmp_path, TRUSTING, wide=[TOKEN])
    assert job.ending
    assert (job.ending.end, job.ending.code, job.charged) == (End.FAILED, "host-token-wide", 0)
    assert (world.rentals, world.creates, world.sent) == ([], {}, {})
