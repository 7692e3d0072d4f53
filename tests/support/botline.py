"""A Bot API in this process: aiogram's own client and models, and answers that a test lays out. No socket."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from typing import Any

from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.methods import TelegramMethod

from bot.platforms.telegram.wire import Wire

TOKEN = "424242:AAtoken-of-no-bot-at-all_0123456789abc"
BASE = "https://telegram.example"


class Line(BaseSession):
    """What was called, in order. An answer is (status, body); laid out ones go first, method by method."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []  # methods of aiogram's
        self.laid: defaultdict[str, deque[tuple[int, dict[str, Any]] | Exception]] = defaultdict(deque)
        self.files: dict[str, bytes | Exception] = {}  # by file_path
        self.slow: dict[str, float] = {}  # seconds before a file begins to come
        self.asked: list[str] = []  # addresses of files
        self._numbers = 100

    def of(self, name: str) -> list[Any]:
        return [call for call in self.calls if call.__api_method__ == name]

    @property
    def names(self) -> list[str]:
        return [call.__api_method__ for call in self.calls]

    def refuse(self, name: str, code: int, why: str, **parameters: Any) -> None:
        body = {"ok": False, "error_code": code, "description": why}
        self.laid[name].append((code, body | ({"parameters": parameters} if parameters else {})))

    async def make_request(self, bot: Bot, method: TelegramMethod[Any], timeout: int | None = None) -> Any:  # noqa: ASYNC109  # aiogram's
        self.calls.append(method)
        laid = self.laid[method.__api_method__]
        answer = laid.popleft() if laid else (200, {"ok": True, "result": self._answer(method)})
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return self.check_response(bot, method, status, json.dumps(body)).result

    async def stream_content(
        self,
        url: str,
        headers: Any = None,
        timeout: int = 30,  # noqa: ASYNC109  # aiogram's
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        self.asked.append(url)
        await asyncio.sleep(self.slow.get(url.rpartition("/")[2], 0.0))
        found = self.files[url.rpartition("/")[2]]
        if isinstance(found, Exception):
            raise found
        for at in range(0, len(found), chunk_size):
            yield found[at : at + chunk_size]

    async def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, method: Any) -> Any:
        match method.__api_method__:
            case "getMe":
                return {"id": 424242, "is_bot": True, "first_name": "Train", "username": "TrainBot"}
            case "getFile":
                return {"file_id": method.file_id, "file_unique_id": f"u{method.file_id}", "file_path": method.file_id}
            case name if name.startswith(("send", "editMessage")):
                number = getattr(method, "message_id", None)
                if number is None:
                    self._numbers += 1
                    number = self._numbers
                chat = {"id": int(method.chat_id), "type": "private" if int(method.chat_id) > 0 else "supergroup"}
                return {"message_id": number, "date": 0, "chat": chat, "text": "…"}
            case _:
                return True


def a_wire(**how: Any) -> tuple[Wire, Line]:
    line = Line()
    return Wire(TOKEN, BASE, session=line, **how), line
