"""WAIT, UPLOAD and FETCH: a box that is not ours, not what it claims, or too slow is given back at once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain.faults import HostSilent
from pipeline.domain.job import Job, Machine
from pipeline.domain.stage import End
from pipeline.flow.stages.wait import MUTE
from pipeline.ports import Answer, RemoteFile
from pipeline.trainers import fetching
from pipeline.trainers.bases import Base
from pipeline.trainers.box import Command
from tests.support.box import Box, Rented
from tests.support.jobs import a_world, lived
from tests.support.world import World


def left_for(job: Job) -> list[str]:
    """Why machines were left."""
    return [news.event.code for news in job.news if news.event.kind == "moving"]


@dataclass
class FirstBoxLies(World):
    """The first machine is wrong in one way; all others are good."""

    wrong: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # (instance, command's name)

    def lies(self, rented: Rented, what: str) -> Any:
        return self.wrong.get(what) if rented is self.rentals[0] else None


class Liar(Box):
    world: FirstBoxLies

    async def run(self, command: Command) -> Answer:
        self.world.asked.append((self.rented.instance, command.name))
        lie = self.world.lies(self.rented, command.name)
        return await super().run(command) if lie is None else lie


def a_lie(tmp_path: Path, **wrong: Any) -> FirstBoxLies:
    return FirstBoxLies(root=tmp_path, wrong=wrong, box=Liar)


SAID = b"home=/home/box\ngpu=NVIDIA GeForce RTX 4090, 24564, 580.65.06\ndisk_kb=200000000\ntoolkit=yes\n"


@pytest.mark.parametrize(
    ("command", "says", "code"),
    [
        ("prove", Answer(0, b"proof=" + b"0" * 64 + b"\n"), "box-unproved"),
        ("prove", Answer(1, b""), "box-unproved"),
        ("look", Answer(0, SAID.replace(b"4090", b"3060")), "other-gpu"),
        ("look", Answer(0, SAID.replace(b"24564", b"12288")), "other-gpu"),
        ("look", Answer(0, SAID.replace(b"200000000", b"20000000")), "box-disk-small"),
        ("look", Answer(0, SAID.replace(b"toolkit=yes", b"toolkit=no")), "toolkit-missing"),
        ("look", Answer(0, b"no such command"), "box-unreadable"),
        ("exercise", Answer(0, b"cuda=0\n"), "gpu-unseen"),
        ("exercise", Answer(1, b"ModuleNotFoundError: No module named torch"), "gpu-unseen"),
        ("exercise", Answer(0, b"cuda=1\ngflops=8000\n"), "gpu-slow"),
    ],
)
def test_a_box_that_lies_is_given_back_before_it_gets_a_byte(
    tmp_path: Path, command: str, says: Answer, code: str
) -> None:
    world = a_lie(tmp_path, **{command: says})
    job = lived(world)
    assert (job.ending and job.ending.end, left_for(job), world.alive) == (End.DONE, [code], [])
    assert world.rentals[0].files == set()


def test_a_middle_man_gets_no_dataset_byte(tmp_path: Path) -> None:
    """He answers in the box's place, with everything but the key that only the box was given."""
    world = a_world(tmp_path, box_key="guessed")
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.end, job.ending.code, world.alive, job.charged) == (End.FAILED, "no-machine-booted", [], 0)
    assert [rented.files for rented in world.rentals] == [set()] * len(world.rentals)


def test_a_box_whose_own_key_is_not_there_yet_is_asked_again(tmp_path: Path) -> None:
    world = a_lie(tmp_path, prove=Answer(7, b""))
    job = lived(world)
    assert [name for instance, name in world.asked if instance == "i1"].count("prove") > 5
    assert left_for(job) == ["box-not-ready"]


def test_a_box_far_under_its_claim_is_given_back_before_anything_else_is_paid(tmp_path: Path) -> None:
    world = a_world(tmp_path, fetch_seconds=1e6)
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.code, set(left_for(job)), world.alive) == ("no-machine-booted", {"fetch-slow"}, [])
    paid = [(rented.destroyed - rented.since).total_seconds() for rented in world.rentals if rented.destroyed]
    assert max(paid) < world.boot_seconds + 120


def test_a_box_at_half_of_its_claim_is_kept(tmp_path: Path) -> None:
    world = a_world(tmp_path, fetch_seconds=2 * 33.7 * 8000 / 800)
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals)) == (End.DONE, 1)


@dataclass
class Mute(World):
    """The first machine runs, and swallows every connection."""

    @asynccontextmanager
    async def open(self, machine: Machine) -> AsyncIterator[Box]:
        if machine.instance == "i1":
            raise HostSilent("ssh-unreachable")
        async with super().open(machine) as box:
            yield box


def test_a_machine_that_runs_and_answers_no_login_is_not_paid_for_as_long_as_a_boot_may_take(tmp_path: Path) -> None:
    world = Mute(root=tmp_path)
    job = lived(world)
    first = world.rentals[0]
    assert (job.ending and job.ending.end, left_for(job), len(world.rentals)) == (End.DONE, ["ssh-unreachable"], 2)
    assert first.destroyed is not None
    assert (first.destroyed - first.since).total_seconds() < world.boot_seconds + MUTE + 60


@dataclass
class Expiring(World):
    """Three files; the first round leaves the second one out, as an expired link does."""

    signed: list[str] = field(default_factory=list)
    sent: list[set[str]] = field(default_factory=list)

    async def files(self, base: Base) -> list[RemoteFile]:
        (one, small) = await super().files(base)
        two = RemoteFile(repo=one.repo, path="vae/model.safetensors", size=10**9, sha256=one.sha256, revision="r")
        return [one, two, small]

    async def sign(self, file: RemoteFile) -> str:
        self.signed.append(file.path)
        return await super().sign(file)


class Halfway(Box):
    world: Expiring
    rounds = 0

    async def run(self, command: Command) -> Answer:
        if command.name == "fetch":
            type(self).rounds += 1
        if command.name != "fetched":
            return await super().run(command)
        second = self.rounds > 1
        whole = ["whole1=1"] * (self.rounds > 0) + ["whole2=1"] * second
        got = [f"f1={10**9 * (self.rounds > 0)}", f"f2={10**9 * second}", "f3=500"]
        ended = [f"rc={int(not second)}"] if self.rounds else []
        return Answer(0, "\n".join([*got, *whole, *ended]).encode())


def test_after_an_expired_link_only_what_is_missing_is_signed_again(tmp_path: Path) -> None:
    Halfway.rounds = 0
    world = Expiring(root=tmp_path, box=Halfway)
    job = lived(world)
    assert (job.ending and job.ending.end, Halfway.rounds, len(world.rentals)) == (End.DONE, 2, 1)
    large = [path for path in world.signed if path.endswith(".safetensors")]
    assert large == ["transformer/model.safetensors", "vae/model.safetensors", "vae/model.safetensors"]


def test_links_do_not_stay_at_home(tmp_path: Path) -> None:
    lived(a_world(tmp_path))
    kept: Sequence[Path] = list(tmp_path.rglob("links.tsv"))
    assert all("signed" not in path.read_text() for path in kept)
    assert "https" not in fetching.planned("a/b", 1, None)
