"""logs: what the trainer of a job prints, from its machine while it trains, from the spool afterwards."""

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bot.cli.operate import FAILED, OK, read_only, say
from bot.cli.train import Job_

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Books
    from pipeline.domain.job import Job

EVERY: Final = 2.0  # seconds between two looks with -f
LONGEST: Final = 2000  # letters of a line
AT_HAND: Final = frozenset({"train", "collect"})  # stages in which the machine has a log


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation logs k3v9q0000000 -f")(logs)


def logs(
    job: Job_,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until it has ended")] = False,
) -> None:
    """Print the trainer's log as plain lines: nothing in it can act on a terminal."""

    async def work(books: "Books") -> int:
        from bot.cli import counter  # noqa: PLC0415  # keeps --help quick

        found, offset, whole = await counter.known(books.store, job), 0, b""
        while found.machine is not None and found.stage in AT_HAND:
            part = await _more(books, found, offset)
            offset += len(part)
            whole = _print(whole + part)
            if not part and not follow:
                return OK
            await asyncio.sleep(0 if part else books.settings.rhythm().seconds(EVERY))
            found = await counter.known(books.store, job)
        if offset:
            return OK
        return _kept(found, books.settings.data_dir.resolve() / "spool" / "jobs" / found.id)

    raise typer.Exit(read_only(work))


async def _more(books: "Books", job: "Job", offset: int) -> bytes:
    """The log from `offset` on, as far as one look goes."""
    from pipeline.adapters.ssh import SshHosts  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.faults import HostFault  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.box import LOG_CAP, Command, folder  # noqa: PLC0415  # keeps --help quick
    from pipeline.trainers.pump import LOG  # noqa: PLC0415  # keeps --help quick

    if job.machine is None or not job.machine.host_key:
        raise HostFault("machine-missing")
    script = f"tail -c +{offset + 1} {folder(job.id)}/{LOG} 2>/dev/null | head -c {LOG_CAP}"
    async with SshHosts(books.settings.ssh_key).open(job.machine) as host:
        return (await host.run(Command("log", script, cap=LOG_CAP + 1024))).out


def _print(said: bytes) -> bytes:
    """Whole lines as plain letters; of a bar drawn over itself, the last drawing. Answers what is no line yet."""
    from pipeline.domain.text import line  # noqa: PLC0415  # keeps --help quick

    *whole, rest = said.split(b"\n")
    for each in whole:
        drawn = re.sub(rb"\x1b\[[0-9;]{0,16}[A-Za-z]", b"", each.rstrip(b"\r")).rsplit(b"\r", 1)[-1]
        sys.stdout.write(f"{line(drawn, LONGEST)}\n")
    sys.stdout.flush()
    return rest[-(1 << 20) :]


def _kept(job: "Job", spool: Path) -> int:
    """What came home of a run that is over."""
    kept = sorted(spool.glob("run*.log"))
    if not kept:
        say("ops-no-log", job=job.id)
        return FAILED
    _print(kept[-1].read_bytes() + b"\n")
    return OK
