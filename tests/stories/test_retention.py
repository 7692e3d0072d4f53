"""What is past its time goes, and nothing else."""

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pipeline.domain.dataset import Inspection
from pipeline.domain.ids import JobId
from pipeline.domain.stage import Stage
from pipeline.flow.drafts import Drafts
from pipeline.flow.records import job_doc
from pipeline.flow.retention import Retention
from pipeline.flow.spool import Spool
from tests.support.jobs import ANN, ID, a_job, a_world
from tests.support.virtual import EPOCH, run
from tests.support.world import World, manifest

DAY = 86_400.0


def touched(file: Path, days: float) -> Path:
    """`file`, last changed so many days after EPOCH."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    at = (EPOCH + timedelta(days=days)).timestamp()
    os.utime(file, (at, at))
    return file


def retention(world: World) -> Retention:
    return Retention(store=world.store, clock=world.clock, spool=Spool(world.root))


def test_a_forgotten_draft_and_its_pictures_go_after_a_week(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[int, int]:
        drafts = Drafts(world.store, world.clock)
        await drafts.add(ANN, Inspection(pictures=manifest().pictures))
        file = touched(tmp_path / "pictures" / ANN / f"{manifest().pictures[0].sha256}.jpg", 0)
        await asyncio.sleep(6 * DAY)
        await retention(world).sweep()
        kept = file.exists()
        await asyncio.sleep(2 * DAY)
        await retention(world).sweep()
        return len((await drafts.get(ANN)).pictures), int(kept) + 2 * int(file.exists())

    assert run(life()) == (0, 1)


def test_pictures_of_a_job_that_is_not_over_stay(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> bool:
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.PREPARE)))
        file = touched(tmp_path / "pictures" / ANN / f"{manifest().pictures[0].sha256}.jpg", 0)
        await asyncio.sleep(100 * DAY)
        await retention(world).sweep()
        return file.exists()

    assert run(life())


def test_a_job_s_files_go_a_month_after_its_end_and_models_stay(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[bool, bool, bool]:
        over = replace(a_job(), id=JobId("over"), stage=Stage.DONE)
        await world.store.create("jobs", "over", job_doc(over))
        await world.store.create("jobs", ID, job_doc(a_job(stage=Stage.TRAIN)))
        pack = touched(tmp_path / "jobs" / "over" / "pack.tar", 0)
        live = touched(tmp_path / "jobs" / ID / "pack.tar", 0)
        model = touched(tmp_path / "models" / "over.safetensors", 0)
        await asyncio.sleep(31 * DAY)
        await retention(world).sweep()
        return pack.exists(), live.exists(), model.exists()

    assert run(life()) == (False, True, True)


def test_litter_of_a_killed_child_goes_after_a_day(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> bool:
        litter = touched(tmp_path / "jobs" / ID / ".workshop-x" / "made", 0).parent
        os.utime(litter, (EPOCH.timestamp(), EPOCH.timestamp()))
        await asyncio.sleep(2 * DAY)
        await retention(world).sweep()
        return litter.exists()

    assert not run(life())


def test_of_a_job_that_is_over_the_weights_of_its_checkpoints_stay_for_a_month(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> tuple[set[str], bool]:
        await world.store.create("jobs", "over", job_doc(replace(a_job(), id=JobId("over"), stage=Stage.DONE)))
        folder = tmp_path / "jobs" / "over" / "sets" / "abc"
        for name in ("weights.safetensors", "optimizer.pt", "laid.pt"):
            touched(folder / name, 0)
        await asyncio.sleep(29 * DAY)
        await retention(world).sweep()
        kept = {file.name for file in folder.iterdir()}
        await asyncio.sleep(2 * DAY)
        await retention(world).sweep()
        return kept, folder.exists()

    assert run(life()) == ({"weights.safetensors"}, False)
