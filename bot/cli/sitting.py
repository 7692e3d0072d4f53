"""The session itself: what is laid on the machine, the shell at it, and the way out."""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from bot.books import Trade
from bot.cli.hiring import Asked
from bot.cli.operate import FAILED, OK, say
from notifier.words import Words
from pipeline.adapters.ssh_shell import Screen, shell
from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.dataset import Manifest
from pipeline.domain.faults import HostSilent
from pipeline.domain.ids import JobId, spell
from pipeline.domain.job import Pack
from pipeline.domain.recipe import Recipe
from pipeline.flow.leases import Lease
from pipeline.flow.spool import Spool
from pipeline.flow.workbench import Workbench
from pipeline.settings import inherited
from pipeline.trainers import aitoolkit, box
from pipeline.trainers.bases import base
from pipeline.trainers.box import Command

BREAKS: Final = 3  # lines that may break before we give up


@dataclass(frozen=True, slots=True)
class Luggage:
    """What goes onto the machine; folders at home of this session alone."""

    here: Path
    spool: Spool
    recipe: Recipe
    pack: Pack | None
    captions: tuple[str, ...]
    config: Path | None


async def packed(trade: Trade, dataset: Path | None, config: Path | None, trigger: str, asked: Asked) -> Luggage:
    """Pictures opened, checked, stripped and packed, as a job's are. Raises UserFault for what is no dataset."""
    recipe = Recipe(trigger=trigger, steps=asked.steps, base=asked.base)
    recipe.check()
    base(recipe.base)
    spool = Spool(trade.books.settings.data_dir.resolve() / "spool")
    here = spool.job(JobId(spell(trade.books.dice.getrandbits(60), 12)))
    if dataset is None:
        return Luggage(here, spool, recipe, None, (), config)
    workshop, pictures = ChildWorkshop(spool.root), here / "pictures"
    pictures.mkdir(mode=0o700)
    inspection = await workshop.inspect(dataset, pictures)
    for finding in inspection.findings:
        typer.echo(Words().finding(finding), err=True)
    manifest = Manifest(inspection.pictures)
    pack = await workshop.pack(manifest, pictures, here / "pack.tar")
    return Luggage(here, spool, recipe, pack, tuple(each.caption for each in manifest.pictures), config)


async def sit(
    trade: Trade, bench: Workbench, lease: Lease, luggage: Luggage, *, keep: bool, told: dict[str, Any] | None
) -> int:
    """Furnish, say how to start, give the keys to the person; then give the machine back, and read that it is gone.

    `told`: the machine's facts, when a program reads the start command instead of a person.
    """
    here = asyncio.current_task()
    assert here is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, here.cancel)  # the window was closed
    code, stays = FAILED, False
    try:
        config = await _furnished(trade, bench, lease, luggage)
        _tell_start(trade, lease, luggage, config, told)
        code = await _at_the_keys(trade, lease)
        stays = keep
    finally:
        shutil.rmtree(luggage.here, ignore_errors=True)
        if not stays and not await _returned(trade, lease):
            code = FAILED
    if stays and lease.machine is not None:
        say("ops-kept", id=lease.machine.instance, until=lease.until.strftime("%H:%M UTC"))
    return code


async def _returned(trade: Trade, lease: Lease) -> bool:
    say("ops-returning")
    gone = await trade.leases.give_back(lease)
    say("ops-returned" if gone else "ops-not-gone")
    return gone


async def _furnished(trade: Trade, bench: Workbench, lease: Lease, luggage: Luggage) -> str:
    """Pictures, config and environment laid out; the config's path on the machine."""
    assert lease.machine is not None
    bench.tell("furnishing")
    there = f"{lease.machine.home}/{box.folder(lease.id)}"
    name = f"config{luggage.config.suffix}" if luggage.config else "config.json"
    local = luggage.config or luggage.spool.write(luggage.here / name, _config(lease, luggage))
    files = {name: local, "env.sh": luggage.spool.write(luggage.here / "env.sh", _environment(trade, there, name))}
    commands: list[Command] = []
    if luggage.pack is not None:
        files["pack.tar"] = luggage.spool.path(luggage.pack.file)
        commands.append(box.unpack(lease.id))
    commands.append(aitoolkit.ready(lease.id))
    await bench.furnish(lease, files, commands)
    return f"{there}/{name}"


def _config(lease: Lease, luggage: Luggage) -> str:
    """A job's config, but with the base at the hub: a session has no stage that brings it."""
    assert lease.machine is not None
    row = base(luggage.recipe.base)
    return aitoolkit.config(
        lease.id, luggage.recipe, row, lease.machine.home,
        vram_mb=lease.machine.vram_mb, captions=luggage.captions, at_hub=True,
    )  # fmt: skip


def _environment(trade: Trade, there: str, config: str) -> str:
    """What the shell is started with. No secret of ours is in it."""
    values: Mapping[str, str] = {
        "DATASET": f"{there}/dataset", "CONFIG": f"{there}/{config}", "OUT": f"{there}/out",
        "TOOLKIT": trade.house.toolkit, "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    lines = [f"export {name}='{value}'" for name, value in values.items()]
    return "\n".join(["test -r ~/.bashrc && . ~/.bashrc", *lines, f"cd '{there}'", "PS1='trainstation:\\w\\$ '", ""])


def _tell_start(trade: Trade, lease: Lease, luggage: Luggage, config: str, told: dict[str, Any] | None) -> None:
    assert lease.machine is not None
    pictures = len(luggage.captions)
    say("ops-laid", count=pictures, folder=box.folder(lease.id), until=lease.until.strftime("%H:%M UTC"))
    if luggage.config is None:
        say("ops-base-at-hub", base=base(luggage.recipe.base).title)
    start = f"cd {trade.house.toolkit} && python run.py {config}"
    say("ops-start")
    sys.stdout.write(start + "\n" if told is None else json.dumps({**told, "config": config, "start": start}) + "\n")
    sys.stdout.flush()


async def _at_the_keys(trade: Trade, lease: Lease) -> int:
    """The shell, until the person leaves or the lease ends; a line that breaks is picked up again."""
    assert lease.machine is not None
    env = f"{box.folder(lease.id)}/env.sh"
    screen = Screen(term=inherited(("TERM",)).get("TERM", "xterm"))
    script = f"exec bash --rcfile {env} -i" if screen.typed else f". {env}; exec bash"
    left = max(0.0, (lease.until - trade.books.clock.now()).total_seconds())
    with suppress(TimeoutError):
        async with asyncio.timeout(left):
            for _ in range(BREAKS):
                try:
                    return await shell(trade.books.settings.ssh_key, lease.machine, script, screen)
                except HostSilent:
                    say("ops-line-broke")
                    await asyncio.sleep(trade.pace.seconds(5))
            return FAILED
    say("ops-lease-over")
    return OK
