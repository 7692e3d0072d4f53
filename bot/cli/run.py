"""run: the bot, from the environment alone."""

import typer


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: PLATFORMS=terminal trainstation run")(run)


def run() -> None:
    """Start the bot. SIGTERM ends it within seconds; trainings go on, and the next start adopts them."""
    from bot.cli.common import run_until_signal, settings_or_exit  # noqa: PLC0415  # keeps --help quick

    settings = settings_or_exit("vast_api_key", "hf_token")

    async def work() -> int:
        from bot import logs, platforms  # noqa: PLC0415  # keeps --help quick
        from bot.assembly import station, website  # noqa: PLC0415  # keeps --help quick
        from bot.cli.listen import listen  # noqa: PLC0415  # keeps --help quick
        from pipeline.adapters.discover import discover  # noqa: PLC0415  # keeps --help quick
        from pipeline.settings import BadSettings  # noqa: PLC0415  # keeps --help quick

        logs.set_up(settings.log_level, settings.log_format)
        found = discover(platforms, settings)  # each is an ear and a courier
        if not found:
            raise BadSettings("TELEGRAM_TOKEN or DISCORD_TOKEN: one is needed (or PLATFORMS=terminal)")
        async with station(settings, found) as whole, website(whole) as web:
            await listen(found, whole.desk.hear, {name: whole.grounds(name, web.mount) for name in found})
        return 0

    raise typer.Exit(run_until_signal(work))
