"""One runner per store: a second process waits, and a dead one lets go."""

import subprocess
import sys
import time
from pathlib import Path

HOLDER = """
import asyncio, sys
from pathlib import Path
from pipeline.adapters.lock import only_runner

async def main():
    async with only_runner(Path(sys.argv[1])):
        print("mine", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", HOLDER, str(folder)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_runner_waits_says_so_and_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    first = holder(tmp_path)
    try:
        assert line(first) == "mine"
        second = holder(tmp_path)
        try:
            assert "another-runner" in line(second)
            began = time.monotonic()
            first.kill()
            assert line(second) == "mine"
            assert time.monotonic() - began < 5
        finally:
            second.kill()
            second.wait(5)
    finally:
        first.kill()
        first.wait(5)
