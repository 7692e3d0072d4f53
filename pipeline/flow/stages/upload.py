"""UPLOAD: the word to start fetching the base, then pictures and config, each whole by sha256."""

from dataclasses import replace
from pathlib import Path

from pipeline.domain.faults import HostFault
from pipeline.domain.job import Job
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import at_host, machine_of
from pipeline.ports import Host, RemoteFile
from pipeline.trainers import aitoolkit, box
from pipeline.trainers.bases import base


async def play(job: Job, kit: Kit) -> Job:
    """Safe to replay: what is whole on the box is not sent again."""
    machine, row = machine_of(job), base(job.recipe.base)
    if job.pack is None:
        raise HostFault("pack-missing")
    here, there = kit.spool.job(job.id), box.folder(job.id)
    async with at_host(job, kit) as host:
        await kit.note("sending")
        await start_fetch(job, kit, host)
        config = aitoolkit.config(
            job.id, job.recipe, row, machine.home, vram_mb=machine.vram_mb, captions=job.manifest.captions
        )
        await host.put(kit.spool.path(job.pack.file), f"{there}/pack.tar")
        await host.put(kit.spool.write(here / "config.json", config), f"{there}/config.json")
        for command in (box.unpack(job.id), aitoolkit.ready(job.id)):
            answer = await host.run(command)
            if answer.code:
                raise HostFault("box-command-failed", command=command.name, rc=answer.code)
    return replace(job, machine=replace(machine, loaded_gb=machine.loaded_gb + job.pack.size / 1e9))


async def start_fetch(job: Job, kit: Kit, host: Host) -> None:
    """Send the list of signed links (0600), and the small files, sent from here; then the word to go."""
    here, there = kit.spool.job(job.id), box.folder(job.id)
    lines: list[str] = []
    for file in await kit.hub.files(base(job.recipe.base)):
        url = await kit.hub.sign(file)
        if url:
            lines.append(box.fetch_line(url, file.path, file.size, file.sha256))
        else:
            await host.put(await _small(kit, file, here), f"{there}/base/{box.plain(file.path)}")
    await host.put(kit.spool.write(here / "fetch.tsv", "".join(lines)), f"{there}/fetch.tsv")
    kit.spool.write(here / "fetch.tsv", "")  # links are bearer secrets: none stays at home either
    answer = await host.run(box.fetch(job.id))
    if answer.code:
        raise HostFault("box-command-failed", command="fetch", rc=answer.code)


async def _small(kit: Kit, file: RemoteFile, here: Path) -> Path:
    local = here / f"small-{box.plain(file.path).replace('/', '--')}"
    await kit.hub.download(file, local)
    return local
