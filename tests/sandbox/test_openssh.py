"""Port Hosts and every command we send, held to a real OpenSSH server (Debian's sshd on a free loopback port)."""

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.adapters import ssh_files
from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.ids import InstanceId, JobId, MachineId
from pipeline.domain.job import Endpoint, Machine
from pipeline.domain.money import MicroUsd
from pipeline.ports import Host
from pipeline.trainers import aitoolkit, box, fetching, lease
from pipeline.trainers.box import Command
from pipeline.trainers.lease import Lease

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
ROOT = os.geteuid() == 0
JOB, LEASE, KEY = JobId("abcdefghjkmn"), Lease(lapses=600, ends=6000, every=20), "k" * 64
CI = os.environ.get("CI") == "true"  # noqa: TID251  # there the server must be: a skipped test proves nothing

pytestmark = pytest.mark.skipif(
    not (SSHD and ROOT) and not CI, reason="needs sshd (apt-get install openssh-server) and root to be logged in as"
)


@dataclass
class Server:
    """sshd, with everything it has below one folder."""

    folder: Path
    hosts: SshHosts
    port: int
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def machine(self) -> Machine:
        return Machine(
            instance=InstanceId("1"), machine=MachineId("1"), gpu="", vram_mb=0, rate=MicroUsd(0), key=KEY,
            since=datetime(2026, 1, 1, tzinfo=UTC), endpoints=(Endpoint("127.0.0.1", self.port),),
        )  # fmt: skip

    def start(self) -> None:
        assert SSHD, "CI has no sshd"
        self.running = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")], stderr=(self.folder / "log").open("ab")
        )
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except ConnectionRefusedError:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        if self.running is not None:
            self.running.terminate()
            self.running.wait(10)

    def cut(self) -> None:
        """End every session of this server, as a network would: without a word to our side's commands."""
        assert self.running is not None
        sessions = subprocess.run(["pgrep", "-P", str(self.running.pid)], capture_output=True, text=True, check=False)
        for pid in sessions.stdout.split():
            os.kill(int(pid), 9)

    def on(self, work: Callable[[Host], Awaitable[None]]) -> None:
        async def scene() -> None:
            async with self.hosts.open(self.machine) as host:
                await work(host)

        asyncio.run(scene())


def configured(folder: Path) -> Server:
    hosts = SshHosts(folder / "keys" / "id_ed25519")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "home").mkdir()
    (folder / "home" / ".bashrc").write_text("echo 'Welcome to vast.ai. Have fun!'\n")
    (folder / "authorized").write_text(hosts.public_key + "\n")
    for kind in ("ed25519", "rsa"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / f"host_{kind}")], check=True)
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host_rsa\nHostKey {folder}/host_ed25519\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp\nPrintMotd no\nSetEnv HOME={folder}/home\nUseDNS no\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd insists on it
    return Server(folder, hosts, port)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = configured(tmp_path_factory.mktemp("sshd"))
    one.start()
    yield one
    one.stop()


def test_a_command_runs_in_the_home_past_a_banner_and_ends_with_its_code(server: Server) -> None:
    async def work(host: Host) -> None:
        answer = await host.run(Command("x", "pwd; exit 3"))
        assert (answer.code, answer.out) == (3, f"{server.home}\n".encode())
        assert (await host.run(Command("x", "sleep 30", seconds=0.1))).code == -1
        with pytest.raises(HostFault, match="output-too-big"):
            await host.run(Command("x", "yes", cap=10_000))
        assert host.host_key == " ".join((server.folder / "host_ed25519.pub").read_text().split()[:2])

    server.on(work)


def test_more_commands_at_once_than_sshd_allows_channels(server: Server) -> None:
    async def work(host: Host) -> None:
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(host.run(Command("x", f"sleep 0.05; echo {n}"))) for n in range(24)]
        assert [answer.result().out for answer in answers] == [f"{n}\n".encode() for n in range(24)]

    server.on(work)


def test_files_go_there_and_come_back_and_what_was_cut_is_resumed(server: Server, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(os.urandom(3_000_000))
    (server.home / "ts").mkdir(exist_ok=True)
    (server.home / "ts/sent.part").write_bytes(sent.read_bytes()[:1_000_000])
    (tmp_path / "back.part").write_bytes(sent.read_bytes()[:2_000_000])

    async def work(host: Host) -> None:
        await host.put(sent, "ts/sent")
        assert await host.get("ts/sent", tmp_path / "back", cap=4_000_000) == ssh_files.sha256(sent)
        assert ("sent", 3_000_000) in await host.list("ts")
        with pytest.raises(HostFault, match="file-too-big"):
            await host.get("ts/sent", tmp_path / "more", cap=1000)

    server.on(work)
    assert (tmp_path / "back").read_bytes() == sent.read_bytes()
    assert stat.S_IMODE((server.home / "ts/sent").stat().st_mode) == 0o600


def test_a_pump_survives_a_cut_line_without_its_user_noticing(server: Server) -> None:
    folder = server.home / box.folder(JOB)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / aitoolkit.LOG).write_bytes(b"\0one\r\ntwo\n")

    async def work(host: Host) -> None:
        program = aitoolkit.pump(JOB, LEASE)
        assert aitoolkit.read_poll(await host.ask(program, 1)).log == b"one\r\ntwo\n"
        server.cut()
        assert aitoolkit.read_poll(await host.ask(program, 6)).log == b"two\n"
        server.cut()
        assert (await host.run(Command("x", "echo here"))).out == b"here\n"

    server.on(work)


def test_a_pump_ends_on_the_box_when_we_leave(server: Server) -> None:
    async def work(host: Host) -> None:
        stays = Command("stays", f"echo $$ > {server.home}/pump; while read -r n; do echo; done")
        assert await host.ask(stays, 1) == b""

    server.on(work)
    pid = int((server.home / "pump").read_text())
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_box_proves_itself_and_a_middle_man_cannot(server: Server) -> None:
    async def work(host: Host) -> None:
        assert (await host.run(lease.prove("0a"))).code == lease.NO_KEY
        (server.home / lease.FOLDER).mkdir(parents=True, exist_ok=True)
        (server.home / lease.FOLDER / "key").write_text(KEY)
        said = (await host.run(lease.prove("0a"))).out
        assert lease.proven(said, "0a", host.host_key, KEY)
        assert not lease.proven(said, "0b", host.host_key, KEY)
        assert not lease.proven(said, "0a", host.host_key, "another box's")
        assert not lease.proven(said, "0a", "ssh-ed25519 AAAAmiddle", KEY)

    server.on(work)


def test_a_server_with_other_keys_is_another_box(server: Server, tmp_path: Path) -> None:
    async def scene() -> None:
        async with server.hosts.open(server.machine) as host:
            pinned = replace(server.machine, host_key=host.host_key)
        other = configured(tmp_path)
        other.start()
        try:
            (tmp_path / "authorized").write_text(server.hosts.public_key + "\n")
            async with server.hosts.open(replace(pinned, endpoints=other.machine.endpoints)):
                raise AssertionError
        finally:
            other.stop()

    with pytest.raises(HostFault, match="host-key-changed"):
        asyncio.run(scene())


def test_the_proxy_pair_is_tried_as_a_pair_when_the_direct_one_is_dead(server: Server) -> None:
    async def scene() -> None:
        pairs = (Endpoint("127.0.0.1", 1), *server.machine.endpoints)
        async with server.hosts.open(replace(server.machine, endpoints=pairs)) as host:
            assert (await host.run(Command("x", "true"))).code == 0

    asyncio.run(scene())


def test_a_key_nobody_admitted_is_refused(server: Server, tmp_path: Path) -> None:
    async def scene() -> None:
        async with SshHosts(tmp_path / "stranger").open(server.machine):
            raise AssertionError

    with pytest.raises(HostSilent, match="ssh-refused-key"):
        asyncio.run(scene())


def test_a_round_of_fetching_leaves_whole_files_and_no_link(server: Server, tmp_path: Path) -> None:
    """One file is there, one cannot be had: the round failed, and only the second one is missing."""
    job = JobId("nmkjhgfedcba")
    plan = fetching.planned("base/a.json", 2, None) + fetching.planned("base/b.bin", 5, None)
    (tmp_path / "plan").write_text(plan)
    (tmp_path / "links").write_text(fetching.link(2, "http://127.0.0.1:1/expired"))
    (tmp_path / "a").write_text("{}")

    async def work(host: Host) -> None:
        there = box.folder(job)
        await host.put(tmp_path / "a", f"{there}/base/a.json")
        await host.put(tmp_path / "plan", f"{there}/plan.tsv")
        await host.put(tmp_path / "links", f"{there}/links.tsv")
        assert (await host.run(fetching.fetch(job))).code == 0
        look = fetching.Fetching()
        async with asyncio.timeout(20):
            while look.failed is None:
                look = fetching.read_fetched((await host.run(fetching.fetched(job, LEASE))).out)
        assert (look.failed, dict(look.got), look.whole) == (1, {1: 2, 2: 0}, frozenset())
        assert not (server.home / there / "links.tsv").exists()

    server.on(work)
