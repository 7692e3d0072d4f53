"""Machines we are logged in to: commands that run there, files that go and come."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.domain.ids import Sha256
from pipeline.domain.job import Machine
from pipeline.trainers.box import Command


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command on a box said: bytes under the command's cap, and its exit code (-1: killed)."""

    code: int
    out: bytes


class Host(Protocol):
    """One reachable machine, logged in. Raises HostSilent when the line is dead, HostFault when the machine is wrong.

    Names are relative to the login's home, made of [A-Za-z0-9._/-].
    """

    host_key: str  # "ssh-ed25519 AAAA...", to be pinned

    async def run(self, command: Command) -> Answer: ...

    async def ask(self, program: Command, *question: int) -> bytes:
        """Ask a program that stays on the box: numbers in, one answer out (a line of base64), in one round trip.

        It is started at the first question and again whenever it is gone, so every question stands by itself.
        `program.seconds` and `program.cap` bound one answer.
        """

    async def put(self, local: Path, remote: str) -> None:
        """Send a file, creating its folders; whole and equal by sha256 when this returns. Resumes. Mode 0600."""

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        """Bring a file home (0600, replaced only when whole). HostFault("file-too-big") over `cap` bytes."""

    async def list(self, remote: str, *, most: int = 500) -> list[tuple[str, int]]:
        """Names and sizes of the plainly named files of a folder, at most `most`. [] when it is absent."""


class Hosts(Protocol):
    def open(self, machine: Machine) -> AbstractAsyncContextManager[Host]:
        """Log in through the first endpoint that answers, with our key only; pinned once `machine.host_key` is set.

        All users of a machine share one connection; one that breaks is made again by whoever needs it next.

        Raises HostSilent("ssh-unreachable"), HostSilent("ssh-refused-key"), HostFault("host-key-changed").
        """

    @property
    def public_key(self) -> str: ...
