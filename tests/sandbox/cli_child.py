"""The official command line, imported once and forked for each command: the import takes longer than a command.

A program: one JSON line {"argv", "key", "out"} on stdin per command, whose both outputs go to the file `out`; then
an empty line on stdout.
"""

import json
import os
import sys
import traceback

from vastai.cli.main import main  # type: ignore[import-untyped]  # it has no types


def ran(argv: list[str], key: str, out: str) -> None:
    """Run one command in this process, as the shell would have started it."""
    descriptor = os.open(out, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ["VAST_API_KEY"] = key  # noqa: TID251  # a child's own
    sys.argv = ["vastai", *argv]
    try:
        main()
    except SystemExit:
        pass  # its exit code says nothing (facts/vast.md 6)
    except BaseException:  # noqa: BLE001  # a traceback is output like any other, to be judged
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()


for line in sys.stdin:
    if not (pid := os.fork()):
        ran(**json.loads(line))
        os._exit(0)
    os.waitpid(pid, 0)
    print(flush=True)  # noqa: T201  # its answer
