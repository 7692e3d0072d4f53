"""A rented machine of the small world, logged in: it answers our commands by their names."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.domain.faults import HostFault, HostSilent
from pipeline.domain.ids import InstanceId, JobId, Label, MachineId, Sha256
from pipeline.ports import Answer
from pipeline.trainers import lease, saves
from pipeline.trainers.box import Command
from tests.support.dying import ProcessDied
from tests.support.training import Run

if TYPE_CHECKING:  # the world makes boxes
    from tests.support.world import World

ZERO = Sha256("0" * 64)


@dataclass
class Rented:
    """One rental: alive until destroyed, billing all the while."""

    instance: InstanceId
    machine: MachineId
    label: Label
    since: datetime
    destroyed: datetime | None = None
    run: Run | None = None
    started: float | None = None  # loop time at which the trainer started
    fetching: float | None = None
    files: set[str] = field(default_factory=set)
    staged: dict[str, str] = field(default_factory=dict)  # what was sent to be laid down, by name
    out: dict[str, str] = field(default_factory=dict)  # the trainer's folder as it found it, the oldest first
    copied: dict[str, str] = field(default_factory=dict)  # beside that folder, by path: one set at a time


@dataclass
class Box:
    """One machine, logged in. Answers commands by their name."""

    world: "World"
    rented: Rented
    host_key: str = "ssh-ed25519 AAAA box"

    def there(self, *, counted: bool = True) -> None:
        """Raise HostSilent when the machine is gone, ProcessDied when the test wants it here."""
        run = self.rented.run
        trains = self.rented.started is not None and run is not None
        if self.rented.destroyed is not None or (trains and run is not None and run.gone(self._elapsed())):
            raise HostSilent("ssh-unreachable")
        if trains and counted:
            self.world.calls += 1
            if self.world.calls == self.world.dies_at_call:
                raise ProcessDied

    async def run(self, command: Command) -> Answer:
        self.there()
        if command.name == "copy":
            return Answer(0, await self._copy(JobId(_job(command))))
        answers: dict[str, Callable[[Command], bytes]] = {
            "look": self._look, "prove": self._prove, "exercise": self._exercise,
            "fetch": self._fetch, "fetched": self._fetched, "start": self._start,
            "save-now": self._save, "interrupt": self._interrupt, "again": self._again,
            "whole": self._whole, "drop": self._drop, "made": self._made, "lay": self._lay,
            "last-words": self._last_words,
        }  # fmt: skip
        reply = answers.get(command.name)
        return Answer(0, reply(command) if reply else b"")

    async def ask(self, program: Command, *question: int) -> bytes:
        self.there(counted=False)
        assert program.name == "poll"
        return self._run.poll(_job(program), question[0], self._elapsed(), question[1])

    async def put(self, local: Path, remote: str) -> None:
        assert local.exists()
        self.there()
        self.rented.files.add(remote)
        if f"/{saves.STAGED}/" in remote:
            self.rented.staged[Path(remote).name] = local.read_text()

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        self.there()
        content = self._content(remote)
        await asyncio.sleep(self.world.get_seconds)
        self.there()
        if self._content(remote) != content:
            raise HostFault("file-changed")
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(content)
        return ZERO

    def _content(self, remote: str) -> str:
        """What is in a file now. Raises HostFault("box-file-missing") for what was pruned, or never there."""
        job, name = remote.split("/")[1], remote.rsplit("/", 1)[1]
        if f"/{saves.COPIES}/" in remote and remote in self.rented.copied:
            return self.rented.copied[remote]
        if "/samples/" in remote:
            return "picture"
        if f"/{saves.COPIES}/" not in remote and name == saves.OPTIMIZER:
            return self._run.optimizer(job, self._elapsed())
        if f"/{saves.COPIES}/" not in remote and name in self._run.there(job, self._elapsed()):
            return self._run.weights(self._run.step_of(remote))
        raise HostFault("box-file-missing", file=remote)

    async def _copy(self, job: JobId) -> bytes:
        """Like the script: a copy that a save overtook is none, and at most one is there."""
        for _ in range(saves.GOES):
            said = self._run.whole(job, self._elapsed())
            found = saves.read_whole(job, said)
            if found is not None and await self._copied(job, found):
                return said + b"copied=1\n"
            self.rented.copied = {}
            await asyncio.sleep(0.5)
        return b""

    async def _copied(self, job: JobId, found: saves.Whole) -> bool:
        """Whether `found` lies there as a copy now; one that was made before is not made again."""
        there = saves.copied(job, found)
        if f"{there}/{saves.COPIED}" in self.rented.copied:
            return True
        weights, state = self._content(f"{saves.output(job)}/{found.name}"), self._run.optimizer(job, self._elapsed())
        await asyncio.sleep(self._run.copying)
        self.there(counted=False)
        again = saves.read_whole(job, self._run.whole(job, self._elapsed()))
        if again is None or again.mark != found.mark:
            return False
        self.rented.copied = {f"{there}/{saves.COPIED}": weights, f"{there}/{saves.OPTIMIZER}": state}
        return True

    async def list(self, remote: str, *, most: int = 500) -> list[tuple[str, int]]:
        self.there()
        assert remote.endswith("/samples")
        return [(f"1__{n}.jpg", 10) for n in range(4)]

    @property
    def _run(self) -> Run:
        assert self.rented.run is not None
        return self.rented.run

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - (self.rented.started or 0.0)

    def _look(self, command: Command) -> bytes:
        return b"home=/home/box\ngpu=NVIDIA GeForce RTX 4090, 24564, 580.65.06\ndisk_kb=200000000\ntoolkit=yes\n"

    def _fetch(self, command: Command) -> bytes:
        self.rented.fetching = self.rented.fetching or asyncio.get_running_loop().time()
        return b""

    def _prove(self, command: Command) -> bytes:
        nonce = command.script.rsplit(" ", 1)[1]
        return f"proof={lease.answer(nonce, self.host_key, self.world.box_key)}\n".encode()

    def _exercise(self, command: Command) -> bytes:
        return f"cuda={int(self.world.tflops > 0)}\ngflops={round(self.world.tflops * 1000)}\n".encode()

    def _fetched(self, command: Command) -> bytes:
        if self.rented.fetching is None:
            return b""
        took = asyncio.get_running_loop().time() - self.rented.fetching
        done = min(1.0, took / self.world.fetch_seconds)
        whole = "whole1=1\nrc=0\n" if done == 1.0 else ""
        return f"f1={round(done * 10**9)}\nf2=500\nalive=1\n{whole}".encode()

    def _start(self, command: Command) -> bytes:
        """The trainer goes on from the newest file of its folder whose name begins with the job's (facts 2)."""
        if self.rented.started is None:
            self.rented.started = asyncio.get_running_loop().time()
            job = _job(command)
            found = [content for name, content in self.rented.out.items() if name.startswith(job)]
            if found and not self._run.forgets:
                start = int(found[-1].rsplit(" ", 1)[1])
                self.rented.run = replace(self._run, start=start, state=saves.OPTIMIZER in self.rented.out)
        return b"started=1\n"

    def _again(self, command: Command) -> bytes:
        self.rented.run, self.rented.started = self._run.again(self._elapsed()), None
        return b""

    def _save(self, command: Command) -> bytes:
        self.rented.run = replace(self._run, asked=(*self._run.asked, self._elapsed()))
        return b""

    def _interrupt(self, command: Command) -> bytes:
        if not self._run.deaf:
            self.rented.run = replace(self._run, stopped_at=self._run.stopped_at or self._elapsed())
        return b""

    def _whole(self, command: Command) -> bytes:
        return self._run.whole(_job(command), self._elapsed())

    def _drop(self, command: Command) -> bytes:
        self.rented.copied = {}
        return b""

    def _made(self, command: Command) -> bytes:
        return "".join(f"{name}\n" for name in self._run.there(_job(command), self._elapsed())).encode()

    def _lay(self, command: Command) -> bytes:
        """Carry the script's few words out: exactly what it names lies in the folder afterwards."""
        target = re.search(r"mv out/\S+ out/\w+/(\w+_(\d{9})\.safetensors)", command.script)
        assert target is not None
        self.rented.out = {target[1]: self.rented.staged["weights.safetensors"]}
        if f"cp {saves.STAGED}/{saves.OPTIMIZER}" in command.script:
            self.rented.out[saves.OPTIMIZER] = self.rented.staged[saves.OPTIMIZER]
        return f"laid={int(target[2])}\n".encode()

    def _last_words(self, command: Command) -> bytes:
        return self._run.last_words(_job(command), self._elapsed())


def _job(command: Command) -> str:
    return re.split(r"[ \n]", command.script.split("ts/", 1)[1][:200], maxsplit=1)[0]
