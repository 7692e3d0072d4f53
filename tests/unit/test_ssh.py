"""Our SSH against servers in this process: an honest one that runs a real shell, and liars."""

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from pipeline.adapters import ssh_files
from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import Fault, HostFault, HostSilent
from pipeline.domain.ids import InstanceId, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.ports import Host
from pipeline.trainers.box import Command

Process = asyncssh.SSHServerProcess[bytes]
Serve = Callable[[Process], Awaitable[None]]
READY = b"\nts-ready\n"


def shell(home: Path, noise: bytes = b"") -> Serve:
    """A box: commands run in `home`, through a real login shell that may be chatty."""

    async def serve(process: Process) -> None:
        process.stdout.write(noise)
        child = await asyncio.create_subprocess_exec(
            "bash", "-c", process.command or "true", cwd=home, env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert child.stdin
        assert child.stdout
        try:
            async with asyncio.TaskGroup() as group:
                typing = group.create_task(typed(process, child.stdin))
                while chunk := await child.stdout.read(65536):
                    process.stdout.write(chunk)
                    await process.stdout.drain()
                typing.cancel()
            process.exit(await child.wait())
        finally:
            await ended(child)

    return serve


async def ended(child: asyncio.subprocess.Process) -> None:
    """The command and all it started, ended: a client that hung up must not leave a pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    assert child.stdout
    while await child.stdout.read(65536):
        pass
    await child.wait()


async def typed(process: Process, into: asyncio.StreamWriter) -> None:
    """Pass a client's bytes on to its command."""
    while chunk := await process.stdin.read(65536):
        into.write(chunk)
        await into.drain()
    into.close()


def liar(*, claims: bytes, floods: bytes) -> Serve:
    """A box that claims what it likes and never stops sending."""

    async def serve(process: Process) -> None:
        process.stdout.write(READY + claims)
        while True:
            process.stdout.write(floods)
            await process.stdout.drain()

    return serve


class Door(asyncssh.SSHServer):
    def __init__(self, admitted: str, seen: list[str]) -> None:
        self.admitted = admitted
        self.seen = seen

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.seen.append(username)
        return " ".join(key.export_public_key("openssh").decode().split()[:2]) == self.admitted


@asynccontextmanager
async def box(serve: Serve, admitted: str, seen: list[str] | None = None) -> AsyncIterator[Machine]:
    async def handle(process: Process) -> None:
        try:
            await serve(process)
        except* (asyncssh.Error, OSError):
            process.channel.abort()

    server = await asyncssh.create_server(
        lambda: Door(admitted, [] if seen is None else seen), "127.0.0.1", 0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")], process_factory=handle, encoding=None,
    )  # fmt: skip
    try:
        yield machine(Endpoint("127.0.0.1", server.get_port()))
    finally:
        server.close()
        await server.wait_closed()


def machine(*endpoints: Endpoint) -> Machine:
    return Machine(
        instance=InstanceId("1"), machine=MachineId("1"), gpu="", vram_mb=0, rate=MicroUsd(0), endpoints=endpoints,
        since=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def hosts(tmp_path: Path) -> SshHosts:
    return SshHosts(tmp_path / "keys" / "id_ed25519")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def on(hosts: SshHosts, serve: Serve, work: Callable[[Host], Awaitable[None]]) -> None:
    """Do `work` on a box that `serve`s."""

    async def scene() -> None:
        async with box(serve, hosts.public_key) as rented, hosts.open(rented) as host:
            await work(host)

    asyncio.run(scene())


def fault_on(hosts: SshHosts, serve: Serve, work: Callable[[Host], Awaitable[None]]) -> Fault:
    with pytest.raises(Fault) as caught:
        on(hosts, serve, work)
    return caught.value


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


def test_a_box_claiming_10_tb_costs_its_cap(hosts: SshHosts, tmp_path: Path) -> None:
    ten_tb, small = b"size=10000000000000\n", b"size=100000\n"

    async def work(host: Host) -> None:
        await host.get("model.safetensors", tmp_path / "got", cap=100_000)

    assert fault_on(hosts, liar(claims=ten_tb, floods=b"x" * 65536), work).code == "file-too-big"
    error = fault_on(hosts, liar(claims=small, floods=b"x" * 65536), work)
    assert (type(error), error.code) == (HostFault, "file-too-big")
    assert not (tmp_path / "got").exists()
    assert (tmp_path / "got.part").stat().st_size <= 100_000


def test_of_eight_hostile_listings_only_good_names_land(hosts: SshHosts, home: Path) -> None:
    folder = home / "out"
    folder.mkdir()
    for name in ("good.safetensors", "a b", "new\nline", "\x1b[2J", "e\u202evil", "x" * 129, "$(reboot)", "-rf"):
        (folder / name).write_bytes(b"12345")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "deep").mkdir()
    (folder / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_bytes(b"1")

    async def work(host: Host) -> None:
        assert sorted(await host.list("out")) == [("-rf", 5), ("good.safetensors", 5)]
        assert await host.list("absent") == []
        assert len(await host.list("out", most=1)) <= 1

    on(hosts, shell(home), work)


def test_a_file_goes_there_and_back_whole(hosts: SshHosts, home: Path, tmp_path: Path) -> None:
    sent = tmp_path / "pack.tar"
    sent.write_bytes(bytes(range(256)) * 12_000)

    async def work(host: Host) -> None:
        await host.put(sent, "ts/job/pack.tar")
        await host.put(sent, "ts/job/pack.tar")
        assert await host.get("ts/job/pack.tar", tmp_path / "back", cap=10**7) == ssh_files.sha256(sent)

    on(hosts, shell(home, b"hello\n"), work)
    assert (tmp_path / "back").read_bytes() == sent.read_bytes()
    assert stat.S_IMODE((home / "ts/job/pack.tar").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "back").stat().st_mode) == 0o600
    assert [path.name for path in (home / "ts/job").iterdir()] == ["pack.tar"]


@pytest.mark.parametrize("left", [b"", b"0123", b"wrong", b"0123456789 and more"])
def test_what_an_earlier_try_left_is_used_or_thrown_away(
    hosts: SshHosts, home: Path, tmp_path: Path, left: bytes
) -> None:
    sent = tmp_path / "f"
    sent.write_bytes(b"0123456789")
    (home / "f.part").write_bytes(left)
    (tmp_path / "back.part").write_bytes(left)

    async def work(host: Host) -> None:
        await host.put(sent, "f")
        await host.get("f", tmp_path / "back", cap=100)

    on(hosts, shell(home), work)
    assert (home / "f").read_bytes() == b"0123456789"
    assert (tmp_path / "back").read_bytes() == b"0123456789"


def test_only_the_missing_bytes_travel(hosts: SshHosts, home: Path, tmp_path: Path) -> None:
    commands: list[str] = []
    honest = shell(home)

    async def serve(process: Process) -> None:
        commands.append(process.command or "")
        await honest(process)

    (home / "f").write_bytes(b"x" * 1000)
    (tmp_path / "f.part").write_bytes(b"x" * 900)

    async def work(host: Host) -> None:
        await host.get("f", tmp_path / "f", cap=1000)

    on(hosts, serve, work)
    assert any("skip=900;" in command for command in commands)


def test_a_transfer_that_was_cut_goes_on_where_it_ended(hosts: SshHosts, home: Path, tmp_path: Path) -> None:
    """The line dies in the middle, both ways; the second try sends the rest only."""
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * 20_000)
    honest, commands = shell(home), list[str]()

    async def cut(process: Process) -> None:
        command = process.command or ""
        if "exec cat" in command:
            process.stdout.write(READY)
            (home / "big.part").write_bytes(await process.stdin.read(1_000_000))
        elif "dd if=" in command:
            process.stdout.write(READY + b"size=%d\n" % len(big.read_bytes()) + big.read_bytes()[:1_000_000])
            await process.stdout.drain()
        else:
            await honest(process)
            return
        process.channel.get_connection().abort()

    async def kept(process: Process) -> None:
        commands.append(process.command or "")
        await honest(process)

    async def put(host: Host) -> None:
        await host.put(big, "big")

    async def get(host: Host) -> None:
        await host.get("big", tmp_path / "back", cap=10**7)

    for work in (put, get):
        assert isinstance(fault_on(hosts, cut, work), HostSilent)
        on(hosts, kept, work)
    assert (home / "big").read_bytes() == (tmp_path / "back").read_bytes() == big.read_bytes()
    assert any("exec cat >>" in command for command in commands)
    assert any(re.search(r"skip=[1-9]\d{5}", command) for command in commands)


def test_a_missing_file_is_named(hosts: SshHosts, home: Path, tmp_path: Path) -> None:
    async def work(host: Host) -> None:
        await host.get("ts/nothing", tmp_path / "x", cap=10)

    assert fault_on(hosts, shell(home), work).code == "box-file-missing"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a b", "x;reboot", "", "a/../../b", "$HOME"])
def test_a_name_that_is_not_plain_never_reaches_a_box(name: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ssh_files.plain(name)


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
from tests.unit.test_ssh import Process, box
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


def test_a_big_file_does_not_travel_on_the_connection_of_the_polls(hosts: SshHosts, home: Path, tmp_path: Path) -> None:
    lines: dict[str, set[int]] = {"bulk": set(), "other": set()}
    honest = shell(home)

    async def serve(process: Process) -> None:
        bulk = "exec cat" in (process.command or "") or "dd if=" in (process.command or "")
        lines["bulk" if bulk else "other"].add(process.get_extra_info("peername")[1])
        await honest(process)

    (tmp_path / "big").write_bytes(b"x" * (ssh_files.BULK + 1))
    (tmp_path / "small").write_bytes(b"x")

    async def work(host: Host) -> None:
        await host.put(tmp_path / "big", "big")
        await host.get("big", tmp_path / "back", cap=ssh_files.BULK + 1)
        assert (len(lines["bulk"]), len(lines["other"])) == (2, 1)
        await host.put(tmp_path / "small", "small")

    on(hosts, serve, work)
    assert lines["bulk"] & lines["other"]
