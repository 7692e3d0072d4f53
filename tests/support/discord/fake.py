"""Discord on loopback: REST, gateway and CDN as one server, and the people who use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from tests.support.discord.body import STATE, Exchange
from tests.support.discord.cdn import Cdn
from tests.support.discord.gateway import Gateway
from tests.support.discord.limits import Limits, Refuse
from tests.support.discord.people import Person
from tests.support.discord.rest import API, Rest
from tests.support.discord.rules import REQUEST_BYTES
from tests.support.discord.state import Channel, Interaction, State, User

TOKEN: Final = "MTIz.discord.sandbox-token"


class Discord:
    """All of Discord that a bot can touch. `channel` is a server's channel where the bot is a member."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.state = State()
        self.limits = Limits(self.state)
        self.gateway = Gateway(self.state, token)
        self.rest = Rest(self.state, self.gateway, self.limits, token)
        self.cdn = Cdn(self.state)
        self.channel = self.state.guild()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=2 * REQUEST_BYTES)
        app[STATE] = self.state
        app.add_routes([*self.rest.routes(), *self.gateway.routes(), *self.cdn.routes()])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.state.base = f"http://{host}:{port}"

    async def stop(self) -> None:
        self.cdn.open.set()
        await self.gateway.drop(1001)
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def env(self) -> dict[str, str]:
        """Settings by which a bot finds it."""
        return {
            "DISCORD_TOKEN": self.token,
            "DISCORD_API_URL": self.state.base + API,
            "DISCORD_GATEWAY_URL": self.gateway.url,
        }

    def person(self, number: int, *, locale: str = "en-US", name: str = "", refuses: int = 0) -> Person:
        user = User(id=number, name=name or f"Person{number}", locale=locale, refuses=refuses)
        self.state.users[number] = user
        return Person(user, self.state, self.gateway)

    def passes(self, seconds: float) -> None:
        """Discord's clock, and nobody else's, goes on by so much."""
        self.state.clock.passes(seconds)
        self.state.bell.ring()

    def refuse(self, method: str, path: str, **how: object) -> Refuse:
        """Answer the next requests that fit with 429."""
        return self.limits.order(Refuse(method=method, path=path, **how))  # type: ignore[arg-type]  # its own fields

    def asked(self, method: str, route: str) -> list[Exchange]:
        """What was asked of a route, as Discord's description writes it."""
        return [one for one in self.rest.exchanges if (one.method, one.route) == (method, route)]

    def answered(self, one: Interaction, code: int) -> bool:
        """Whether something said by the token of `one` was refused with `code`."""
        return any(
            isinstance(each.answer, dict) and each.answer.get("code") == code and one.token in each.path
            for each in self.rest.exchanges
        )

    async def online(self, seconds: float = 30) -> None:
        """Wait until a client is connected and was greeted."""
        await self.state.bell.until(lambda: self.gateway.online, lambda: f"{self.gateway.hung_up}", seconds)

    @property
    def violations(self) -> list[str]:
        """Everything the bot did that Discord forbids or counts against it."""
        return [*self.rest.breaches, *self.limits.exceeded, *self.gateway.hung_up]


@asynccontextmanager
async def discord(token: str = TOKEN) -> AsyncIterator[Discord]:
    """A fresh one, for as long as the block."""
    one = Discord(token)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


__all__ = ["Channel", "Discord", "discord"]
