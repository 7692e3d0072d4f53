"""explain: a trainer's log in plain words, for people. The same reader and the same verdict that watch our own jobs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bot.cli.market import Json
from bot.cli.operate import FAILED, OK, print_json

if TYPE_CHECKING:  # keeps --help quick
    from pipeline.trainers.log import Reading
    from pipeline.trainers.verdict import Verdict

STOPPED: Final = 4
UNFINISHED: Final = 5
CODES: Final = {"success": OK, "failed": FAILED, "stopped": STOPPED, "unfinished": UNFINISHED}
CHUNK: Final = 1 << 18  # a log of any size is read a piece at a time
SHOWN: Final = 4  # checkpoints named to a person; --json has all


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: trainstation explain train.log --exit-code 1 --json")(explain)


def explain(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="what the trainer printed")],
    exit_code: Annotated[
        int | None, typer.Option(help="its exit code, negative or 128 + n for a signal", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="the job's name, where the log does not tell", show_default=False)] = "",
    *,
    as_json: Json = False,
) -> None:
    """Say how a training went: success, failed and why, stopped, or unfinished (exit code 0, 1, 4 or 5)."""
    from pipeline.trainers.verdict import judge  # noqa: PLC0415  # keeps --help quick

    verdict = judge(readings(log), exit_code, name)
    if as_json:
        print_json(row(verdict))
    else:
        typer.echo("\n".join(told(verdict, ended=exit_code is not None)))
    raise typer.Exit(CODES[verdict.verdict])


def readings(log: Path) -> Iterator["Reading"]:
    """All readings of a file, a piece of it in memory at a time."""
    from pipeline.trainers.log import Reader  # noqa: PLC0415  # keeps --help quick

    reader = Reader()
    with log.open("rb") as file:
        while chunk := file.read(CHUNK):
            reader, found = reader.feed(chunk)
            yield from found
    yield from reader.finish()


def row(verdict: "Verdict") -> dict[str, object]:
    """The verdict as JSON: what is not known is null."""
    return {
        "verdict": verdict.verdict, "cause": verdict.cause or None, "step": verdict.step, "steps": verdict.steps,
        "loss": verdict.loss, "lr": verdict.lr, "phase": verdict.phase or None,
        "checkpoints": list(verdict.checkpoints),
    }  # fmt: skip


def told(verdict: "Verdict", *, ended: bool = True) -> Iterator[str]:
    """The verdict in sentences, one a line. `ended`: its exit code is known; before, a good end is not certain."""
    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick

    words = Words()
    saved = verdict.verdict == "success" and not ended  # the last samples follow the final save (facts 3.5)
    yield words.say("explain-saved" if saved else f"explain-{verdict.verdict}")
    if verdict.cause:
        sentence = words.say(f"explain-cause-{verdict.cause}")
        yield words.say("explain-cause", code=verdict.cause, sentence=sentence)
    if verdict.step is None:
        yield words.say("explain-no-steps")
    elif verdict.steps is None:
        yield words.say("explain-step", step=verdict.step)
    else:
        yield words.say("explain-steps", step=verdict.step, steps=verdict.steps)
    if verdict.loss is not None:
        yield words.say("explain-loss", loss=f"{verdict.loss:.4g}")
    if verdict.lr is not None:
        yield words.say("explain-lr", lr=f"{verdict.lr:.3g}")
    if verdict.phase:
        yield words.say("explain-phase", phase=words.say(f"phase-{verdict.phase}"))
    names, more = verdict.checkpoints[-SHOWN:], len(verdict.checkpoints) - SHOWN
    listed = ", ".join([*names, words.say("explain-more", count=more)] if more > 0 else names)
    yield words.say("explain-checkpoints", count=len(verdict.checkpoints), names=listed)
