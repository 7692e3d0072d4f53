"""How an operator's command runs: books and market opened, faults told on stderr, an exit code that means something."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Books, Trade
    from notifier.words import Words
    from pipeline.domain.faults import Fault
    from pipeline.settings import Settings

OK: Final = 0
FAILED: Final = 1
BAD_SETTINGS: Final = 2
BLIND: Final = 3  # the market could not be read: nothing was done
INTERRUPTED: Final = 130
CODES: Final = {
    **dict.fromkeys(("market-down", "market-busy", "market-refused", "market-searches"), BLIND),
    **dict.fromkeys(("market-key", "market-key-missing", "market-key-scope", "url-not-https"), BAD_SETTINGS),
}


def operate(work: Callable[["Trade"], Awaitable[int]], *, quiet: bool = True) -> None:
    """Run `work` on books and market and leave with its exit code. `quiet`: only errors of ours are logged."""

    async def whole(settings: "Settings") -> int:
        from bot.books import trade  # noqa: PLC0415  # keeps --help quick

        async with trade(settings) as open_trade:
            return await work(open_trade)

    raise typer.Exit(operated(whole, "vast_api_key", quiet=quiet))


def read_only(work: Callable[["Books"], Awaitable[int]]) -> int:
    """Run `work` on the books alone, which need only DATA_DIR; its exit code."""

    async def whole(settings: "Settings") -> int:
        from bot.books import books  # noqa: PLC0415  # keeps --help quick

        async with books(settings) as open_books:
            return await work(open_books)

    return operated(whole)


def operated(work: Callable[["Settings"], Awaitable[int]], *need: str, quiet: bool = True) -> int:
    """Run `work` on settings of which `need` are there; its exit code, or that of the fault it ended with."""
    from bot.cli.common import run_until_signal, settings_or_exit  # noqa: PLC0415  # keeps --help quick

    settings = settings_or_exit(*need)

    async def whole() -> int:
        import asyncio  # noqa: PLC0415  # keeps --help quick

        from bot import logs  # noqa: PLC0415  # keeps --help quick
        from pipeline.domain.faults import Fault  # noqa: PLC0415  # keeps --help quick

        logs.set_up("critical" if quiet and settings.log_level != "debug" else settings.log_level, settings.log_format)
        try:
            return await work(settings)
        except Fault as fault:
            complain(fault)
            return exit_code(fault)
        except asyncio.CancelledError:
            return INTERRUPTED

    return run_until_signal(whole)


def exit_code(fault: "Fault") -> int:
    """2: somebody here can set it right; 3: the market could not be read; 1: all else."""
    return CODES.get(fault.code, BAD_SETTINGS if fault.blame == "user" else FAILED)


def guarded(fault: "Fault") -> NoReturn:
    """Leave with `fault` told."""
    complain(fault)
    raise typer.Exit(exit_code(fault))


def complain(fault: "Fault") -> None:
    """A fault in an operator's words, on stderr: stdout is for the answer alone."""
    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick

    typer.echo(f"{fault.code}: {_told(fault, Words())}", err=True)


def _told(fault: "Fault", words: "Words") -> str:
    """A person's own fault as the chat tells it, but for those that name a command which only a chat has."""
    if fault.blame != "user":
        return words.detail(fault.code, fault.facts)
    own = f"ops-fault-{fault.code}"
    return words.say(own) if words.knows(own) else words.fault(fault)


def say(key: str, **facts: str | float) -> None:
    """A sentence on stderr: stdout is for the answer alone."""
    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick

    typer.echo(Words().say(key, **facts), err=True)


def print_json(value: Any) -> None:
    """The one thing on stdout."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def number(name: str) -> int | str:
    """An id as the market's own JSON has it."""
    return int(name) if name.isdigit() else name
