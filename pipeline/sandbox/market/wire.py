"""Shapes of the market's answers and questions on the wire (facts/vast.md 1, 2, 6)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

Row = dict[str, Any]

LONGEST: Final = 1024 * 1024  # bytes of a question


class Refusal(Exception):
    """The market says no: a status and the body that goes with it."""

    def __init__(self, status: int, error: str, msg: str, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"success": False, "error": error, "msg": msg, **more}


def answer(body: Any, status: int = 200) -> web.Response:
    """JSON whose content type has no charset: the official client refuses one that has."""
    data = json.dumps(body).encode()
    return web.Response(body=data, status=status, headers={"Content-Type": "application/json"})


def yes(**more: Any) -> web.Response:
    return answer({"success": True, **more})


def refused(refusal: Refusal) -> web.Response:
    return answer(refusal.body, refusal.status)


def too_fast(gap: float) -> web.Response:
    """429 as life spells it: plain text, no Retry-After."""
    return web.Response(text=f"API requests too frequent: endpoint threshold={gap:g}", status=429)


def page(status: int, title: str) -> web.Response:
    """What a proxy in front of the market says when it has nothing better."""
    return web.Response(
        text=f"<html><head><title>{title}</title></head></html>", status=status, content_type="text/html"
    )


async def body(request: web.Request) -> Row:
    """The question's JSON object, {} when there is none. Raises Refusal(400)."""
    raw = await request.content.read(LONGEST)
    try:
        said = json.loads(raw) if raw else {}
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Refusal(400, "invalid_request", "Invalid JSON in request body")
    return said


def nested(query: Mapping[str, str], name: str, default: Any) -> Any:
    """A query argument that holds JSON. Raises Refusal(400) when it does not, or is of another type than `default`."""
    try:
        said = json.loads(query[name]) if name in query else default
    except ValueError:
        said = None
    if not isinstance(said, type(default)):
        raise Refusal(400, "invalid_request", f"Invalid JSON in {name}")
    return said
