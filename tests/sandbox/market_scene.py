"""A market for tests, with a plain HTTP client that speaks as the account, and a quick way to rent."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from pipeline.sandbox.market import Market

KEY = "testkey"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading the world's authorities takes 60 ms, and nobody is asked
SPEED = 400.0  # a rental is up in about a quarter of a second
ORDER = {"client_id": "me", "image": "ostris/aitoolkit:1", "disk": 100, "env": {}, "runtype": "ssh_direc ssh_proxy"}
GOOD = {
    "verified": {"eq": True}, "num_gpus": {"eq": 1}, "gpu_frac": {"eq": 1}, "inet_down": {"gte": 3000},
    "order": [["dph_total", "asc"]],
}  # fmt: skip


def wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the market's own clock


class Client:
    """The wire, nothing hidden: every method returns the httpx answer or its JSON."""

    def __init__(self, market: Market, http: httpx.AsyncClient) -> None:
        self.market = market
        self.http = http

    async def offers(self, **query: Any) -> list[dict[str, Any]]:
        reply = await self.http.post("/api/v0/bundles/", json=query)
        found: list[dict[str, Any]] = reply.json()["offers"]
        return found

    async def create(self, ask: int, **order: Any) -> httpx.Response:
        return await self.http.put(f"/api/v0/asks/{ask}/", json=ORDER | order)

    async def rent(self, **order: Any) -> dict[str, Any]:
        """The reply to renting the cheapest good machine."""
        (offer, *_) = await self.offers(**GOOD)
        reply: dict[str, Any] = (await self.create(offer["id"], **order)).json()
        assert reply["success"], reply
        return reply

    async def row(self, number: int) -> dict[str, Any] | None:
        reply = await self.http.get(f"/api/v0/instances/{number}/", params={"owner": "me"})
        found: dict[str, Any] | None = reply.json()["instances"]
        return found

    async def until(self, number: int, right: Callable[[dict[str, Any] | None], bool]) -> dict[str, Any] | None:
        """Look until the row is as wanted; the test's own time limit ends a wait in vain."""
        while not right(row := await self.row(number)):  # noqa: ASYNC110  # the market tells nobody, it is asked
            await asyncio.sleep(0.01)
        return row

    async def running(self, number: int) -> dict[str, Any]:
        row = await self.until(number, lambda row: bool(row and row["ports"]))
        assert row is not None
        return row

    async def page(self, **query: Any) -> httpx.Response:
        return await self.http.get("/api/v1/instances/", params=query)


@asynccontextmanager
async def scene(folder: Path, *, speed: float = SPEED, credit: float = 25.0) -> AsyncIterator[Client]:
    dice = random.Random(7)
    market = Market(folder=folder, speed=speed, api_key=KEY, clock=wall, dice=dice, credit_usd=credit)
    base = await market.start()
    try:
        async with httpx.AsyncClient(base_url=base, verify=NO_TLS, headers={"Authorization": f"Bearer {KEY}"}) as http:
            yield Client(market, http)
    finally:
        await market.stop()


def played(folder: Path, act: Callable[[Client], Coroutine[Any, Any, None]], **how: float) -> None:
    async def play() -> None:
        async with scene(folder, **how) as client:
            await act(client)

    asyncio.run(play())
