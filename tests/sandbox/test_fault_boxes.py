"""Faults of a box that a market's row does not show (facts/vast.md 10, rows 14-16, 23), met with our own SSH."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.hub import HfHub
from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Job, Machine
from pipeline.domain.recipe import Recipe
from pipeline.flow.kit import Kit
from pipeline.flow.stages import fetch
from pipeline.flow.stages.upload import start_fetch
from pipeline.ports import Host, Pace, Status
from pipeline.sandbox.hub import Hub
from pipeline.trainers import box as commands
from tests.sandbox.fault_scene import Scene, against
from tests.sandbox.market_scene import wall
from tests.support.jobs import a_job
from tests.support.world import World

UNHURRIED = 300.0  # times life: the trial of a line takes two seconds of ours whatever the world's speed

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


def silent_at_first(why: str) -> Act:
    """Nobody gets in, and the silence says why; later the machine opens."""

    async def act(_: Scene, hosts: SshHosts, machine: Machine) -> None:
        with pytest.raises(HostSilent, match=why):
            async with hosts.open(machine):
                pass
        await opened(hosts, machine)

    return act


def test_14_a_port_that_refuses_is_a_silence_until_it_is_up(tmp_path: Path) -> None:
    reached(tmp_path, silent_at_first("ssh-unreachable"), "port-refuses", seconds=600)


def test_14_a_proxy_that_refuses_does_not_hide_the_direct_port(tmp_path: Path) -> None:
    async def act(_: Scene, hosts: SshHosts, machine: Machine) -> None:
        async with hosts.open(replace(machine, endpoints=machine.endpoints[::-1])) as host:
            assert (await look(host)).home

    reached(tmp_path, act, "proxy-refuses")


def test_15_a_key_that_is_refused_at_first_is_a_silence_that_ends(tmp_path: Path) -> None:
    reached(tmp_path, silent_at_first("ssh-refused-key"), "login-refused", seconds=900)


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


@asynccontextmanager
async def fetching(scene: Scene, hosts: SshHosts, machine: Machine, folder: Path) -> AsyncIterator[tuple[Job, Kit]]:
    """A job that has this machine and wants a base of few files, of a hub that gives them at the world's pace."""
    hub = Hub(folder=folder / "hub", speed=UNHURRIED, clock=wall, dice=random.Random(7))  # a world of its own
    hub.add_token("hf_good", "ann")
    ours = HfHub(await hub.start(), "hf_good", pace=Pace(1 / UNHURRIED))
    job = a_job(machine=machine, recipe=Recipe(trigger="tok", base="flux2-klein-4b"))
    kit = replace(
        World(root=folder / "home").kit(job), clock=SystemClock(), hosts=hosts, hub=ours, provider=scene.vast,
        pace=Pace(1 / UNHURRIED),
    )  # fmt: skip
    try:
        yield job, kit
    finally:
        await ours.close()
        await hub.stop()


def test_23_a_box_far_under_its_claim_is_given_back_before_anything_else_is_paid(tmp_path: Path) -> None:
    """The first half minute of FETCH is the trial of the line; what is slow is the box's own curl."""

    async def act(scene: Scene) -> None:
        scene.market._floor._image_gb = 0.5
        scene.arm("slow-line")
        hosts = SshHosts(tmp_path / "id_ed25519")
        await scene.vast.admit_key(hosts.public_key)
        machine = await located(scene, await scene.rent(down=(300, 1500)))
        async with fetching(scene, hosts, machine, tmp_path) as (job, kit):
            async with hosts.open(machine) as host:
                await start_fetch(job, kit, host)
            with pytest.raises(HostFault, match="fetch-slow") as slow:
                await fetch.play(job, kit)
        assert int(slow.value.facts["got"]) < fetch.NEARLY * int(slow.value.facts["total"])

    against(tmp_path / "world", act, speed=UNHURRIED)


@pytest.mark.parametrize(("fault", "row"), [("vanishes-running", Status.RUNNING), ("vanishes-exited", Status.BROKEN)])
def test_16_a_box_that_vanishes_in_the_middle_of_a_training_is_a_silence_whatever_its_row_says(
    tmp_path: Path, fault: str, row: Status
) -> None:
    async def act(scene: Scene, hosts: SshHosts, machine: Machine) -> None:
        box = scene.market.rentals[int(machine.instance)].box
        async with hosts.open(machine) as host:
            await look(host)
            with pytest.raises(HostSilent):
                await train_half(host)
        assert box.halfway.exists()
        await scene.seen(machine.instance, row)
        with pytest.raises(HostSilent):
            await opened_once(hosts, machine)

    reached(tmp_path, act, fault)


async def train_half(host: Host) -> None:
    """Tell what the trainer tells its machine's owner, and look for ever."""
    half = "import os, pathlib; pathlib.Path(os.environ['SANDBOX_HALFWAY']).touch()"
    await host.run(commands.Command("half", f'python -c "{half}"'))
    while True:
        await look(host)


async def opened_once(hosts: SshHosts, machine: Machine) -> None:
    async with hosts.open(machine) as host:
        await look(host)


async def opened(hosts: SshHosts, machine: Machine) -> None:
    """Knock until it opens, as WAIT does; the test's own time limit ends a wait in vain."""
    while True:
        try:
            return await opened_once(hosts, machine)
        except HostSilent:
            await asyncio.sleep(0.02)
