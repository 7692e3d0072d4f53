"""The program, imported once and forked for each start: the import of both chat libraries takes longer than a start.

A program of its own. One JSON line on stdin per request: {"argv", "env", "cwd", "out"} forks `trainstation ARGV` with
that environment and nothing else, both its outputs in the file `out`, and is answered with its pid; {"pid"} waits
for that child and is answered with its exit code. When stdin ends, what is left of them ends, too.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from typing import Any

WITH = (
    "bot.__main__", "bot.cli.run", "bot.cli.play", "bot.assembly", "bot.logs", "bot.web.server", "bot.web.inbox",
    "bot.platforms.telegram.telegram", "pipeline.adapters.discover", "pipeline.adapters.providers.vast",
    "pipeline.adapters.publishers.huggingface", "pipeline.sandbox.world", "numpy", "safetensors.numpy",
)  # fmt: skip
PR_SET_PDEATHSIG = 1


def begun(argv: list[str], env: dict[str, str], cwd: str, out: str) -> int:
    """Fork; the pid, in the parent. The child becomes the program and never comes back."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _dress(argv, env, cwd, out)
        from bot.__main__ import main  # noqa: PLC0415  # the child's own

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001  # as the interpreter would have shown it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _dress(argv: list[str], env: dict[str, str], cwd: str, out: str) -> None:
    """What a shell does before it starts a program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a test run that was killed leaves nobody behind
    descriptor = os.open(out, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()  # noqa: TID251  # a child's own
    os.environ.update(env)  # noqa: TID251  # a child's own
    os.chdir(cwd)
    sys.argv = ["trainstation", *argv]


def _ended(child: int, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> None:
    for name in WITH:
        importlib.import_module(name)
    children: set[int] = set()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "pid" in request:
            _, status = os.waitpid(request["pid"], 0)
            children.discard(request["pid"])
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = begun(**request)
            children.add(answer)
        print(answer, flush=True)  # noqa: T201  # its answer
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)  # a sandbox ends its boxes, too
    for child in children:
        _ended(child)


if __name__ == "__main__":
    main()
