"""Composes the sandbox: market with its hosts, hub; and says by which settings a bot finds them."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.sandbox.hub import Hub
from pipeline.sandbox.market import Market
from pipeline.sandbox.market.floor import BOOTED, IMAGE_GB

SPEED: Final = 30.0  # times life: at this speed a 30-step job ends 20-60 s after Start
API_KEY: Final = "sandbox-market-key"
HUB_TOKEN: Final = "hf_sandbox"  # noqa: S105  # opens a hub on loopback
TOOLKIT: Final = Path(__file__).parent / "toolkit"


@dataclass(frozen=True, slots=True)
class Sandbox:
    market: Market
    hub: Hub
    env: Mapping[str, str]


def wall_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the world outside has its own clock


@asynccontextmanager
async def sandbox(
    folder: Path,
    *,
    speed: float = SPEED,
    seed: int = 7,
    faults: Mapping[str, int] | None = None,
    booted: tuple[float, float] = BOOTED,
    image_gb: float = IMAGE_GB,
) -> AsyncIterator[Sandbox]:
    """Start every server on a free loopback port; all state lies below `folder`; everything ends with the block.

    `faults` of the market, and how often each strikes; `booted` and `image_gb` as Market has them. Raises ValueError
    on an unknown name.
    """
    dice = random.Random(seed)  # noqa: TID251, RUF100  # a world of its own
    market = Market(
        folder=folder / "market", speed=speed, api_key=API_KEY, clock=wall_clock, dice=dice, booted=booted,
        image_gb=image_gb,
    )  # fmt: skip
    for name, times in (faults or {}).items():
        market.faults.arm(name, times=times)
    hub = Hub(folder=folder / "hub", speed=speed, clock=wall_clock, dice=dice)
    hub.add_token(HUB_TOKEN, "sandbox")
    try:
        env = {
            "VAST_URL": await market.start(),
            "VAST_API_KEY": API_KEY,
            "HF_ENDPOINT": await hub.start(),
            "HF_TOKEN": HUB_TOKEN,
            "TOOLKIT_DIR": str(TOOLKIT),
            "PACE": str(1 / speed),
        }
        yield Sandbox(market=market, hub=hub, env=env)
    finally:
        await market.stop()
        await hub.stop()
