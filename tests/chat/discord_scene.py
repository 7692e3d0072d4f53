"""The real bot as a process of its own, between a fake Discord and the sandbox: what every wire test stands on."""

import asyncio
import random
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.chat.telegram_scene import Bot, nursery, pictures
from tests.support.discord import Discord, File, Interaction, Message, Person, discord, oracle

SHORT: Final[dict[str, Any]] = {"steps": 100, "rank": 1, "samples": 0}  # the least work that is a whole training
PROMISED_FILES: Final = 10
DONE: Final = r"<lora:\S+:0\.8>"


@dataclass(slots=True)
class Scene:
    """`env`: what the bot is started with besides the sandbox and Discord."""

    there: Discord
    folder: Path
    env: dict[str, str]
    bots: list[Bot] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    async def starts(self, *, ready: bool = True, **env: str) -> Bot:
        """Start the bot; it is greeted by the gateway when this returns. Every start finds the same DATA_DIR."""
        greeted = len(self.there.gateway.identified)
        out = self.folder / f"bot{next(self._numbers)}.log"
        bot = Bot(nursery().begin(["run"], {**self.settings(), **env}, self.folder, out), out)
        self.bots.append(bot)
        if ready:
            await self.greeted(greeted, bot)
        return bot

    async def greeted(self, before: int, bot: Bot) -> None:
        """Wait until one more client than `before` was."""
        gateway = self.there.gateway
        await self.there.state.bell.until(
            lambda: len(gateway.identified) > before and gateway.online, lambda: f"a greeting; {bot.log[-3000:]}", 40
        )

    def settings(self) -> dict[str, str]:
        return {
            **nursery().world, **self.there.env, "PLATFORMS": "discord", "DATA_DIR": str(self.folder / "data"),
            "WELCOME_POINTS": "200000", "METRICS_BIND": "127.0.0.1:0", "LOG_LEVEL": "info", **self.env,
        }  # fmt: skip

    async def quoted(self, ann: Person, trigger: str = "ohwx", **options: Any) -> Message:
        """Order a short training in the server's channel; the quote."""
        order: dict[str, Any] = {"trigger": trigger, "dataset": File("set.zip", a_zip()), **SHORT, **options}
        await ann.slash("train", self.there.channel, **order)
        return await ann.finds("Start", self.there.channel)

    async def ordered(self, ann: Person, trigger: str = "ohwx", **options: Any) -> Interaction:
        """Order it and press Start."""
        return await ann.presses("Start", await self.quoted(ann, trigger, **options))


def a_zip(number: int = 12, first: int = 101, size: int = 0) -> bytes:
    """A zip of so many different pictures; noise that no picture needs makes it at least `size` bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for n, data in enumerate(pictures(number, first)):
            archive.writestr(f"photo {n}.jpg", data)
        if (left := size - out.tell()) > 0:
            archive.writestr("notes.txt", random.Random(7).randbytes(left))
    return out.getvalue()


def photos(number: int = PROMISED_FILES, first: int = 1) -> list[File]:
    return [File(f"IMG_{n}.jpg", data) for n, data in enumerate(pictures(number, first))]


@asynccontextmanager
async def scene(folder: Path, *, clean: bool = True, **env: str) -> AsyncIterator[Scene]:
    """A fake Discord, and a bot to be started.

    `clean`: at the end nobody may have broken a rule or gone beyond a limit. What was said is always Discord's grammar.
    """
    async with discord() as there:
        one = Scene(there, folder, env)
        try:
            yield one
        except AssertionError as error:
            for bot in one.bots:
                error.add_note(f"--- bot {bot.pid} ({bot.code}):\n{bot.log[-4000:]}")
            error.add_note(f"--- calls:\n{story(there)}")
            raise
        finally:
            for bot in one.bots:
                if bot.running:
                    await bot.dies()
        assert not clean or not there.violations, there.violations
        found = oracle.findings(there.rest.exchanges) if oracle.there() else []
        assert not found, "\n".join(found)


def story(there: Discord) -> str:
    """The last calls, one a line."""
    calls = there.rest.exchanges[-40:]
    return "\n".join(
        f"{one.at - calls[0].at:6.2f} {one.status} {one.method} {one.path[:60]} {str(one.body)[:160]}" for one in calls
    )


def play(folder: Path, scenario: Callable[[Scene], Coroutine[Any, Any, None]], **how: Any) -> None:
    """Run `scenario` in a scene of its own."""

    async def whole() -> None:
        async with scene(folder, **how) as one:
            await scenario(one)

    asyncio.run(whole())
