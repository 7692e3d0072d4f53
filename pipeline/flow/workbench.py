"""An operator's machine: taken under a lease, waited for, proved ours, furnished. A job's stages, by hand."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.ids import JobId, spell
from pipeline.domain.job import Machine
from pipeline.domain.quote import Need, Offer
from pipeline.flow.leases import Lease, Leases
from pipeline.ports import Clock, Host, Hosts, House, Pace, Provider, Sight, Status
from pipeline.trainers import box
from pipeline.trainers import lease as deadman
from pipeline.trainers.box import Command

BOOT: Final = 900.0  # seconds a machine may take to answer, unless the settings say otherwise
EVERY: Final = 5.0  # seconds between two looks
LOOK: Final = 20.0  # of the watchman on the box
LEAST: Final = 20.0  # real seconds its end lies after the lease's: ours comes first

Tell = Callable[[str], None]  # a phase, in a word: "renting", "booting", "connecting", "proving"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    leases: Leases
    provider: Provider
    hosts: Hosts
    house: House
    clock: Clock
    pace: Pace
    dice: random.Random
    tell: Tell

    async def take(self, offers: list[Offer], need: Need, life: timedelta, tries: int) -> Lease:
        """A machine that answers and is proved ours; a host that fails costs one of `tries`, and goes back.

        Whatever is raised, and whenever this is cancelled, what was rented is given back.
        """
        left = list(offers)
        for _ in range(min(tries, len(offers)) - 1):
            try:
                return await self._one(left, need, life)
            except HostFault as fault:
                self.tell("next")
                tried = fault.facts.get("machine")
                left = [offer for offer in left[1:] if offer.machine != tried]
                if not left:
                    raise
        return await self._one(left, need, life)

    async def _one(self, offers: list[Offer], need: Need, life: timedelta) -> Lease:
        self.tell("renting")
        await self.provider.admit_key(self.hosts.public_key)
        lease = await self.leases.begin(JobId(spell(self.dice.getrandbits(60), 12)), life)
        try:
            lease = await self.leases.rent(lease, offers, need, deadman.onstart(self._ends(lease)))
            return await self.up(lease)
        except BaseException as error:
            stored = await self.leases.get(lease.id)
            await self.leases.give_back(stored or lease)
            if isinstance(error, HostFault) and stored is not None and stored.machine is not None:
                raise HostFault(error.code, **{**error.facts, "machine": stored.machine.machine}) from None
            raise

    def _ends(self, lease: Lease) -> deadman.Lease:
        """The box ends itself a moment after us: when nobody of ours is left to do it."""
        seconds = (lease.until - self.clock.now()).total_seconds() + LEAST
        return deadman.Lease(lapses=seconds, ends=seconds, every=max(0.5, self.pace.seconds(LOOK)))

    async def up(self, lease: Lease) -> Lease:
        """Wait until it answers and is proved. Raises HostFault when it never does, or is somebody else's."""
        assert lease.machine is not None
        with suppress(HostFault):  # a rental that is not listed yet takes no key; the account's key is in it anyway
            await self.provider.attach_key(lease.machine.instance, self.hosts.public_key)
        patience = BOOT if self.house.ssh_timeout_min is None else 60 * self.house.ssh_timeout_min
        end = self.clock.now() + self.pace.delta(seconds=patience)
        while True:
            try:
                machine = await self._look(lease.machine)
                return await self.leases.save(replace(lease, machine=await self._proved(machine)))
            except HostSilent as silence:
                if self.clock.now() > end:
                    raise HostFault(silence.code, **silence.facts) from None
            await asyncio.sleep(self.pace.seconds(EVERY))

    async def _look(self, machine: Machine) -> Machine:
        sight = await self.provider.look(machine.instance)
        if sight is not None and sight.status is Status.BROKEN:
            raise HostFault("boot-failed", said=sight.said)
        if sight is None or sight.status is not Status.RUNNING or not sight.endpoints:
            self.tell("booting")
            raise HostSilent("booting")
        return _seen(machine, sight, self.clock)

    async def _proved(self, machine: Machine) -> Machine:
        """Its own key, behind the host key that we see; then what it is."""
        self.tell("connecting")
        nonce = f"{self.dice.getrandbits(128):032x}"
        async with self.hosts.open(machine) as host:
            said = await host.run(deadman.prove(nonce))
            if said.code == deadman.NO_KEY:
                raise HostSilent("box-not-ready")
            if not deadman.proven(said.out, nonce, host.host_key, machine.key):
                raise HostFault("box-unproved")
            facts = box.read_look((await host.run(box.look(self.house.toolkit))).out)
            return replace(machine, host_key=host.host_key, home=facts.home, vram_mb=facts.vram_mb)

    async def furnish(self, lease: Lease, files: dict[str, Path], commands: list[Command]) -> None:
        """Lay `files` (name -> ours) into the lease's folder on the box, 0600 each; then run `commands`."""
        assert lease.machine is not None
        async with self.hosts.open(lease.machine) as host:
            await _run(host, Command("folder", f"umask 077; mkdir -p {box.folder(lease.id)}/out"))
            for name, local in files.items():
                await host.put(local, f"{box.folder(lease.id)}/{name}")
            for command in commands:
                await _run(host, command)


async def _run(host: Host, command: Command) -> None:
    answer = await host.run(command)
    if answer.code:
        raise HostFault("box-command-failed", command=command.name, rc=answer.code)


def _seen(machine: Machine, sight: Sight, clock: Clock) -> Machine:
    return replace(machine, endpoints=sight.endpoints, running_since=machine.running_since or clock.now())
