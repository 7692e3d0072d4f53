"""The small world, where the market and its hosts lie: by the rental's ordinal, or so many times in a row."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path

from pipeline.domain.faults import HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, Sha256
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.domain.quote import Need, Offer
from pipeline.ports import Answer, RentOrder, Sight, Status
from pipeline.trainers.box import Command
from tests.support.box import Box, Rented
from tests.support.world import World

HOUR = timedelta(hours=1)
AWAY = timedelta(minutes=2)  # until what comes back by itself is back


class Plot(Enum):
    """What befalls a rental, `after` some seconds of running."""

    EXITED = auto()
    OFFLINE = auto()
    UNKNOWN = auto()  # the market lost sight of it, the box runs on
    OUTBID = auto()
    RESUMED = auto()  # outbid, and back by itself with nothing running in it
    EXPIRED = auto()
    BROKE = auto()  # the account's credit is gone: everything stops
    MOVES = auto()  # offline, and back at another address with its training still running
    WIPED = auto()  # our key opens no more until it is attached again
    REKEYED = auto()  # another host key, and a box that knows nothing
    # from the first moment on:
    STUCK = auto()
    PULL_ERROR = auto()
    NO_PORTS = auto()
    BLACK_HOLE = auto()
    OTHER_GPU = auto()
    SHORT_DISK = auto()
    KEYLESS = auto()  # its create reply holds no key of its own
    HIDDEN = auto()  # nobody sees it for `after` seconds
    UNLISTED = auto()  # gone from list and look for an hour, though it lives and bills


BROKEN = {Plot.EXITED, Plot.OFFLINE, Plot.UNKNOWN, Plot.OUTBID, Plot.EXPIRED, Plot.BROKE}
SILENT = BROKEN - {Plot.UNKNOWN} | {Plot.BLACK_HOLE}
PASSING = {Plot.RESUMED, Plot.MOVES}


@dataclass
class LyingWorld(World):
    plots: Mapping[int, Plot] = field(default_factory=dict)  # by the rental's ordinal, from 1
    after: float = 400.0  # in the middle of a training
    made_504: int = 0  # so many further rentals happen, their replies do not come
    refused_504: int = 0  # so many creates are lost before anything happened
    stopped_creates: int = 0  # so many creates are refused, and leave a stopped rental
    destroy_applied: int = 0  # so many destroys are done, and answered by 500
    destroy_undone: int = 0  # so many destroys are confirmed; a while later the rental is back
    lingers: float = 0.0  # seconds for which a destroyed row is still shown
    blind_looks: int = 0  # so many looks by id get no answer
    wiped: set[InstanceId] = field(default_factory=set)  # rentals whose key was wiped and attached again
    meant: Counter[str] = field(default_factory=Counter)  # label -> creates that were not clearly refused
    resumed: set[InstanceId] = field(default_factory=set)
    undone: dict[InstanceId, datetime] = field(default_factory=dict)

    # --- what is true

    def plot(self, rented: Rented) -> Plot | None:
        return self.plots.get(self.rentals.index(rented) + 1)

    def ran(self, rented: Rented) -> timedelta:
        """How long past the turn of its plot; negative before."""
        return self.clock.now() - rented.since - timedelta(seconds=self.boot_seconds + self.after)

    def struck(self, rented: Rented) -> bool:
        return self.ran(rented) > timedelta()

    def back(self, rented: Rented) -> bool:
        return self.plot(rented) in PASSING and self.ran(rented) > AWAY

    def silent(self, rented: Rented) -> bool:
        """Nobody can talk to it now."""
        plot = self.plot(rented)
        if plot is Plot.BLACK_HOLE:
            return True
        return self.struck(rented) and (plot in SILENT or (plot in PASSING and not self.back(rented)))

    def ways(self, rented: Rented) -> tuple[Endpoint, ...]:
        moved = self.plot(rented) is Plot.MOVES and self.back(rented)
        return (Endpoint("192.0.2.2", 23) if moved else Endpoint("192.0.2.1", 22),)

    def hidden(self, rented: Rented) -> bool:
        plot, now = self.plot(rented), self.clock.now()
        young = now - rented.since < timedelta(seconds=self.after)
        return (
            (plot is Plot.HIDDEN and young)
            or (plot is Plot.UNLISTED and timedelta() < self.ran(rented) < HOUR)
            or self.undone.get(rented.instance, now) > now
        )

    # --- what is told

    async def owned(self) -> list[Sight]:
        hidden = {rented.instance for rented in self.alive if self.hidden(rented)}
        return [*(sight for sight in await super().owned() if sight.instance not in hidden), *self._lingering()]

    async def look(self, instance: InstanceId) -> Sight | None:
        if self.blind_looks:
            self.blind_looks -= 1
            raise OperatorFault("market-down")
        shown = [*await self._shown(), *self._lingering()]
        return next((sight for sight in shown if sight.instance == instance), None)

    async def _shown(self) -> list[Sight]:
        return [self._sight(rented) for rented in self.alive if not self.hidden(rented)]

    def _lingering(self) -> list[Sight]:
        recent = self.clock.now() - timedelta(seconds=self.lingers)
        gone = [rented for rented in self.rentals if rented.destroyed is not None and rented.destroyed > recent]
        return [replace(self._sight(rented), status=Status.BROKEN, endpoints=()) for rented in gone]

    def _sight(self, rented: Rented) -> Sight:
        sight, plot = super()._sight(rented), self.plot(rented)
        match plot:
            case Plot.STUCK:
                return replace(sight, status=Status.BOOTING, endpoints=())
            case Plot.PULL_ERROR:
                return replace(sight, status=Status.BROKEN, endpoints=(), said="manifest unknown")
            case Plot.NO_PORTS:
                return replace(sight, endpoints=())
        if sight.status is not Status.RUNNING:
            return sight
        away = plot in PASSING and not self.back(rented)
        if self.struck(rented) and (plot in BROKEN or away):
            return replace(sight, status=Status.BROKEN, endpoints=())
        return replace(sight, endpoints=self.ways(rented))

    # --- what is done

    async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        try:
            machine = await self._rent(offer, order, need, now)
        except HostSilent:
            self.meant[order.label] += 1  # it may have happened
            raise
        self.meant[order.label] += 1
        return machine

    async def _rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        if await self.credit() <= 0:
            raise OperatorFault("market-credit")
        if self.refused_504:
            self.refused_504 -= 1
            raise HostSilent("rent-unanswered")
        machine = await super().rent(offer, order, need, now)
        if self.made_504:
            self.made_504 -= 1
            raise HostSilent("rent-unanswered")
        if self.stopped_creates:  # the adapter undoes it before it says so
            self.stopped_creates -= 1
            self.rentals[-1].destroyed = now
            raise HostFault("offer-gone")
        keyless = self.plot(self.rentals[-1]) is Plot.KEYLESS
        return replace(machine, key="") if keyless else machine

    async def destroy(self, instance: InstanceId) -> None:
        if self.destroy_undone and not self.refuse_destroy:
            self.destroy_undone -= 1
            self.undone[instance] = self.clock.now() + timedelta(seconds=60)
            return
        await super().destroy(instance)
        if self.destroy_applied:
            self.destroy_applied -= 1
            raise OperatorFault("market-down")

    async def credit(self) -> MicroUsd:
        gone = any(self.plot(rented) is Plot.BROKE and self.struck(rented) for rented in self.rentals)
        return MicroUsd(0) if gone else await super().credit()

    async def attach_key(self, instance: InstanceId, public_key: str) -> None:
        rented = next((one for one in self.alive if one.instance == instance), None)
        if rented is not None and self.struck(rented):
            self.wiped.add(instance)

    # --- boxes

    @asynccontextmanager
    async def open(self, machine: Machine) -> AsyncIterator[Box]:
        rented = next((one for one in self.alive if one.instance == machine.instance), None)
        if rented is not None:
            self.reach(rented, machine)
            if self.plot(rented) is Plot.WIPED and self.struck(rented) and rented.instance not in self.wiped:
                raise HostSilent("ssh-refused-key")
        async with super().open(machine) as box:
            yield LyingBox(self, box.rented, machine=machine)

    def reach(self, rented: Rented, machine: Machine) -> None:
        """Raises as a line does that leads nowhere, or to somebody else."""
        if self.silent(rented) or machine.endpoints != self.ways(rented):
            raise HostSilent("ssh-unreachable")
        if self.plot(rented) is Plot.REKEYED and self.struck(rented):
            raise HostFault("host-key-changed")
        if self.plot(rented) is Plot.RESUMED and self.struck(rented) and rented.started is not None:
            if rented.instance not in self.resumed:
                rented.started = None  # the container began anew: its files are there, its trainer is not
            self.resumed.add(rented.instance)


@dataclass
class LyingBox(Box):
    machine: Machine | None = None

    async def run(self, command: Command) -> Answer:
        self._reached()
        return await super().run(command)

    async def ask(self, program: Command, *question: int) -> bytes:
        self._reached()
        return await super().ask(program, *question)

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        self._reached()
        return await super().get(remote, local, cap=cap)

    def _reached(self) -> None:
        assert isinstance(self.world, LyingWorld)
        assert self.machine is not None
        self.world.reach(self.rented, self.machine)

    def _look(self, command: Command) -> bytes:
        assert isinstance(self.world, LyingWorld)
        match self.world.plot(self.rented):
            case Plot.OTHER_GPU:
                gpu, disk = "NVIDIA GeForce RTX 3060, 12288", 200_000_000
            case Plot.SHORT_DISK:
                gpu, disk = "NVIDIA GeForce RTX 4090, 24564", 30_000_000
            case _:
                return super()._look(command)
        return f"home=/home/box\ngpu={gpu}, 580.65.06\ndisk_kb={disk}\ntoolkit=yes\n".encode()
