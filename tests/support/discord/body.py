"""What a request carries: JSON or multipart, its files, the numbers in its path; and the record of it."""

import json
import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.support.discord import rules
from tests.support.discord.errors import Refusal, invalid
from tests.support.discord.state import State, Upload

STATE: Final = web.AppKey("state", State)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer, for tests and for the judge."""

    method: str
    path: str
    route: str  # as Discord's description writes it
    query: dict[str, str]
    at: float = 0.0  # seconds, the loop's
    body: Any = None
    files: list[str] = field(default_factory=list)
    status: int = 0
    answer: Any = None


Handler = Callable[[web.Request, Exchange], Awaitable[tuple[int, Any]]]
Row = tuple[str, str, Handler]  # method, path, who answers


def number(request: web.Request, key: str) -> int:
    text: str = request.match_info[key]
    if not text.isdigit():
        raise invalid(key, f'Value "{text}" is not snowflake.', "NUMBER_TYPE_COERCE")
    return int(text)


async def body_of(request: web.Request, exchange: Exchange | None = None) -> tuple[Any, list[Upload]]:
    """The JSON of a request and its files, whichever way they are written; files lie under channel 0 until kept."""
    if (request.content_length or 0) > rules.REQUEST_BYTES:
        raise Refusal(40005)
    try:
        if not request.content_type.startswith("multipart/"):
            return json.loads(await request.read()), []
        body: Any = {}
        files: list[tuple[str, str, bytes]] = []
        async for part in await request.multipart():
            data = bytes(await part.read(decode=False))  # type: ignore[union-attr]  # no part of ours is nested
            if part.name == "payload_json":  # type: ignore[union-attr]  # no multipart lies in another
                body = json.loads(data)
            else:
                files.append((part.name or "", part.filename or "file", data))  # type: ignore[union-attr]  # as above
    except ValueError:
        raise Refusal(50109) from None
    if exchange is not None:
        exchange.files = [name for _, name, _ in files]
    return body, [await _upload(request, index, *one) for index, one in enumerate(files)]


async def _upload(request: web.Request, index: int, field_name: str, name: str, data: bytes) -> Upload:
    if len(data) > rules.FILE_BYTES:
        raise Refusal(40005)
    if field_name != f"files[{index}]":
        raise invalid("files", f"{field_name!r} is not files[{index}]")
    state: State = request.app[STATE]
    made = state.new_id()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    path = f"/attachments/0/{made}/{name}"
    return Upload(id=made, name=name, kind=kind, data=data, path=path, made_at=state.clock.now())
