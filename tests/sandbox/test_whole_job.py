"""One whole job through the real code paths: HTTP, SSH and SFTP, a database file, the hub's own client."""

import asyncio
import hashlib
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.assembly import Station, station
from bot.ports import Said
from notifier.card import Card
from notifier.ports import MessageId
from pipeline.domain.ids import AccountId, Identity
from pipeline.domain.job import Address, Job
from pipeline.domain.stage import End, Stage
from pipeline.sandbox.pictures import make_pictures, make_zip
from pipeline.sandbox.world import Sandbox, sandbox
from pipeline.settings import Settings

ME, HERE = Identity("terminal:me"), Address("terminal", "me")
SPEED = 150.0


class Wall:
    """A courier that hangs every card up, over the message it edits."""

    name = "terminal"

    def __init__(self) -> None:
        self.messages: dict[MessageId, list[Card]] = {}

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        message = over or MessageId(f"m{len(self.messages) + 1}")
        self.messages.setdefault(message, []).append(card)
        return message

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        raise NotImplementedError

    @property
    def last(self) -> Card:
        return list(self.messages.values())[-1][-1]


@asynccontextmanager
async def house(tmp_path: Path, wall: Wall, **over: Any) -> AsyncIterator[tuple[Sandbox, Station]]:
    async with sandbox(tmp_path / "world", speed=SPEED) as world:
        values: dict[str, Any] = {key.lower(): value for key, value in world.env.items()}
        settings = Settings(_env_file=None, data_dir=tmp_path / "data", welcome_points=50_000, **values, **over)
        async with station(settings, {wall.name: wall}) as whole:
            yield world, whole


async def started(whole: Station, wall: Wall, tmp_path: Path, text: str) -> tuple[AccountId, Job]:
    """A zip goes in, the quote's first button is pressed."""
    file = make_zip(make_pictures(tmp_path / "pictures"), tmp_path / "pictures.zip")
    await whole.desk.hear(Said(identity=ME, address=HERE, text=text, attachments=(file,)))
    assert wall.last.buttons, wall.last
    await whole.desk.hear(Said(identity=ME, address=HERE, pressed=wall.last.buttons[0].action))
    account = await whole.intake.account(ME)
    (job,) = await whole.intake.jobs(account)
    return account, job


async def over(whole: Station, account: AccountId, job: Job) -> Job:
    while not job.over:
        await asyncio.sleep(0.1)
        job, _ = await whole.intake.job(account, job.id)
    while not (await whole.shown.of(job.id)).final:  # noqa: ASYNC110  # the store is asked, as an outsider would
        await asyncio.sleep(0.05)
    return job


def test_a_zip_becomes_a_trained_published_registered_billed_model(tmp_path: Path) -> None:
    wall = Wall()

    async def life() -> tuple[Job, Sandbox, Station, int]:
        async with house(tmp_path, wall) as (world, whole):
            account, job = await started(whole, wall, tmp_path, "/train mytrigger steps=10 rank=1")
            job = await over(whole, account, job)
            balance = await whole.intake.balance(account)
            assert (await whole.books.ledger.audit()).total == 0
            assert world.market.live() == 0
            published = world.hub.file(job.repo, f"{job.repo.rsplit('/', 1)[1]}.safetensors")
            assert published is not None
            _is_a_clean_lora(published, job)
            assert [model.slug for model in await whole.intake.models(account)] == [job.slug]
            return job, world, whole, balance.available

    job, _, _, available = asyncio.run(life())
    assert (job.stage, job.ending and job.ending.end, job.attempt) == (Stage.DONE, End.DONE, 1)
    assert available == 50_000 - job.charged
    assert 0 < job.charged <= job.quote.ceiling
    assert job.artifact is not None
    assert len(job.artifact.samples) == 4
    _one_live_message(wall, job)


def _is_a_clean_lora(file: Path, job: Job) -> None:
    """What lies at the hub is what was proved at home, and says nothing of captions."""
    assert job.artifact is not None
    blob = file.read_bytes()
    assert hashlib.sha256(blob).hexdigest() == job.artifact.sha256
    (length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + length])
    assert len(header) - 1 == 988
    assert "ss_tag_frequency" not in header["__metadata__"]


def _one_live_message(wall: Wall, job: Job) -> None:
    """The message after Start is edited in place, tells n/total, and ends with what a person needs."""
    edited = [cards for cards in wall.messages.values() if len(cards) >= 3]
    assert len(edited) == 1
    cards = edited[0]
    assert any(f"/{job.recipe.steps}" in card.bar_label for card in cards)
    said = repr(cards[-1])
    assert cards[-1].final
    assert f"<lora:{job.slug}:0.8>" in said
    assert job.url in said


def seen_on_boxes(tmp_path: Path, *secrets: str) -> list[str]:
    """Where a box's owner would find one of `secrets` now: files, arguments and environments of the box's programs."""
    boxes = tmp_path / "world" / "market" / "boxes"
    theirs = [path for path in Path("/proc").glob("[0-9]*/environ") if str(boxes).encode() in _read(path)]
    places = [path for path in boxes.rglob("*") if path.is_file()]
    places += [path.with_name(name) for path in theirs for name in ("environ", "cmdline")]
    return sorted({path.name for path in places if any(secret.encode() in _read(path) for secret in secrets)})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return b""


@pytest.mark.torture  # a story, too; stop is the harder one
def test_cancel_while_it_trains_gives_the_machine_back_and_charges_what_ran(tmp_path: Path) -> None:
    wall = Wall()

    async def life() -> Job:
        async with house(tmp_path, wall) as (world, whole):
            account, job = await started(whole, wall, tmp_path, "/train mytrigger steps=2000 rank=1 samples=0")
            while job.stage is not Stage.TRAIN:
                await asyncio.sleep(0.05)
                job, _ = await whole.intake.job(account, job.id)
            await whole.desk.hear(Said(identity=ME, address=HERE, text="/cancel"))
            job = await over(whole, account, job)
            assert world.market.live() == 0
            assert (await whole.books.ledger.audit()).total == 0
            return job

    job = asyncio.run(life())
    assert (job.ending and job.ending.end, job.artifact) == (End.CANCELLED, None)
    assert 0 < job.charged < job.quote.ceiling


def test_stop_and_keep_publishes_the_checkpoint_marked_incomplete(tmp_path: Path) -> None:
    wall = Wall()

    async def life() -> Job:
        async with house(tmp_path, wall) as (world, whole):
            account, job = await started(whole, wall, tmp_path, "/train mytrigger steps=2000 rank=1 samples=0")
            progress = None
            while progress is None or progress.unit != "step" or progress.done < 5:
                await asyncio.sleep(0.05)
                job, progress = await whole.intake.job(account, job.id)
            assert seen_on_boxes(tmp_path, f"AITK_JOB_ID={job.id}") == ["environ", "run.env"], "our eyes are open"
            assert seen_on_boxes(tmp_path, world.env["HF_TOKEN"], world.env["VAST_API_KEY"]) == []
            await whole.desk.hear(Said(identity=ME, address=HERE, text="/stop"))
            job = await over(whole, account, job)
            assert world.market.live() == 0
            return job

    job = asyncio.run(life())
    assert job.artifact is not None
    assert (job.ending and job.ending.end, job.incomplete) == (End.STOPPED, True)
    assert 0 < job.artifact.step < 2000
    assert job.url
