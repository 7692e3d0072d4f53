"""Telegram as a chat platform: off without TELEGRAM_TOKEN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:  # aiogram takes seconds to import: only a bot that speaks Telegram pays for it
    from pathlib import Path

    from pydantic import SecretStr

    from bot.platforms.telegram.telegram import Telegram
    from pipeline.ports import Pace

NAME = "telegram"


class Configured(Protocol):
    """What the program's settings hold for us."""

    spoken: tuple[str, ...]
    telegram_token: SecretStr | None
    telegram_api_url: str
    telegram_local_dir: Path | None
    telegram_webhook_secret: SecretStr | None
    public_url: str | None
    web_bind: str

    def rhythm(self) -> Pace: ...


def build(settings: object) -> Telegram | None:
    """The platform, where it is on."""
    found = cast("Configured", settings)
    if NAME not in found.spoken or found.telegram_token is None:
        return None
    from bot.platforms.telegram.telegram import Config, Telegram  # noqa: PLC0415  # see above

    secret = found.telegram_webhook_secret
    return Telegram(
        Config(
            token=found.telegram_token.get_secret_value(),
            api_url=found.telegram_api_url,
            local_dir=found.telegram_local_dir,
            secret=secret.get_secret_value() if secret is not None else None,
            public_url=found.public_url or "",
            pace=found.rhythm(),
        )
    )
