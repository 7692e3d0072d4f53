"""FETCH: watch the box download the base model; give a box that cannot do it back early."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.domain.faults import HostFault
from pipeline.domain.job import Job
from pipeline.domain.progress import Progress
from pipeline.domain.speeds import EFFICIENCY
from pipeline.flow.history import learn
from pipeline.flow.kit import Kit
from pipeline.flow.stages.common import at_host, awake, lease_of, machine_of, pause
from pipeline.flow.stages.upload import start_fetch
from pipeline.ports import Host
from pipeline.trainers import fetching
from pipeline.trainers.bases import base

EVERY = 5.0  # seconds between two looks
ROUNDS = 3  # lists signed anew: links expire, files fail
STALLED = 180.0  # seconds without a byte
PATIENCE = 4.0  # times the time the quote gave it: below a quarter of the assumed speed a box is given back
TRIAL = 25.0  # seconds that measure the line, before anything more is paid
OWN_SLOWNESS = 2.0  # real seconds: processes of a box do not get faster with the sandbox
NEARLY = 0.9  # of the bytes: what is left is mostly hashing
HUB_MBPS = 800.0  # more than that no host can be blamed for: it may be the hub's own limit


async def play(job: Job, kit: Kit) -> Job:
    row = base(job.recipe.base)
    if kit.house.host_token:  # the trainer downloads by itself, on the same meter
        return _loaded(job)
    sizes = [file.size for file in await kit.hub.files(row)]
    async with at_host(job, kit) as host:
        job = await awake(job, kit)
        for again in range(ROUNDS):
            if again:
                await start_fetch(job, kit, host)
            if await _watched(job, kit, host, sizes):
                return _loaded(job)
    raise HostFault("fetch-failed")


def _loaded(job: Job) -> Job:
    machine = machine_of(job)
    gb = machine.loaded_gb + base(job.recipe.base).download_gb
    return replace(job, machine=replace(machine, loaded_gb=gb))


async def _watched(job: Job, kit: Kit, host: Host, sizes: Sequence[int]) -> bool:
    """Watch one round to its end: True when every file is whole. Raises HostFault for a box far under its claim."""
    began = moved_at = kit.now()
    total, first, best = sum(sizes), -1, 0
    expected = kit.pace.seconds(_expected(job))
    while True:
        said = await host.run(fetching.fetched(job.id, lease_of(job, kit)))
        look = fetching.read_fetched(said.out)
        now, got = kit.now(), look.bytes(sizes)
        first = got if first < 0 else first  # of an earlier round, or of the time before we looked
        if got > best:
            best, moved_at = got, now
        took = (now - began).total_seconds()
        await _note(kit, best, total, best - first, took)
        if look.failed is not None:
            await _learned(job, kit, (best - first) / total, took)
            return look.failed == 0 and best == total
        if not look.alive:
            return False
        stalled = (now - moved_at).total_seconds() > kit.pace.seconds(STALLED)
        tried = took > max(OWN_SLOWNESS, kit.pace.seconds(TRIAL)) and best < NEARLY * total
        if stalled or (tried and (best - first) * expected * PATIENCE < total * took):
            await _learned(job, kit, (best - first) / total, took)
            raise HostFault("fetch-slow", got=best, total=total)
        await pause(kit, EVERY)


async def _learned(job: Job, kit: Kit, part: float, seconds: float) -> None:
    """How fast this line was, for the next quote. A look or two measured nothing."""
    if seconds > max(OWN_SLOWNESS, kit.pace.seconds(TRIAL)):
        await learn(job, kit, mbps=base(job.recipe.base).download_gb * 8000 * part / seconds)


def _expected(job: Job) -> float:
    """Seconds of life that the quote gave this download."""
    claimed = machine_of(job).down_mbps or 200.0
    return base(job.recipe.base).download_gb * 8000 / min(HUB_MBPS, EFFICIENCY * claimed)


async def _note(kit: Kit, done: int, total: int, moved: int, seconds: float) -> None:
    speed = moved / seconds if seconds > 0 and moved else None
    left = (total - done) / speed if speed else None
    await kit.journal.note(
        Progress(
            at=kit.now(), phase="fetching", done=done, total=total, unit="byte",
            bytes_per_second=speed, seconds_left=left,
        )
    )  # fmt: skip
