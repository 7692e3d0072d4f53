"""The bot of the Telegram figures, a process of its own. Its order comes on stdin: token, api, the trainees' chats."""

import asyncio
import json
import sys
from typing import Any

from bot.platforms.telegram.telegram import Config, Telegram
from pipeline.domain.ids import AccountId
from pipeline.domain.job import Address
from tests.bench.throng import Throng, serve
from tests.support.office import Office


async def main(order: dict[str, Any]) -> None:
    people = [(AccountId(str(chat)), Address("telegram", str(chat))) for chat in order["chats"]]
    platform = Telegram(Config(token=order["token"], api_url=order["api"]))
    await serve(platform, Office(), Throng(people=people, tick=5.0, joining=15.0))  # as the pipeline reads


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
