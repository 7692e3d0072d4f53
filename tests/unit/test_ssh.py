"""Our SSH against servers in this process: logins, host keys, commands, and one connection for all users."""

import asyncio
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.job import Endpoint, Machine
from pipeline.ports import Host
from pipeline.trainers.box import Command
from tests.support import sshd
from tests.support.sshd import READY, Process, box, fault_on, liar, machine, on, shell

hosts, home = sshd.hosts, sshd.home  # fixtures


def test_a_pair_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "id_ed25519"
    first, second = SshHosts(path).public_key, SshHosts(path).public_key
    assert first == second
    assert first == path.with_name("id_ed25519.pub").read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_command_runs_in_the_home_past_a_chatty_login(hosts: SshHosts, home: Path) -> None:
    async def work(host: Host) -> None:
        answer = await host.run(Command("x", 'pwd; echo "it\'s"; exit 3'))
        assert (answer.code, answer.out) == (3, f"{home}\nit's\n".encode())
        assert host.host_key.startswith("ssh-ed25519 AAAA")

    on(hosts, shell(home, b"Welcome to vast.ai.\r\n\x1b[2J"), work)


def test_a_script_that_hangs_is_killed_on_the_box(hosts: SshHosts, home: Path) -> None:
    async def work(host: Host) -> None:
        assert (await host.run(Command("x", "sleep 60", seconds=0.2))).code == -1

    on(hosts, shell(home), work)


@pytest.mark.parametrize("cap", [1000, 100_000])
def test_endless_output_costs_its_cap(hosts: SshHosts, home: Path, cap: int) -> None:
    async def work(host: Host) -> None:
        await host.run(Command("x", "yes", cap=cap))

    assert fault_on(hosts, shell(home), work).code == "output-too-big"


def test_half_an_answer_is_silence(hosts: SshHosts) -> None:
    async def half(process: Process) -> None:
        process.stdout.write(READY + b"rc=0")
        await process.stdout.drain()
        process.close()  # the channel ends without an exit code

    async def work(host: Host) -> None:
        await host.run(Command("x", "true"))

    error = fault_on(hosts, half, work)
    assert (type(error), error.code) == (HostSilent, "ssh-lost")


def test_a_login_that_only_talks_is_no_shell(hosts: SshHosts) -> None:
    async def talk(process: Process) -> None:
        while True:
            process.stdout.write(b"please wait " * 1000)
            await process.stdout.drain()

    async def work(host: Host) -> None:
        await host.run(Command("x", "true"))

    assert fault_on(hosts, talk, work).code == "ssh-no-shell"


def test_the_first_pair_that_answers_is_used(hosts: SshHosts, home: Path) -> None:
    async def scene() -> None:
        async with box(shell(home), hosts.public_key) as rented:
            dead = Endpoint("127.0.0.1", 1)
            async with hosts.open(replace(rented, endpoints=(dead, *rented.endpoints))) as host:
                assert (await host.run(Command("x", "true"))).code == 0

    asyncio.run(scene())


def test_nobody_there_is_silence(hosts: SshHosts) -> None:
    async def scene(rented: Machine) -> None:
        async with hosts.open(rented):
            raise AssertionError

    for rented in (machine(), machine(Endpoint("127.0.0.1", 1))):
        with pytest.raises(HostSilent) as caught:
            asyncio.run(scene(rented))
        assert caught.value.code == "ssh-unreachable"


def test_a_box_that_does_not_know_our_key_refuses_it(hosts: SshHosts, home: Path) -> None:
    async def scene() -> None:
        async with box(shell(home), "ssh-ed25519 other") as rented, hosts.open(rented):
            raise AssertionError

    with pytest.raises(HostSilent) as caught:
        asyncio.run(scene())
    assert caught.value.code == "ssh-refused-key"


def test_a_pinned_key_is_kept_and_a_changed_one_is_a_fault(hosts: SshHosts, home: Path) -> None:
    async def scene() -> str:
        async with box(shell(home), hosts.public_key) as rented:
            async with hosts.open(rented) as host:
                pin = host.host_key
            async with hosts.open(replace(rented, host_key=pin)) as host:
                assert host.host_key == pin
        async with box(shell(home), hosts.public_key) as other, hosts.open(replace(other, host_key=pin)):
            raise AssertionError

    with pytest.raises(HostFault) as caught:
        asyncio.run(scene())
    assert caught.value.code == "host-key-changed"


FORWARDING = """
import asyncio, sys
from pathlib import Path
import asyncssh
from tests.support.sshd import Process, box
from pipeline.adapters.ssh import SshHosts
from pipeline.trainers.box import Command

async def serve(process: Process) -> None:
    agent = process.channel.get_connection().get_agent_path() if False else process.channel.get_agent_path()
    process.stdout.write(b"\\nts-ready\\n" + repr((dict(process.channel.get_environment()), agent)).encode())
    process.exit(0)

async def scene() -> None:
    hosts = SshHosts(Path(sys.argv[1]))
    async with box(serve, hosts.public_key) as rented, hosts.open(rented) as host:
        print((await host.run(Command("x", "true"))).out.decode())

asyncio.run(scene())
"""


def test_forward_agent_and_send_env_in_home_reach_no_box(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(
        "Host *\n  ForwardAgent yes\n  SendEnv HF_TOKEN\n  SetEnv A=b\n  User nobody\n"
    )
    env = {
        "HOME": str(tmp_path),
        "HF_TOKEN": "hf_secret",
        "SSH_AUTH_SOCK": str(tmp_path / "agent"),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", FORWARDING, str(tmp_path / "key")], env=env, capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "({}, None)", done.stderr


def test_users_of_a_machine_share_one_connection_that_ends_with_the_last_of_them(hosts: SshHosts, home: Path) -> None:
    logins: list[str] = []

    async def scene() -> None:
        async with box(shell(home), hosts.public_key, logins) as rented:
            async with hosts.open(rented) as first:
                async with hosts.open(rented) as second:
                    assert (await second.run(Command("x", "true"))).code == 0
                assert (await first.run(Command("x", "true"))).code == 0
            once = len(logins)
            async with hosts.open(rented) as later:
                assert (await later.run(Command("x", "true"))).code == 0
            assert len(logins) == 2 * once

    asyncio.run(scene())


def test_a_second_user_who_knows_another_host_key_is_told(hosts: SshHosts, home: Path) -> None:
    async def scene() -> None:
        async with box(shell(home), hosts.public_key) as rented:
            other = replace(rented, host_key="ssh-ed25519 AAAAother")
            async with hosts.open(rented), hosts.open(other):
                raise AssertionError

    with pytest.raises(HostFault) as caught:
        asyncio.run(scene())
    assert caught.value.code == "host-key-changed"


def test_a_connection_that_broke_is_made_again_by_the_next_command(hosts: SshHosts, home: Path) -> None:
    honest = shell(home)

    async def serve(process: Process) -> None:
        if "die" in (process.command or ""):
            process.channel.get_connection().abort()
        else:
            await honest(process)

    async def work(host: Host) -> None:
        with pytest.raises(HostSilent):
            await host.run(Command("x", "die"))
        assert (await host.run(Command("x", "echo back"))).out == b"back\n"

    on(hosts, serve, work)


ECHO = Command("echo", 'while IFS= read -r n; do printf "$n\\0\\n" | base64 -w0; echo; done', seconds=1)


def test_a_pump_answers_each_question_over_one_channel(hosts: SshHosts, home: Path) -> None:
    commands: list[str] = []
    honest = shell(home, b"Welcome!\r\n")

    async def serve(process: Process) -> None:
        commands.append(process.command or "")
        await honest(process)

    async def work(host: Host) -> None:
        for n in range(20):
            assert await host.ask(ECHO, n) == b"%d\0\n" % n

    on(hosts, serve, work)
    assert len(commands) == 1


def test_a_pump_that_died_is_started_again_and_asked_the_same(hosts: SshHosts, home: Path) -> None:
    once = Command("once", 'read -r n; printf "$n" | base64 -w0; echo; sleep 0.05', seconds=1)

    async def work(host: Host) -> None:
        assert await host.ask(once, 7) == b"7"
        await asyncio.sleep(0.2)
        assert await host.ask(once, 8) == b"8"

    on(hosts, shell(home), work)


@pytest.mark.parametrize(("says", "code"), [(b"A" * 65536, "output-too-big"), (b"%%%\n", "box-unreadable")])
def test_a_pump_that_floods_or_lies_is_the_hosts_fault(hosts: SshHosts, says: bytes, code: str) -> None:
    async def work(host: Host) -> None:
        await host.ask(Command("bad", "true", seconds=1, cap=100_000), 1)

    error = fault_on(hosts, liar(claims=b"", floods=says), work)
    assert (type(error), error.code) == (HostFault, code)
