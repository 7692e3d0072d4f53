"""What every command shares: settings read or refused with exit code 2, and an event loop that ends on a signal."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:  # keeps --help quick
    from pipeline.settings import Settings

BAD_SETTINGS = 2


def settings_or_exit(*need: str, **over: Any) -> "Settings":
    """Read the environment; every mistake in one message on stderr, exit code 2."""
    from pipeline.settings import BadSettings, load  # noqa: PLC0415  # keeps --help quick

    try:
        return load(need, **over)
    except BadSettings as error:
        typer.echo(f"settings:\n{error}", err=True)
        raise typer.Exit(BAD_SETTINGS) from None


def run_until_signal(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run `work`; SIGINT and SIGTERM cancel it, and it ends clean. Its result is the exit code."""
    os.umask(0o077)  # whatever this process writes is its owner's alone

    from pipeline.settings import BadSettings  # noqa: PLC0415  # keeps --help quick

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, task.cancel)
        try:
            return await work()
        except asyncio.CancelledError:
            return 0

    try:
        return asyncio.run(main())
    except BadSettings as error:
        sys.stderr.write(f"settings:\n{error}\n")
        return BAD_SETTINGS
