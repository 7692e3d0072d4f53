"""What reaching a machine costs: files home beside scp, polls, bytes of a watched hour, memory and time of a crowd.

Every far side is a process of its own (yonder.py), so that only our side's work is on our loop. "80 ms" is a line of
80 ms there and back and 200 Mbit/s (tests/support/wire.py), on which asyncssh's own window would be the limit.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipeline.adapters.ssh import SshHost, SshHosts
from pipeline.domain.ids import JobId
from pipeline.trainers import aitoolkit
from pipeline.trainers.box import Command, folder
from pipeline.trainers.lease import FOLDER as LEASE
from pipeline.trainers.lease import Lease
from tests.bench.client import CAP, ROOM, machine
from tests.bench.row import Pairs, Row, most, paired, skipped
from tests.bench.yonder import NO_SSHD, SSHD, crowd_server, sshd, thin_line
from tests.support.training import bar
from tests.support.wire import wire

FILE: Final = "ts/bench/weights"
SIZE: Final = 171_000_000  # a LoRA of rank 16 (facts/loading.md)
PAIRS: Final = 7
RTT, MBIT = 80.0, 200.0
JOB: Final = JobId("k3v9q0000000")
POLLS, EVERY = 60, 5.0
STEP: Final = 3.25  # seconds, of an RTX 4090
CIPHER: Final = "aes128-gcm@openssh.com"  # the one we prefer: scp must not win or lose by another


class Yard:
    """A real sshd, our key, and a folder that both sides see."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = root / "keys" / "id"
        self.hosts = SshHosts(self.key)
        self.home = root / "far" / "home"
        self.port = 0


@contextmanager
def yard() -> Iterator[Yard]:
    with TemporaryDirectory(dir=ROOM) as name:
        place = Yard(Path(name))
        with sshd(place.root / "far", place.hosts.public_key) as port:
            place.port = port
            yield place


def files() -> list[Row]:
    """171 MB home beside scp, and what it weighs meanwhile."""
    if SSHD is None:
        return [skipped("171 MB home", NO_SSHD)]
    with yard() as place, thin_line(place.port, rtt_ms=RTT, mbit=MBIT) as far:
        _lay(place)
        near, wide = _beside_scp(place, place.port), _beside_scp(place, far)
        peaks = [_child("haul", place.key, far, FILE)["peak_mb"] for _ in range(3)]
    return [
        most("171 MB home, loopback", near.ratio, 1.25, "x scp", _said(near)),
        most("171 MB home, 80 ms", wide.ratio, 0.95, "x scp", _said(wide)),
        most("171 MB home, peak", statistics.median(peaks), 10, "MB over idle", "median of 3, at 80 ms"),
    ]


def _said(pairs: Pairs) -> str:
    ours, theirs = statistics.median(pairs.ours), statistics.median(pairs.theirs)
    return f"{ours:.2f} s, sha256 at both ends in it; scp {theirs:.2f} s, without; {pairs.spread}"


def _lay(place: Yard) -> None:
    source = place.home / FILE
    source.parent.mkdir(parents=True)
    source.write_bytes(os.urandom(SIZE))


async def _get(host: SshHost, remote: str, to: Path) -> object:
    return await host.get(remote, to, cap=CAP)


def _beside_scp(place: Yard, port: int) -> Pairs:
    """Pairs of seconds. Ours on a machine that is open already, as COLLECT has it; scp logs in, as it must."""

    async def ours() -> float:
        async with place.hosts.open(machine(port)) as host:
            began = time.perf_counter()
            await _get(host, FILE, place.root / "home")
            taken = time.perf_counter() - began
        (place.root / "home").unlink()
        return taken

    return paired(lambda: asyncio.run(ours()), lambda: _scp(place, port), PAIRS)


def _scp(place: Yard, port: int) -> float:
    to = place.root / "theirs"
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
    argv = ["scp", "-q", "-F", "none", "-c", CIPHER, "-i", str(place.key), "-P", str(port)]
    argv += [part for option in options for part in ("-o", option)]
    began = time.perf_counter()
    subprocess.run([*argv, f"root@127.0.0.1:{place.home / FILE}", str(to)], check=True)
    taken = time.perf_counter() - began
    to.unlink()
    return taken


def _child(what: str, key: Path, port: int, rest: str) -> dict[str, float]:
    """Figures of client.py."""
    argv = [sys.executable, "-m", "tests.bench.client", what, str(key), str(port), rest]
    said: dict[str, float] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return said


def crowds() -> list[Row]:
    """What an idle connection weighs, and how fast a restarted bot has all of them again."""
    with TemporaryDirectory(dir=ROOM) as name:
        key = Path(name) / "id"
        SshHosts(key)
        with crowd_server(key) as port:
            idle = _child("crowd", key, port, "200")
        with crowd_server(key) as port, thin_line(port, rtt_ms=RTT, mbit=MBIT) as far:
            many = _child("crowd", key, far, "500")
    return [
        most("RSS per idle connection", idle["kb_each"], 30, "KB", "of 200"),
        most("500 connections at 80 ms", many["seconds"], 10, "s", f"{many['kb_each']:.0f} KB each"),
        most("loop lag p99 meanwhile", many["lag_ms"], 100, "ms"),
    ]


def polls() -> list[Row]:
    """One look at a training at 80 ms, and the bytes of an hour of looks: the real poll, in the pump that stays."""
    if SSHD is None:
        return [skipped("a pump's answer at 80 ms", NO_SSHD)]
    with yard() as place:
        for name in (folder(JOB), LEASE):
            (place.home / name).mkdir(parents=True)
        with thin_line(place.port, rtt_ms=RTT, mbit=MBIT) as far:
            bare, asked, run = (1000 * statistics.median(each) for each in asyncio.run(_looks(place, far)))
        _, near, _ = (1000 * statistics.median(each) for each in asyncio.run(_looks(place, place.port)))
        hourly = asyncio.run(_hour(place))
    forks = f"{near:.0f} ms of it without the line: the script's own programs"
    return [
        most("a pump's answer at 80 ms", bare / RTT, 1.15, "RTT", f"4 KB, {bare:.0f} ms; as a command {run / RTT:.2f}"),
        most("one poll at 80 ms", asked / RTT, 1.15, "RTT", forks),
        Row("SSH of a watched hour", hourly / 1e6, "MB", detail=f"both ways, a look each {EVERY:.0f} s, login in it"),
    ]


READ: Final = f"head -c 3072 {folder(JOB)}/{aitoolkit.LOG} | base64 -w0; echo"
BARE: Final = Command("bare", f"while read -r at; do {READ}; done")
ONCE: Final = Command("once", READ)
POLL: Final = aitoolkit.pump(JOB, Lease(lapses=2700, ends=40_000, every=60))


async def _looks(place: Yard, port: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each look: a pump that only reads 4 KB, the real poll in its pump, a command of its own."""
    taken: tuple[list[float], list[float], list[float]] = ([], [], [])
    async with place.hosts.open(machine(port)) as host:
        ways: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: host.ask(BARE, 0), lambda: host.ask(POLL, 0), lambda: host.run(ONCE),
        )  # fmt: skip
        for number in range(POLLS + 1):
            _grow(place, number)
            for kept, look in zip(taken, ways, strict=True):
                began = time.perf_counter()
                await look()
                kept.append(time.perf_counter() - began)
    return taken


async def _hour(place: Yard) -> float:
    """Bytes on the line, of an hour of looks; `POLLS` of them are taken, without the time between."""
    _log(place).write_bytes(b"")
    async with wire(place.port, rtt=0, mbit=1000) as line:
        async with place.hosts.open(machine(line.port)) as host:
            offset = len(aitoolkit.read_poll(await host.ask(POLL, 0)).log)
            login = line.up.bytes + line.down.bytes
            for number in range(POLLS):
                _grow(place, number)
                offset += len(aitoolkit.read_poll(await host.ask(POLL, offset)).log)
            looked = line.up.bytes + line.down.bytes - login
        assert offset == _log(place).stat().st_size
    return login + looked / POLLS * 3600 / EVERY


def _log(place: Yard) -> Path:
    return place.home / folder(JOB) / aitoolkit.LOG


def _grow(place: Yard, number: int) -> None:
    """What a trainer prints between two looks: each step draws its bar twice."""
    first, last = (round(at * EVERY / STEP) for at in (number, number + 1))
    with _log(place).open("a", encoding="utf-8") as log:
        log.writelines(bar(JOB, step, 2000, "4.123e-01") * 2 for step in range(first, last))
