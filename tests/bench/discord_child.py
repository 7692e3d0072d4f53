"""The bot of the Discord figures, a process of its own. Its order comes on stdin: token, api, gateway, DMs.

A DM is (user, channel) of one who trains.
"""

import asyncio
import json
import sys
from typing import Any

from bot.platforms.discord.platform import Discord, Line
from pipeline.domain.account import Room
from pipeline.domain.ids import AccountId
from pipeline.domain.job import Address
from tests.bench.throng import Throng, serve
from tests.support.discord_town import Clerk


async def main(order: dict[str, Any]) -> None:
    people = [
        (AccountId(str(user)), Address("discord", f"d.{channel}.{user}", "en-US", Room.DM))
        for user, channel in order["dms"]
    ]
    platform = Discord(Line(token=order["token"], api=order["api"], gateway=order["gateway"]))
    await serve(platform, Clerk(), Throng(people=people, tick=2.0, joining=30.0))


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
