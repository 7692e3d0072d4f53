"""A whole small world in memory: market, boxes, hub, publisher, workshop. Honest fakes: they lie like the real ones.

The world outlives a process that dies in it: only the store's writes and what happened outside remain.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.domain.dataset import Inspection, Manifest, Picture
from pipeline.domain.faults import HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, JobId, Label, MachineId, OfferId, Sha256
from pipeline.domain.job import Endpoint, Job, Machine, Pack
from pipeline.domain.money import MicroUsd, Tariff, micro
from pipeline.domain.quote import Need, Offer, rate
from pipeline.flow.catalogue import Catalogue
from pipeline.flow.journal import Journal, load_job
from pipeline.flow.kit import Kit
from pipeline.flow.ledger import Ledger
from pipeline.flow.spool import Spool
from pipeline.flow.story import tell
from pipeline.ports import Demand, House, Pace, Proof, Receipt, Release, RemoteFile, RentOrder, Sight, Status, Store
from pipeline.trainers.bases import Base
from tests.support.box import ZERO, Box, Rented
from tests.support.store import MemoryStore
from tests.support.training import Run
from tests.support.virtual import VirtualClock

HOUSE = House(label_prefix="ts-test", image="ostris/aitoolkit:0.12.26", image_gb=20, toolkit="/app/ai-toolkit")


def offer(number: int, price: float = 0.3) -> Offer:
    """A sound 4090; its machine is `m<number>`."""
    return Offer(
        id=OfferId(f"o{number}"), machine=MachineId(f"m{number}"), host=f"h{number}", gpu="RTX 4090", num_gpus=1,
        gpu_frac=1.0, vram_mb=24_564, gpu_rate=micro(price), storage_rate=micro(0.15), down_mbps=2000, up_mbps=900,
        down_per_gb=micro(0.002), up_per_gb=micro(0.002), reliability=0.99, verified=True, disk_gb=500,
        direct_ports=10, driver=580_065_006, arch="amd64", region="US", seconds_left=30 * 86400,
    )  # fmt: skip


def manifest(count: int = 12) -> Manifest:
    return Manifest(
        tuple(
            Picture(sha256=Sha256(f"{n:064x}"), width=1024, height=1024, size=200_000, caption=f"picture {n}")
            for n in range(count)
        )
    )


@dataclass
class World:
    root: Path
    runs: Sequence[Run] = (Run(),)  # the n-th machine trains like the n-th of these, the last one for all further
    offers_now: list[Offer] = field(default_factory=lambda: [offer(n, 0.3 + n / 100) for n in range(1, 20)])
    boot_seconds: float = 90.0
    fetch_seconds: float = 120.0
    box: type[Box] = Box
    box_key: str = "only-for-this-box"  # what a box proves itself with; another one in the mouth of a middle man
    tflops: float = 160.0  # 0: torch sees no GPU
    dead_boots: int = 0  # so many first machines never answer
    bad_hosts: Mapping[MachineId, Status] = field(default_factory=dict)  # what these show, for ever
    lose_reply_of: int = 0  # the n-th rental happens, its answer does not come
    snatched: int = 0  # so many first asks are gone
    refuse_destroy: int = 0
    blind_for: int = 0  # so many listings fail
    blips: int = 0  # so many logins fail while training
    get_seconds: float = 0.0  # a file takes to come home
    hostile_state: bool = False  # an optimizer.pt names posix.system
    dies_at_call: int = 0  # the process dies before the n-th call to a box that trains, its polls not counted
    calls: int = 0
    publish_down: int = 0
    credit_usd: float = 25.0
    gated: bool = False
    house: House = HOUSE
    wide: Sequence[str] = ()  # tokens that may do more than a box may have
    judged: list[str] = field(default_factory=list)
    store: Store = field(default_factory=MemoryStore)
    rentals: list[Rented] = field(default_factory=list)
    creates: dict[str, int] = field(default_factory=dict)  # label -> asked for
    repos: dict[str, dict[str, Sha256]] = field(default_factory=dict)
    commits: int = 0
    last_seen: float = 0.0
    clock: VirtualClock = field(default_factory=VirtualClock)

    # --- the program under test

    def kit(self, job: Job) -> Kit:
        ledger = self.ledger()
        return Kit(
            clock=self.clock, dice=random.Random(1), pace=Pace(), store=self.store, provider=self, hosts=self, hub=self,
            publisher=Publishing(self), workshop=self, scribe=self, ledger=ledger, catalogue=Catalogue(self.store),
            spool=Spool(self.root), house=self.house, tariff=Tariff(),
            journal=Journal(self.store, self.clock, job, self.seen),
        )  # fmt: skip

    def ledger(self) -> Ledger:
        return Ledger(self.store, self.clock, random.Random(2))

    def seen(self) -> None:
        self.last_seen = asyncio.get_running_loop().time()

    async def tell(self, job: JobId) -> Job:
        """What a process does with a stored job."""
        stored = await load_job(self.store, job)
        assert stored is not None
        return await tell(stored, self.kit(stored))

    # --- what an outsider sees

    @property
    def alive(self) -> list[Rented]:
        return [rented for rented in self.rentals if rented.destroyed is None]

    # --- Provider

    name = "small"

    async def credit(self) -> MicroUsd:
        return micro(self.credit_usd)

    async def offers(self, need: Need, *, fresh: bool = False, renting: bool = False) -> list[Offer]:
        taken = {rented.machine for rented in self.alive}
        return [one for one in self.offers_now if one.machine not in taken]

    async def find(self, label: Label) -> Sight | None:
        return next((sight for sight in await self.owned() if sight.label == label), None)

    async def owned(self) -> list[Sight]:
        if self.blind_for:
            self.blind_for -= 1
            raise OperatorFault("market-down")
        return [self._sight(rented) for rented in self.alive]

    async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        if offer.machine in {rented.machine for rented in self.alive}:
            raise HostFault("offer-gone")
        self.creates[order.label] = self.creates.get(order.label, 0) + 1
        if self.snatched:
            self.snatched -= 1
            raise HostFault("offer-gone")
        number = len(self.rentals) + 1
        rented = Rented(
            instance=InstanceId(f"i{number}"), machine=offer.machine, label=order.label, since=now,
            run=self.runs[min(number, len(self.runs)) - 1],
        )  # fmt: skip
        self.rentals.append(rented)
        if number == self.lose_reply_of:
            raise HostSilent("rent-unanswered")
        return Machine(
            instance=rented.instance, machine=offer.machine, gpu=offer.gpu, vram_mb=offer.vram_mb,
            rate=rate(offer, need), down_mbps=offer.down_mbps, since=now, key="only-for-this-box",
        )  # fmt: skip

    async def look(self, instance: InstanceId) -> Sight | None:
        return next((self._sight(rented) for rented in self.alive if rented.instance == instance), None)

    async def destroy(self, instance: InstanceId) -> None:
        if self.refuse_destroy:
            self.refuse_destroy -= 1
            raise OperatorFault("market-down")
        for rented in self.alive:
            if rented.instance == instance:
                rented.destroyed = self.clock.now()

    async def charges(self, since: datetime) -> dict[InstanceId, MicroUsd]:
        now = self.clock.now()
        hours = {one.instance: ((one.destroyed or now) - one.since).total_seconds() / 3600 for one in self.rentals}
        return {instance: micro(0.3 * each) for instance, each in hours.items()}

    async def admit_key(self, public_key: str) -> None: ...

    async def attach_key(self, instance: InstanceId, public_key: str) -> None: ...

    async def close(self) -> None: ...

    def _sight(self, rented: Rented) -> Sight:
        up = self._up(rented)
        return Sight(
            instance=rented.instance, machine=rented.machine, label=rented.label, gpu="RTX 4090", vram_mb=24_564,
            status=self.bad_hosts.get(rented.machine, Status.RUNNING if up else Status.BOOTING), since=rented.since,
            rate=micro(0.3), down_mbps=2000,
            endpoints=(Endpoint("192.0.2.1", 22),) if up else (),
        )  # fmt: skip

    def _up(self, rented: Rented) -> bool:
        late = self.clock.now() - rented.since >= timedelta(seconds=self.boot_seconds)
        return late and rented.machine not in self.bad_hosts and self.rentals.index(rented) >= self.dead_boots

    # --- Hosts

    public_key = "ssh-ed25519 AAAA test"

    @asynccontextmanager
    async def open(self, machine: Machine) -> AsyncIterator[Box]:
        rented = next((one for one in self.alive if one.instance == machine.instance), None)
        if rented is None or not self._up(rented):
            raise HostSilent("ssh-unreachable")
        box = self.box(self, rented)
        box.there()
        if rented.started is not None and self.blips:
            self.blips -= 1
            raise HostSilent("ssh-unreachable")
        yield box

    # --- Hub

    async def files(self, base: Base) -> list[RemoteFile]:
        if self.gated:
            raise OperatorFault("hub-gated", repo=base.parts[0].repo)
        repo = base.parts[0].repo
        return [
            RemoteFile(repo=repo, path="transformer/model.safetensors", size=10**9, sha256=ZERO, revision="r"),
            RemoteFile(repo=repo, path="model_index.json", size=500, sha256=None, revision="r"),
        ]

    async def sign(self, file: RemoteFile) -> str:
        return "https://cdn.example/signed" if file.sha256 else ""

    async def download(self, file: RemoteFile, to: Path) -> None:
        to.write_text("{}")

    async def judge(self, token: str, base: Base) -> None:
        self.judged.append(token)
        if token in self.wide:
            raise OperatorFault("host-token-wide")

    # --- Workshop and Scribe

    async def inspect(self, source: Path, into: Path) -> Inspection:
        return Inspection(pictures=manifest().pictures)

    async def pack(self, manifest: Manifest, pictures: Path, into: Path) -> Pack:
        into.write_bytes(b"pack")
        return Pack(file=str(into.relative_to(self.root)), sha256=manifest.digest, size=4)

    async def prove(self, weights: Path, demand: Demand, into: Path) -> Proof:
        step, ups = map(int, weights.read_text().split())
        if not ups:
            raise HostFault("weights-zero")
        into.write_text(f"weights of step {step}")
        return Proof(sha256=_digest(into), size=100, step=step, ups=Sha256(f"{ups:064x}"))

    async def optimizer(self, source: Path, into: Path) -> None:
        if self.hostile_state:
            raise HostFault("optimizer-refused", why="names posix system")
        into.write_bytes(source.read_bytes())

    async def samples(self, pictures: Sequence[Path], into: Path) -> list[Path]:
        return list(pictures)

    async def sheet(self, pictures: Sequence[Path], into: Path) -> Path:
        into.write_bytes(b"sheet")
        return into

    def model_card(self, job: Job, *, weights: str, samples: Sequence[str]) -> str:
        return f"card of {weights}"


@dataclass
class Publishing:
    """The publisher: repos by name, commits counted."""

    world: World
    name: str = "small"

    async def claim(self, wanted: str) -> str:
        taken = self.world.repos.get(f"us/{wanted}")
        repo = f"us/{wanted}-2" if taken else f"us/{wanted}"
        self.world.repos.setdefault(repo, {})
        return repo

    async def publish(self, release: Release) -> Receipt:
        if self.world.publish_down:
            self.world.publish_down -= 1
            raise OperatorFault("publish-down")
        files = {name: _digest(path) for name, path in release.files.items()}
        if self.world.repos.get(release.repo) != files:
            self.world.repos[release.repo] = files
            self.world.commits += 1
        return Receipt(url=f"https://hub.example/{release.repo}", revision="r", sha256=files)

    async def withdraw(self, repo: str) -> None:
        if not self.world.repos.get(repo):
            self.world.repos.pop(repo, None)


def _digest(path: Path) -> Sha256:
    return Sha256(hashlib.sha256(path.read_bytes()).hexdigest())
