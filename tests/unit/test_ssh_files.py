"""Files over our SSH: they come whole or not at all, under a cap, and go on where they were cut."""

import re
import stat
from pathlib import Path

import pytest

from pipeline.adapters import ssh_files
from pipeline.adapters.ssh import SshHosts
from pipeline.domain.faults import HostFault, HostSilent
from pipeline.ports import Host
from tests.support import sshd
from tests.support.sshd import READY, Process, fault_on, liar, on, shell

hosts, home = sshd.hosts, sshd.home  # fixtures


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
