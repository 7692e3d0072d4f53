"""Faults of a box that a market's row does not show (facts/vast.md 10, rows 14-16, 23), met with our own SSH."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Machine
from pipeline.ports import Host
from pipeline.trainers import box as commands
from tests.sandbox.fault_scene import Scene, against

Act = Callable[[Scene, SshHosts, Machine], Awaitable[None]]


def reached(folder: Path, act: Act, fault: str, seconds: float | None = None) -> None:
    """A rental that has this fault, as soon as its ports are known; our key is on the account and attached."""

    async def play(scene: Scene) -> None:
        hosts = SshHosts(folder / "id_ed25519")
        await scene.vast.admit_key(hosts.public_key)
        scene.arm(fault, seconds=seconds)
        machine = await scene.rent()
        await scene.vast.attach_key(machine.instance, hosts.public_key)
        await act(scene, hosts, await located(scene, machine))

    against(folder / "world", play)


async def located(scene: Scene, machine: Machine) -> Machine:
    sight = await scene.until(machine.instance, lambda sight: sight is not None and len(sight.endpoints) == 2)
    assert sight is not None
    return replace(machine, endpoints=sight.endpoints)


async def look(host: Host) -> commands.BoxFacts:
    return commands.read_look((await host.run(commands.look("toolkit"))).out)


def test_14_a_direct_port_that_swallows_everything_is_gone_around_by_the_proxy(tmp_path: Path) -> None:
    async def act(_: Scene, hosts: SshHosts, machine: Machine) -> None:
        direct, proxy = machine.endpoints
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.open_connection(direct.host, direct.port)
        async with hosts.open(replace(machine, endpoints=(proxy,))) as host:
            assert (await look(host)).home

    reached(tmp_path, act, "port-black-hole")


def test_14_a_port_that_refuses_is_a_silence_until_it_is_up(tmp_path: Path) -> None:
    async def act(scene: Scene, hosts: SshHosts, machine: Machine) -> None:
        with pytest.raises(HostSilent, match="ssh-unreachable"):
            async with hosts.open(machine):
                pass
        await opened(hosts, machine)

    reached(tmp_path, act, "port-refuses", seconds=600)


def test_14_a_proxy_that_refuses_does_not_hide_the_direct_port(tmp_path: Path) -> None:
    async def act(_: Scene, hosts: SshHosts, machine: Machine) -> None:
        async with hosts.open(replace(machine, endpoints=machine.endpoints[::-1])) as host:
            assert (await look(host)).home

    reached(tmp_path, act, "proxy-refuses")


def test_15_a_key_that_is_refused_at_first_is_a_silence_that_ends(tmp_path: Path) -> None:
    async def act(scene: Scene, hosts: SshHosts, machine: Machine) -> None:
        with pytest.raises(HostSilent, match="ssh-refused-key"):
            async with hosts.open(machine):
                pass
        await opened(hosts, machine)

    reached(tmp_path, act, "login-refused", seconds=900)


def test_15_a_key_that_was_wiped_opens_again_once_it_is_attached_again(tmp_path: Path) -> None:
    async def act(scene: Scene, hosts: SshHosts, machine: Machine) -> None:
        direct = replace(machine, endpoints=machine.endpoints[:1])
        rental = scene.market.rentals[int(machine.instance)]
        while rental.keys.all():  # noqa: ASYNC110  # the market tells nobody
            await asyncio.sleep(0.005)
        with pytest.raises(HostSilent, match="ssh-refused-key"):
            async with hosts.open(direct):
                pass
        await scene.vast.attach_key(machine.instance, hosts.public_key)
        await opened(hosts, direct)

    reached(tmp_path, act, "login-wiped", seconds=600)


def test_16_a_box_that_moved_runs_on_and_shows_the_same_host_key(tmp_path: Path) -> None:
    async def act(scene: Scene, hosts: SshHosts, machine: Machine) -> None:
        async with hosts.open(machine) as host:
            pinned = replace(machine, host_key=host.host_key)
        box = scene.market.rentals[int(machine.instance)].box
        while box.port == machine.endpoints[0].port:  # noqa: ASYNC110  # the market tells nobody
            await asyncio.sleep(0.005)
        moved = await located(scene, pinned)
        assert not set(moved.endpoints) & set(machine.endpoints)
        await opened(hosts, moved)

    reached(tmp_path, act, "host-moves", seconds=900)


def test_16_another_host_key_is_another_machine(tmp_path: Path) -> None:
    async def act(scene: Scene, hosts: SshHosts, machine: Machine) -> None:
        async with hosts.open(machine) as host:
            pinned = replace(machine, host_key=host.host_key)
        box = scene.market.rentals[int(machine.instance)].box
        while box.host_key == pinned.host_key:  # noqa: ASYNC110  # the market tells nobody
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # the doors open again
        with pytest.raises(HostFault, match="host-key-changed"):
            await opened(hosts, pinned)

    reached(tmp_path, act, "host-key-changed", seconds=900)


@pytest.mark.parametrize("fault", ["gpu-lies", "disk-short"])
def test_23_what_the_row_hides_the_box_shows(tmp_path: Path, fault: str) -> None:
    async def act(_: Scene, hosts: SshHosts, machine: Machine) -> None:
        async with hosts.open(machine) as host:
            facts = await look(host)
        assert commands.same_gpu(machine.gpu, facts.gpu) is (fault == "disk-short")
        assert (facts.disk_gb < 100) is (fault == "disk-short")

    reached(tmp_path, act, fault)


async def opened(hosts: SshHosts, machine: Machine) -> None:
    """Knock until it opens, as WAIT does; the test's own time limit ends a wait in vain."""
    while True:
        try:
            async with hosts.open(machine) as host:
                await look(host)
                return
        except HostSilent:
            await asyncio.sleep(0.02)
