"""How demo, chat and sandbox are staged: a world on loopback, the real program before it, a terminal as the chat."""

import asyncio
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TextIO, cast

import typer

from bot import logs
from bot.assembly import Station, station
from bot.platforms.terminal import Terminal
from bot.ports import Said
from notifier.words import Words
from pipeline.domain.ids import AccountId, Identity
from pipeline.domain.job import Address, Job
from pipeline.domain.stage import End
from pipeline.sandbox.pictures import make_pictures, make_zip
from pipeline.sandbox.world import Sandbox, sandbox
from pipeline.settings import Settings

WELCOME = 20_000
LOG_TAIL = 8_000  # of the log, shown when the demo was not true
ME = Identity("terminal:me")
HERE = Address("terminal", "me")


async def play_demo(pictures: Path | None, steps: int, speed: float) -> int:
    """Play the conversation; 0 only if what it shows is true: file, hash, machines, money."""
    async with _stage(speed, typed=False) as (world, whole, terminal, folder):
        words = Words()
        terminal.narrate(words.say("demo-begin"))
        source = pictures or make_zip(make_pictures(folder / "pictures"), folder / "pictures.zip")
        await _say(whole, terminal, "/start")
        await _say(whole, terminal, f"/train mytrigger steps={steps}", source)
        account = await whole.intake.account(ME)
        job = await _press_start(whole, account, terminal)
        if job is None:
            return 1
        job = await _until_over(whole, account, job)
        for text in ("/models", "/balance", "/receipts"):
            await _say(whole, terminal, text)
        failures = await _lies(world, whole, job)
        if failures:
            terminal.narrate(words.say("demo-failed", what=", ".join(failures)))
        else:
            terminal.narrate(words.say("demo-end", folder=str(folder)))
        if failures:
            typer.echo((folder / "log.txt").read_text(encoding="utf-8")[-LOG_TAIL:], err=True)
        return 1 if failures else 0


async def play_chat(speed: float) -> int:
    """A conversation by hand."""
    async with _stage(speed, typed=True) as (_, whole, terminal, folder):
        source = make_zip(make_pictures(folder / "pictures"), folder / "pictures.zip")
        terminal.narrate(Words().say("chat-begin", file=str(source)))
        await terminal.run(whole.desk.hear)
    return 0


async def keep_sandbox(env_file: Path | None, speed: float, faults: Mapping[str, int]) -> int:
    """Serve until cancelled. `faults`: names of the market's, and how often each strikes."""
    with _scratch(keep=False) as folder:
        async with sandbox(folder / "world", speed=speed, faults=faults) as world:
            lines = "".join(f"{key}={value}\n" for key, value in world.env.items())
            if env_file is None:
                typer.echo(lines, nl=False)
            else:
                _write_whole(env_file, lines)
            await asyncio.Event().wait()
    return 0


def _write_whole(file: Path, text: str) -> None:
    """Whoever sees the file sees all of it."""
    part = file.with_name(f".{file.name}.part")
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    part.replace(file)


@asynccontextmanager
async def _stage(speed: float, *, typed: bool) -> AsyncIterator[tuple[Sandbox, Station, Terminal, Path]]:
    """The world and the program; `typed`: somebody sits at the keyboard."""
    silent = Path(os.devnull)
    with _scratch(keep=not typed) as folder, _opened(folder / "log.txt", "w") as log, _opened(silent) as nobody:
        logs.set_up(into=log)
        async with sandbox(folder / "world", speed=speed) as world:
            settings = _settings(world, folder)
            terminal = Terminal(stdin=sys.stdin if typed else nobody)
            try:
                async with station(settings, {terminal.name: terminal}) as whole:
                    yield world, whole, terminal, folder
            finally:
                terminal.close()


def _opened(file: Path, mode: str = "r") -> TextIO:
    return cast("TextIO", file.open(mode, encoding="utf-8"))


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    """A folder of ours alone, without a letter that the trainer stumbles over. `keep` leaves what was made in it."""
    folder = Path(tempfile.gettempdir()) / f"trainstation-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder / "world" if keep else folder, ignore_errors=True)


def _settings(world: Sandbox, folder: Path) -> Settings:
    """Exactly what the env file says; the environment and .env of this shell have no part in it."""
    values = {key.lower(): value for key, value in world.env.items()}
    return Settings(_env_file=None, data_dir=folder / "data", welcome_points=WELCOME, **values)  # type: ignore[arg-type]  # pydantic reads text


async def _say(whole: Station, terminal: Terminal, text: str, *files: Path) -> None:
    await terminal.echo(text, *files)
    await whole.desk.hear(Said(identity=ME, address=HERE, text=text, attachments=files))


async def _press_start(whole: Station, account: AccountId, terminal: Terminal) -> Job | None:
    """Press the first button of the quote card, as a person does."""
    action = terminal.first_action()
    if action is None:
        return None
    await terminal.echo("1")
    await whole.desk.hear(Said(identity=ME, address=HERE, pressed=action))
    jobs = await whole.intake.jobs(account)
    return jobs[0] if jobs else None


async def _until_over(whole: Station, account: AccountId, job: Job) -> Job:
    """Until the job is over and its message says so."""
    while not job.over:
        await asyncio.sleep(0.2)
        job, _ = await whole.intake.job(account, job.id)
    while not (await whole.shown.of(job.id)).final:  # noqa: ASYNC110  # the store is asked, as an outsider would
        await asyncio.sleep(0.1)
    return job


async def _lies(world: Sandbox, whole: Station, job: Job) -> list[str]:
    """What of the story is not true: empty when the demo may be believed."""
    found = []
    if job.ending is None or job.ending.end is not End.DONE or job.artifact is None:
        return ["job"]
    stem = job.repo.rsplit("/", 1)[-1]
    published = world.hub.file(job.repo, f"{stem}.safetensors")
    home = whole.spool.path(job.artifact.file)
    if not home.is_file() or published is None:
        found.append("file")
    elif _sha256(home) != job.artifact.sha256 or _sha256(published) != job.artifact.sha256:
        found.append("sha256")
    if world.market.live():
        found.append("machine")
    if (await whole.books.ledger.audit()).total:
        found.append("ledger")
    return found


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
