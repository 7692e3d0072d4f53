"""The real bot as a process of its own, between a fake Telegram and the sandbox: what every wire test stands on."""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.pictures import encoded, photo, zipped
from tests.support.telegram import Group, Person, Seen, TelegramServer

SPEED: Final = "120"
PUBLIC: Final = "https://bot.example"
SECRET: Final = "a-webhook-secret-of-the-tests"
ROOT: Final = Path(__file__).parents[2]
SHORT: Final = "steps=60 rank=1 samples=0"  # the least work that is a whole training


Scenario = Callable[["Scene"], Coroutine[Any, Any, None]]
Test = Callable[[pytest.TempPathFactory], None]


class Nursery:
    """One per pytest worker: a process that has the program loaded and forks it, and one sandbox for all its bots."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.chat.bot_child"], cwd=ROOT, env=_bare(Path(self._folder.name)), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        atexit.register(self.close)

    def ask(self, **request: Any) -> int:
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        self._mother.stdin.write(json.dumps(request) + "\n")
        self._mother.stdin.flush()
        return int(self._mother.stdout.readline())

    def begin(self, argv: list[str], env: Mapping[str, str], folder: Path, out: Path) -> int:
        """Start `trainstation ARGV`; its pid."""
        return self.ask(argv=argv, env={**_bare(folder), **env}, cwd=str(folder), out=str(out))

    @property
    def world(self) -> dict[str, str]:
        """The sandbox's settings; it starts with the first who asks."""
        folder = Path(self._folder.name)
        file, out = folder / "sandbox.env", folder / "sandbox.out"
        if not file.exists():
            self.begin(["sandbox", "--env-file", str(file), "--speed", SPEED], {}, folder, out)
            deadline = time.monotonic() + 30
            while not file.exists():
                assert time.monotonic() < deadline, out.read_text()
                time.sleep(0.02)
        return dict(line.split("=", 1) for line in file.read_text().splitlines())

    def close(self) -> None:
        assert self._mother.stdin is not None
        self._mother.stdin.close()
        self._mother.wait(20)
        self._folder.cleanup()


@cache
def nursery() -> Nursery:
    return Nursery()


class Bot:
    """`trainstation run`, running."""

    def __init__(self, pid: int, out: Path) -> None:
        """Must be made inside the loop it is waited for in."""
        self.pid = pid
        self._out = out
        self._over = asyncio.Event()
        self._watch = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._watch, self._ended)
        self.code: int | None = None

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        self.code = nursery().ask(pid=self.pid)
        self._over.set()

    @property
    def running(self) -> bool:
        return self.code is None

    @property
    def log(self) -> str:
        return self._out.read_text() if self._out.exists() else ""

    def signal(self, what: signal.Signals) -> None:
        os.kill(self.pid, what)

    async def ended(self, seconds: float = 10.0) -> int:
        """Its exit code."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        assert self.code is not None, f"still running after {seconds} s:\n{self.log[-3000:]}"
        return self.code

    async def ends(self, seconds: float = 5.0) -> None:
        """End it as an operator does; five seconds is what is promised."""
        self.signal(signal.SIGTERM)
        assert await self.ended(seconds) == 0, self.log[-3000:]

    async def dies(self) -> None:
        """Kill -9: nothing of it is left to tidy up."""
        self.signal(signal.SIGKILL)
        await self.ended()


@dataclass(slots=True)
class Scene:
    """`env`: what the bot is started with besides the sandbox and Telegram."""

    server: TelegramServer
    folder: Path
    env: dict[str, str]
    bots: list[Bot] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _people: "count[int]" = field(default_factory=lambda: count(1001))

    async def starts(self, *, ready: bool = True, **env: str) -> Bot:
        """Start the bot; it listens when this returns. Every start finds the same DATA_DIR."""
        polls = self.server.feed.polls
        out = self.folder / f"bot{next(self._numbers)}.log"
        bot = Bot(nursery().begin(["run"], {**self.settings(), **env}, self.folder, out), out)
        self.bots.append(bot)
        if ready:
            await self.server.until(
                lambda: self.server.feed.polls > polls or self.server.feed.hook is not None or not bot.running, 40
            )
            assert bot.running, bot.log[-3000:]
        return bot

    def somebody(self, *, language: str | None = "en", started: bool = True) -> Person:
        """A person nobody else is."""
        return self.server.person(next(self._people), language=language, started=started)

    def team(self, *people: Person, supergroup: bool = False) -> Group:
        return self.server.group(-next(self._people), "Team", *people, supergroup=supergroup)

    def explain(self, error: BaseException) -> None:
        """Say with `error` what happened."""
        for bot in self.bots:
            error.add_note(f"--- bot {bot.pid} ({bot.code}):\n{bot.log[-3000:]}")
        error.add_note(f"--- calls:\n{self.server.story()}")

    def settings(self) -> dict[str, str]:
        return {
            **nursery().world, **self.server.env, "PLATFORMS": "telegram", "DATA_DIR": str(self.folder / "data"),
            "WELCOME_POINTS": "200000", "METRICS_BIND": "127.0.0.1:0", "LOG_LEVEL": "info", **self.env,
        }  # fmt: skip

    def zip(self, number: int = 12, first: int = 101) -> Path:
        """A zip of so many different pictures."""
        files = {f"photo {n}.jpg": data for n, data in enumerate(pictures(number, first))}
        return zipped(self.folder / f"set{next(self._numbers)}.zip", files)


def pictures(number: int = 10, first: int = 1) -> list[bytes]:
    """Different photos; another `first` gives others."""
    return [encoded(photo(first + n)) for n in range(number)]


@asynccontextmanager
async def scene(folder: Path, *, local: str = "", **env: str) -> AsyncIterator[Scene]:
    """A fake Telegram, and bots to be started. At the end nobody may have gone beyond a limit of Telegram's.

    `local`: the name of a folder, for a Bot API server in local mode.
    """
    async with TelegramServer(local=folder / local if local else None).open() as server:
        one = Scene(server, folder, env)
        try:
            yield one
            assert server.violations == []
        except BaseException as error:
            one.explain(error)
            raise
        finally:
            for bot in one.bots:
                if bot.running:
                    await bot.dies()


def play(folder: Path, scenario: Scenario, **how: Any) -> None:
    """Run `scenario` in a scene of its own."""

    async def whole() -> None:
        async with scene(folder, **how) as one:
            await scenario(one)

    asyncio.run(whole())


class Evening:
    """Scenes of different people, played side by side: each is a test of its own, all take as long as the longest.

    A chat may be written to once a second and a training has its length, so most of a scene is waiting, which costs
    nothing here. Scenes of `scene` share one bot, each with its own people; one of `alone` has a Telegram for itself.
    """

    def __init__(self) -> None:
        self._together: dict[str, Scenario] = {}
        self._alone: dict[str, tuple[Scenario, dict[str, str]]] = {}
        self._ended: dict[str, BaseException | None] = {}

    def scene(self, scenario: Scenario) -> Test:
        """Turn `scenario` into a test; its bot runs already."""
        self._together[scenario.__name__] = scenario
        return self._test(scenario.__name__)

    def alone(self, **env: str) -> Callable[[Scenario], Test]:
        """Turn a scenario into a test that starts its bots itself."""

        def turned(scenario: Scenario) -> Test:
            self._alone[scenario.__name__] = scenario, env
            return self._test(scenario.__name__)

        return turned

    def _test(self, name: str) -> Test:
        def test(tmp_path_factory: pytest.TempPathFactory) -> None:
            if not self._ended:
                asyncio.run(self._played(tmp_path_factory.mktemp("evening")))
            if (error := self._ended[name]) is not None:
                raise error

        test.__name__ = name
        return pytest.mark.timeout(300)(test)  # whoever comes first plays them all, on whatever is left of the machine

    async def _played(self, folder: Path) -> None:
        async with asyncio.TaskGroup() as group:
            for name, (scenario, env) in self._alone.items():
                group.create_task(self._judged(name, self._by_itself(scenario, folder / name[:40], env)))
            if self._together:
                await self._shared(folder)

    async def _by_itself(self, scenario: Scenario, folder: Path, env: Mapping[str, str]) -> None:
        folder.mkdir()
        async with scene(folder, **env) as one:
            await scenario(one)

    async def _shared(self, folder: Path) -> None:
        """All scenes that share a bot. Its own sins are everybody's."""
        async with scene(folder) as one:
            await one.starts()
            async with asyncio.TaskGroup() as group:
                for name, scenario in self._together.items():
                    group.create_task(self._judged(name, scenario(one), one))
            await one.bots[0].ends()

    async def _judged(self, name: str, scene: Coroutine[Any, Any, None], one: Scene | None = None) -> None:
        """An error ends its own scene only, and is raised by its own test."""
        self._ended[name] = None
        try:
            await scene
        except Exception as error:  # noqa: BLE001  # whatever it is
            if one is not None:
                one.explain(error)
            self._ended[name] = error


evening = Evening()  # of several files: whatever can share a bot
night = Evening()  # of several files: whatever needs a bot of its own
late = Evening()  # the same, played by make torture only


def webhook() -> dict[str, str]:
    """Settings of a bot behind a webhook, at a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {"PUBLIC_URL": PUBLIC, "WEB_BIND": f"127.0.0.1:{port}", "TELEGRAM_WEBHOOK_SECRET": SECRET}


def finished(one: Seen) -> bool:
    """Whether this is the message of a model that is ready."""
    return "<lora:" in one.text


def _bare(home: Path) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}  # noqa: TID251  # a child's own
    return {**keep, "HOME": str(home)}
