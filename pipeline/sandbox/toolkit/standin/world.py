"""What the program gets from outside: its environment, how fast time runs, and which faults it was asked to show."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from .modes import MODES

STEP_SECONDS: Final = 3.25  # of an RTX 4090, FLUX.1 at 512+768+1024 (facts/aitoolkit.md 8)
SLOW: Final = 5.0


@dataclass(frozen=True, slots=True)
class World:
    """Durations are written as in life and divided by `speed`; nothing is skipped."""

    env: Mapping[str, str]
    speed: float
    step_seconds: float
    modes: frozenset[str]

    def nap(self, seconds: float) -> None:
        """Let `seconds` of life pass. A SIGINT ends it, as it ends the real work."""
        time.sleep(seconds / self.speed)

    def half_way(self) -> None:
        """Tell the machine's owner, who may have been waiting for it: half of the training is done."""
        if path := self.env.get("SANDBOX_HALFWAY"):
            Path(path).touch()


def hang() -> NoReturn:
    """Never get anywhere; a SIGINT ends it."""
    sys.stdout.flush()
    while True:
        signal.pause()


def be_killed() -> None:
    """As the kernel does it: no word, no exit code of its own."""
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def wall_clock() -> float:
    """Seconds since 1970; names samples and dates loss rows."""
    return time.time()  # noqa: TID251  # a program of its own on the box: no clock can be handed to it


def surroundings(folder: Path) -> World:
    """Read the environment; `.env` in the toolkit's folder fills what it lacks, as the real run.py does.

    SANDBOX_SPEED (default 1), SANDBOX_STEP_SECONDS (seconds of life a step), SANDBOX_TRAINER (a comma list of MODES)
    and SANDBOX_HALFWAY (a file to touch) are ours. Raises ValueError on a mode that does not exist: a misspelt fault
    would prove nothing.
    """
    env = {**_dotenv(folder / ".env"), **os.environ}  # noqa: TID251  # the box speaks to the program through it
    modes = frozenset(filter(None, env.get("SANDBOX_TRAINER", "").split(",")))
    if not modes <= MODES.keys():
        raise ValueError(f"SANDBOX_TRAINER knows {sorted(MODES)}, not {sorted(modes - MODES.keys())}")
    step = float(env.get("SANDBOX_STEP_SECONDS", STEP_SECONDS))
    return World(
        env=env,
        speed=float(env.get("SANDBOX_SPEED", "1")),
        step_seconds=step * SLOW if "slow-steps" in modes else step,
        modes=modes,
    )


def _dotenv(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("'\"") for key, value in pairs}
