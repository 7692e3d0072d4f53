"""UPLOAD: the word to start fetching the base, then pictures, config, and a checkpoint to go on from if there is one.

Each is whole by sha256.
"""

from dataclasses import replace
from pathlib import Path

import structlog

from pipeline.domain.checkpoint import Checkpoint, newest
from pipeline.domain.faults import HostFault
from pipeline.domain.job import Job
from pipeline.flow.kit import Kit
from pipeline.flow.mirror import WEIGHTS
from pipeline.flow.stages.common import at_host, lease_of, machine_of
from pipeline.ports import Host, RemoteFile
from pipeline.trainers import aitoolkit, box, fetching, saves
from pipeline.trainers.bases import base

log = structlog.get_logger()


async def play(job: Job, kit: Kit) -> Job:
    """Safe to replay: what is whole on the box is not sent again."""
    machine, row = machine_of(job), base(job.recipe.base)
    if job.pack is None:
        raise HostFault("pack-missing")
    here, there = kit.spool.job(job.id), box.folder(job.id)
    async with at_host(job, kit) as host:
        await kit.note("sending")
        if kit.house.host_token:
            await _trust(kit, host, job)
        else:
            await start_fetch(job, kit, host)
        config = aitoolkit.config(
            job.id, job.recipe, row, machine.home, vram_mb=machine.vram_mb, captions=job.taught.captions,
            lower=job.lower, at_hub=bool(kit.house.host_token),
        )  # fmt: skip
        await host.put(kit.spool.path(job.pack.file), f"{there}/pack.tar")
        await host.put(kit.spool.write(here / "config.json", config), f"{there}/config.json")
        crashed = [aitoolkit.again(job.id, machine.retried)] if machine.retried else []
        for command in (box.unpack(job.id), aitoolkit.ready(job.id), *crashed):
            answer = await host.run(command)
            if answer.code:
                raise HostFault("box-command-failed", command=command.name, rc=answer.code)
        if crashed:  # all is there already, and what it saved since
            return job
        laid = await _laid(job, kit, host)
    sent = job.pack.size + (laid.size if laid else 0)
    loaded = machine.loaded_gb + sent / 1e9
    return replace(job, machine=replace(machine, loaded_gb=loaded, laid=laid.step if laid else 0))


async def _laid(job: Job, kit: Kit, host: Host) -> Checkpoint | None:
    """Lay exactly one checkpoint down, the newest at home, where the trainer goes on from it. None: there is none."""
    sets, there = kit.spool.sets(job.id), f"{box.folder(job.id)}/{saves.STAGED}"
    last = newest(tuple(each for each in job.mirror if (sets / each.sha256 / WEIGHTS).exists()))
    if last is None:
        return None
    state = await _safe_state(job, kit, sets / last.sha256) if last.optimizer else None
    await host.put(sets / last.sha256 / WEIGHTS, f"{there}/{WEIGHTS}")
    if state is not None:
        await host.put(state, f"{there}/{saves.OPTIMIZER}")
    answer = await host.run(saves.lay(job.id, last.step, optimizer=state is not None))
    if answer.code or box.numbers(answer.out).get("laid") != last.step:
        raise HostFault("box-command-failed", command="lay", rc=answer.code)
    return last


async def _safe_state(job: Job, kit: Kit, folder: Path) -> Path | None:
    """The optimizer's state, looked at and written anew; None where it is not to be trusted: weights alone resume."""
    try:
        await kit.workshop.optimizer(folder / saves.OPTIMIZER, folder / "laid.pt")
    except HostFault as fault:
        log.warning("optimizer-dropped", job=job.id, **fault.facts)
        return None
    return folder / "laid.pt"


async def _trust(kit: Kit, host: Host, job: Job) -> None:
    """Give the box the one token a box may have: a file, sourced by the trainer's start. It does not stay at home."""
    at = kit.spool.job(job.id) / aitoolkit.TRUST
    try:
        await host.put(
            kit.spool.write(at, aitoolkit.trusted(kit.house.host_token, kit.house.hub)),
            f"{box.folder(job.id)}/{aitoolkit.TRUST}",
        )
    finally:
        kit.spool.write(at, "")


async def start_fetch(job: Job, kit: Kit, host: Host) -> None:
    """Say what the base is made of, send the small files, and signed links of what is missing; then the word to go.

    Links expire: a round that failed is begun again with fresh ones, of the missing files only.
    """
    here, there = kit.spool.job(job.id), box.folder(job.id)
    files = await kit.hub.files(base(job.recipe.base))
    places = [where(job, file) for file in files]
    plan = "".join(fetching.planned(at, file.size, file.sha256) for at, file in zip(places, files, strict=True))
    await host.put(kit.spool.write(here / "plan.tsv", plan), f"{there}/plan.tsv")
    seen = fetching.read_fetched((await host.run(fetching.fetched(job.id, lease_of(job, kit)))).out)
    links: list[str] = []
    for number, (file, at) in enumerate(zip(files, places, strict=True), 1):
        if number in seen.whole:
            continue
        url = await kit.hub.sign(file)
        if url:
            links.append(fetching.link(number, url))
        else:
            await host.put(await _small(kit, file, here / f"small-{file.revision[:12]}-{number}"), f"{there}/{at}")
    await host.put(kit.spool.write(here / "links.tsv", "".join(links)), f"{there}/links.tsv")
    kit.spool.write(here / "links.tsv", "")  # they are bearer secrets: none stays at home either
    answer = await host.run(fetching.fetch(job.id))
    if answer.code:
        raise HostFault("box-command-failed", command="fetch", rc=answer.code)


def where(job: Job, file: RemoteFile) -> str:
    """A file's place on the box, from the job's folder."""
    return fetching.place(file.repo, file.path, file.revision, into=base(job.recipe.base).place(file.repo))


async def _small(kit: Kit, file: RemoteFile, local: Path) -> Path:
    """A file that the hub gives to our token only; brought home once."""
    if not local.exists():  # noqa: ASYNC240  # one look at our own disk
        await kit.hub.download(file, local)
    return local
