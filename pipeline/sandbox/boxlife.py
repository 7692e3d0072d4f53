"""The processes of one sandbox box, through its own first process: nothing outlives it, nothing foreign is touched."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.sandbox import boxinit

KILLED: Final = -9  # of what had no time to end by itself

Ending = asyncio.Future[int]


class Processes:
    """`run` starts commands; `close` ends everything that came of them, detached or not."""

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self._env = dict(env)
        self._home = home
        self._count = 0
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._line: socket.socket | None = None
        self._init: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Raises OSError when no process can be started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line = ours
        ours.setblocking(False)  # noqa: FBT003  # the socket's own signature
        with theirs:
            self._init = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", boxinit.__file__, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                env={},
                start_new_session=True,  # a Ctrl-C in the sandbox's terminal is not for it
            )
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)

    def run(self, argv: Sequence[str], streams: Sequence[int], extra: Mapping[str, str] | None = None) -> Ending:
        """Start `argv` on the descriptors (stdin, stdout, stderr), which stay the caller's to close.

        The answer's result is the exit code, minus the signal's number when one ended it.
        """
        ending: Ending = asyncio.get_running_loop().create_future()
        if self._line is None:
            ending.set_result(KILLED)
            return ending
        self._count += 1
        request = {
            "id": self._count,
            "argv": list(argv),
            "env": self._env | dict(extra or {}),
            "cwd": str(self._home),
        }
        try:
            socket.send_fds(self._line, [json.dumps(request).encode()], list(streams))
        except OSError:  # longer than any argument may be, or the box is just dying
            ending.set_result(126)
        else:
            self._waiting[self._count] = ending
        return ending

    def start(self, argv: Sequence[str], log: Path, extra: Mapping[str, str]) -> None:
        """`run` without anybody listening: output goes to the file `log`."""
        with Path(os.devnull).open("rb") as nothing, log.open("ab") as out:
            self.run(argv, (nothing.fileno(), out.fileno(), out.fileno()), extra)

    def _hear(self, line: socket.socket) -> None:
        try:
            said = line.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._hang_up()
            return
        answer = json.loads(said)
        waiting = self._waiting.pop(answer["id"], None)
        if waiting and not waiting.done():
            waiting.set_result(answer["code"])

    def _hang_up(self) -> None:
        if self._line is not None:
            asyncio.get_running_loop().remove_reader(self._line)
            self._line.close()
            self._line = None
        for ending in self._waiting.values():
            if not ending.done():
                ending.set_result(KILLED)
        self._waiting.clear()

    async def close(self) -> None:
        """Back when the last process of the box is gone."""
        self._hang_up()
        if self._init is not None:
            await self._init.wait()
