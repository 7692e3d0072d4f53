"""How an operator's command runs: books and market opened, faults told on stderr, an exit code that means something."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:  # keeps --help quick
    from bot.books import Trade
    from pipeline.domain.faults import Fault

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
    from bot.cli.common import run_until_signal, settings_or_exit  # noqa: PLC0415  # keeps --help quick

    settings = settings_or_exit("vast_api_key")

    async def whole() -> int:
        import asyncio  # noqa: PLC0415  # keeps --help quick

        from bot import logs  # noqa: PLC0415  # keeps --help quick
        from bot.books import trade  # noqa: PLC0415  # keeps --help quick
        from pipeline.domain.faults import Fault  # noqa: PLC0415  # keeps --help quick

        logs.set_up("critical" if quiet and settings.log_level != "debug" else settings.log_level, settings.log_format)
        try:
            async with trade(settings) as open_trade:
                return await work(open_trade)
        except Fault as fault:
            complain(fault)
            return CODES.get(fault.code, BAD_SETTINGS if fault.blame == "user" else FAILED)
        except asyncio.CancelledError:
            return INTERRUPTED

    raise typer.Exit(run_until_signal(whole))


def complain(fault: "Fault") -> None:
    """A fault in an operator's words, on stderr: stdout is for the answer alone."""
    from notifier.words import Words  # noqa: PLC0415  # keeps --help quick

    words = Words()
    text = words.fault(fault) if fault.blame == "user" else words.detail(fault.code, fault.facts)
    typer.echo(f"{fault.code}: {text}", err=True)


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
