"""Other addresses of the same API. The library reads them from its classes, so this is the one place that writes there.

Set before login. What it then resumes by is the gateway's own answer (facts/chat.md 3b, way A).
"""

from typing import Final

import discord.gateway
import discord.http
import yarl

CDN: Final = frozenset({"cdn.discordapp.com", "media.discordapp.net"})


def point(api: str, gateway: str | None) -> None:
    """Let the library speak to `api` (with its version: ".../api/v10") and `gateway`; None: as Discord says."""
    discord.http.Route.BASE = api
    if gateway is not None:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def may_fetch(url: str, api: str) -> bool:
    """Whether an attachment may be fetched there: from Discord's own CDN, or from the host that `api` is on."""
    try:
        asked, ours = yarl.URL(url), yarl.URL(api)
    except ValueError:
        return False
    if asked.user or asked.password:
        return False
    if asked.host in CDN:
        return asked.scheme == "https" and asked.port == 443  # noqa: PLR2004  # https
    return asked.host == ours.host and asked.scheme == ours.scheme
