"""Answers in the market's own forms."""

import json
from typing import Any

from aiohttp import web

from pipeline.sandbox.mart.rentals import Rental


def ok(body: object) -> web.Response:
    """200. The content type is exactly this: the official client refuses one with a charset."""
    return _json(200, body)


def error(status: int, name: str, said: str, **more: Any) -> web.Response:
    return _json(status, {"success": False, "error": name, "msg": said, **more})


def no_such_ask(ask: int, *, was_there: bool) -> web.Response:
    """Lost the race: 410. Never there: 404, under another name."""
    if was_there:
        said = f"error 410/3907: no_such_ask Instance type by id {ask} is no longer available."
        return error(410, "no_such_ask", said, ask_id=ask)
    said = f"error 404/3603: no_such_ask Instance type by id {ask} is not available."
    return error(404, "invalid_args", said, ask_id=ask)


def too_frequent(limit: str, seconds: float) -> web.Response:
    said = f"API requests too frequent: endpoint {limit} threshold={seconds}"
    return web.Response(status=429, text=said, content_type="text/plain")


def html(status: int, said: str) -> web.Response:
    return web.Response(status=status, text=f"<html><body><h1>{said}</h1></body></html>", content_type="text/html")


def account_key(number: int, key: str) -> dict[str, Any]:
    return {"id": number, "user_id": 456, "key": key, "created_at": "2026-11-24T00:00:00Z", "deleted_at": None}


def charge(rental: Rental, now: float, wall: float) -> dict[str, Any]:
    """One rental's row of /charges (facts/vast.md 8)."""
    gpu, disk = rental.cost(now)
    items = [
        {"type": "gpu", "description": "GPU", "amount": round(gpu, 6)},
        {"type": "disk", "description": "Storage", "amount": round(disk, 6)},
    ]
    return {
        "start": wall - 60, "end": wall, "type": "instance", "source": f"instance-{rental.id}", "description": "",
        "amount": round(gpu + disk, 6), "metadata": {"label": rental.label}, "items": items,
    }  # fmt: skip


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
