"""Console script `trainstation`."""


def main() -> None:
    """Hand over to the command line; a command imports what it needs when it runs, so that --help is quick."""
    from bot.cli import app  # noqa: PLC0415  # see above

    app()


if __name__ == "__main__":
    main()
