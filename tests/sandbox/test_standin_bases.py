"""Every base of the bot's table, from the hub's file list to weights that are proved: over real sockets, in small."""

import asyncio
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.adapters.hub import HfHub
from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import JobId
from pipeline.domain.recipe import Recipe
from pipeline.ports import Demand, Pace, Proof
from pipeline.sandbox.hub import Hub
from pipeline.trainers import box, fetching, recipe_config
from pipeline.trainers.bases import BASES, Base
from pipeline.trainers.log import Phase, Saved
from pipeline.trainers.verdict import judge
from tests.sandbox.market_scene import wall
from tests.sandbox.standin_box import TOOLKIT
from tests.support.captures import read
from tests.unit.test_log_bases import NETWORK, PRINTED, phases

pytestmark = pytest.mark.torture  # a minute of six trainers; the rows themselves: tests/unit/test_bases.py

JOB = JobId("k3v9q0000000")
RECIPE = Recipe(trigger="tok", steps=3, rank=1)
each_base = pytest.mark.parametrize("row", BASES.values(), ids=BASES)
AFTERWARDS = ("caching", "sampling")  # three steps: nothing is saved on the way
TINY = 100_000  # times smaller than life; its pace is not what is asked here


async def laid(hub: HfHub, row: Base, home: Path) -> None:
    """All that UPLOAD and FETCH bring of a base, by their own plan, links and script."""
    there = home / box.folder(JOB)
    there.mkdir(parents=True)
    plan, links = "", ""
    for number, file in enumerate(await hub.files(row), 1):
        at = fetching.place(file.repo, file.path, file.revision, into=row.place(file.repo))
        plan += fetching.planned(at, file.size, file.sha256)
        if url := await hub.sign(file):
            links += fetching.link(number, url)
        else:
            (there / at).parent.mkdir(parents=True, exist_ok=True)
            await hub.download(file, there / at)
    (there / "plan.tsv").write_text(plan)
    (there / "links.tsv").write_text(links)
    script = f"{fetching.fetch(JOB).script}\nwhile ! test -s fetch.rc; do sleep 0.02; done; cat fetch.rc"
    child = await asyncio.create_subprocess_exec("sh", "-c", script, cwd=home, stdout=subprocess.PIPE)
    said, _ = await asyncio.wait_for(child.communicate(), 30)
    assert said.strip() == b"0"


def told(said: str) -> list[str]:
    """What is said while a base is loaded, without bars, paths and numbers."""
    loading = said.partition("Running  1 process")[2].partition("Dataset:")[0] or said
    lines = (line for line in re.split(r"[\r\n]", loading) if line.strip() and "%|" not in line)
    return [re.sub(r"\d+", "9", re.sub(r"/\S+", "/", line)) for line in lines]


def aside(row: Base) -> list[str]:
    """What is said of an adapter when samples are drawn."""
    return ["Unloading assistant lora", "Loading assistant lora"] if row.assistant else []


def trained(row: Base, home: Path, mode: str = "") -> tuple[str, int]:
    """What the stand-in says of a whole training of that base, without a network, and its exit code."""
    there = home / box.folder(JOB)
    (there / "dataset").mkdir()
    Image.fromarray(np.zeros((64, 96, 3), dtype=np.uint8)).save(there / "dataset" / "0001.jpg")
    (there / "dataset" / "0001.txt").write_text("tok on a hill")
    config = recipe_config.config(JOB, RECIPE, row, str(home), vram_mb=row.vram_mb, captions=["tok on a hill"])
    (there / "config.json").write_text(config)
    env = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(there / fetching.CACHE), "SANDBOX_SPEED": "1000000"}
    env |= {"SANDBOX_TRAINER": mode}
    done = subprocess.run(
        [sys.executable, "run.py", str(there / "config.json")],
        cwd=TOOLKIT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout.decode(), done.returncode


@asynccontextmanager
async def a_hub(folder: Path, *, licensed: bool) -> AsyncIterator[HfHub]:
    """Our client of a hub in small, with a token that may read gated bases, or may not."""
    dice = random.Random(7)  # a world of its own
    hub = Hub(folder=folder, speed=1000, clock=wall, dice=dice, scale=TINY)
    hub.add_token("hf_good", "ann", gated=licensed)
    client = HfHub(await hub.start(), "hf_good", pace=Pace(1 / 1000))
    try:
        yield client
    finally:
        await client.close()
        await hub.stop()


@each_base
def test_what_the_hub_lists_of_a_base_trains_it_and_the_weights_load(tmp_path: Path, row: Base) -> None:
    async def life() -> tuple[str, Proof]:
        async with a_hub(tmp_path / "hub", licensed=True) as hub:
            await laid(hub, row, tmp_path / "home")
        said, code = await asyncio.to_thread(trained, row, tmp_path / "home")
        assert code == 0, said
        weights = tmp_path / "home" / box.folder(JOB) / "out" / JOB / f"{JOB}.safetensors"
        wanted = Demand(
            modules=row.modules, prefix=row.prefix, rank=RECIPE.rank, dtype="BF16", halves=row.halves,
            alpha=RECIPE.rank if row.alpha else None, metadata={"format": "pt"},
        )  # fmt: skip
        return said, await ChildWorkshop(tmp_path).prove(weights, wanted, tmp_path / "proved.safetensors")

    said, proof = asyncio.run(life())
    readings = read(said.encode())
    assert judge(readings, 0).verdict == "success"
    assert Saved(f"{JOB}.safetensors") in readings
    assert told(said) == told(PRINTED[row.id] + NETWORK), "the real one's words, in its order"
    loading = phases(PRINTED[row.id])
    assert [name for name, _ in groupby(r.name for r in readings if isinstance(r, Phase))] == [*loading, *AFTERWARDS]
    assert re.findall("(?:Unl|L)oading assistant lora", said.partition(f"{JOB}.safetensors")[2]) == aside(row)
    assert proof.step == RECIPE.steps
    assert abs(proof.size - row.lora_bytes(RECIPE.rank)) < 30 * 3 * len(row.modules)


@pytest.mark.parametrize("row", [row for row in BASES.values() if row.gated], ids=lambda row: row.id)
def test_a_gated_base_is_listed_for_everybody_and_given_to_who_accepted_its_licence(tmp_path: Path, row: Base) -> None:
    async def life() -> None:
        async with a_hub(tmp_path / "hub", licensed=False) as hub:
            with pytest.raises(OperatorFault, match="hub-gated"):
                await hub.files(row)

    asyncio.run(life())


def test_a_base_that_nothing_is_quantized_of_dies_while_it_is_loaded_where_memory_is_full(tmp_path: Path) -> None:
    async def life() -> None:
        async with a_hub(tmp_path / "hub", licensed=True) as hub:
            await laid(hub, BASES["sdxl"], tmp_path / "home")

    asyncio.run(life())
    said, code = trained(BASES["sdxl"], tmp_path / "home", "rc-137")
    assert (code, judge(read(said.encode()), code).cause) == (-signal.SIGKILL, "host_ram")
    assert [reading for reading in read(said.encode()) if isinstance(reading, Phase)] == [Phase("loading")]
