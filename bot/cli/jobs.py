"""jobs, stop, cancel: the trainings of this DATA_DIR, whoever ordered them, and an operator's word about one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.market import Json
from bot.cli.operate import OK, operate, print_json, read_only, say
from bot.cli.train import Job_

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Books, Trade
    from pipeline.domain.job import Job
    from pipeline.domain.progress import Progress
    from pipeline.domain.stage import Wish

Dry = Annotated[bool, typer.Option("--dry-run", help="say what it would do, do nothing")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation jobs --json")(jobs)
    app.command(epilog="Example: trainstation stop k3v9q0000000")(stop)
    app.command(epilog="Example: trainstation cancel k3v9q0000000 --dry-run")(cancel)


def jobs(
    most: Annotated[int, typer.Option(min=1, max=1000, help="the newest so many")] = 20, *, as_json: Json = False
) -> None:
    """Trainings, the newest first: where each stands and what it has cost. Needs only DATA_DIR."""

    async def work(books: "Books") -> int:
        from pipeline.flow.journal import load_progress  # noqa: PLC0415  # keeps --help quick
        from pipeline.flow.records import job_from  # noqa: PLC0415  # keeps --help quick

        found = [job_from(doc) for doc in await books.store.find("jobs", order="-changed_ms", limit=most)]
        rows = [_row(job, await load_progress(books.store, job.id), books) for job in found]
        if as_json:
            print_json(rows)
        elif rows:
            _show(rows)
        else:
            say("ops-no-jobs")
        return OK

    raise typer.Exit(read_only(work))


def _row(job: "Job", progress: "Progress | None", books: "Books") -> dict[str, Any]:
    from pipeline.domain.money import MICRO  # noqa: PLC0415  # keeps --help quick
    from pipeline.flow.deadlines import spent  # noqa: PLC0415  # keeps --help quick

    now, pace = books.clock.now(), books.settings.rhythm()
    step = job.artifact.step if job.artifact else progress.done if progress and progress.unit == "step" else 0
    state = job.ending.end if job.over and job.ending else job.stage
    return {
        "id": job.id, "slug": job.slug or job.recipe.slug, "state": state,
        "why": job.ending.code if job.ending else "", "step": step, "steps": job.recipe.steps,
        "gpu": job.machine.gpu if job.machine else "", "usd": round(spent(job, now, pace) / MICRO, 4),
        **_load(progress), "charged": job.charged, "account": job.account,
        "age_seconds": round((now - job.created_at).total_seconds() / pace.factor),
    }  # fmt: skip


def _load(progress: "Progress | None") -> dict[str, Any]:
    """What the machine in hand said of itself last."""
    return {name: getattr(progress, name, None) for name in ("gpu_percent", "vram_mb", "disk_free_gb")}


def _show(rows: list[dict[str, Any]]) -> None:
    from rich import box  # noqa: PLC0415  # keeps --help quick
    from rich.console import Console  # noqa: PLC0415  # keeps --help quick
    from rich.table import Table  # noqa: PLC0415  # keeps --help quick

    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick
    from pipeline.domain.money import micro  # noqa: PLC0415  # keeps --help quick

    words = Words()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "name", "state", "steps", "gpu", "cost", "age"):
        table.add_column(words.say(f"ops-column-{name}"), no_wrap=name != "name")
    for row in rows:
        ended = words.knows(f"end-{row['state']}")
        state = words.say(f"end-{row['state']}" if ended else f"stage-{row['state']}")
        table.add_row(
            row["id"], row["slug"], state, f"{row['step']}/{row['steps']}", row["gpu"], words.usd(micro(row["usd"])),
            words.duration(row["age_seconds"]),
        )  # fmt: skip
    Console(highlight=False, markup=False).print(table)


def stop(job: Job_, *, dry_run: Dry = False, as_json: Json = False) -> None:
    """Save a checkpoint, publish it marked incomplete, charge what ran."""
    from pipeline.domain.stage import Wish  # noqa: PLC0415  # keeps --help quick

    _wish(job, Wish.STOP, dry_run=dry_run, as_json=as_json)


def cancel(job: Job_, *, dry_run: Dry = False, as_json: Json = False) -> None:
    """Destroy its machine and charge the measured cost only. No model is made."""
    from pipeline.domain.stage import Wish  # noqa: PLC0415  # keeps --help quick

    _wish(job, Wish.CANCEL, dry_run=dry_run, as_json=as_json)


def _wish(job: str, wish: "Wish", *, dry_run: bool, as_json: bool) -> None:
    async def work(trade: "Trade") -> int:
        from bot.cli import counter  # noqa: PLC0415  # keeps --help quick
        from pipeline.domain.faults import UserFault  # noqa: PLC0415  # keeps --help quick

        found = await counter.known(trade.books.store, job)
        if found.stage.closing or found.over or found.ending is not None:
            raise UserFault("too-late")
        if not dry_run:
            found = await counter.counter(trade).wish(found.account, wish, found.id)
        live = counter.runs(trade.books.settings.data_dir)
        if as_json:
            print_json({"job": found.id, "wish": wish, "stored": not dry_run, "runner": live})
        else:
            say("ops-wish-dry" if dry_run else f"ops-wish-{wish}", job=found.id)
            if not live:
                say("ops-wish-later")
        return OK

    operate(work)
