"""Discord as a chat platform: slash commands, direct messages, buttons that never die."""

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from pydantic import SecretStr

    from bot.platforms.discord.platform import Discord

__all__ = ["build"]


class Configured(Protocol):
    """What the program's settings hold for us."""

    spoken: tuple[str, ...]
    discord_token: "SecretStr | None"
    discord_api_url: str
    discord_gateway_url: str | None
    discord_dev_guild: int | None


def build(settings: object) -> "Discord | None":
    """Discord, where it has a token and PLATFORMS does not leave it out."""
    ours = cast("Configured", settings)
    if "discord" not in ours.spoken or ours.discord_token is None:
        return None
    from bot.platforms.discord.platform import Discord, Line  # noqa: PLC0415  # a second that others need not pay

    return Discord(
        Line(
            token=ours.discord_token.get_secret_value(), api=ours.discord_api_url, gateway=ours.discord_gateway_url,
            dev_guild=ours.discord_dev_guild,
        )
    )  # fmt: skip
