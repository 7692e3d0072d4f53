"""Endpoints of the account: who it is and what it has left, its SSH keys, its bill, and a rental's log."""

import asyncio
from typing import Any, Final

from aiohttp import web

from pipeline.sandbox.market import billing, filters, wire
from pipeline.sandbox.market.floor import Floor
from pipeline.sandbox.market.gate import Caller, Route
from pipeline.sandbox.market.keys import USER
from pipeline.sandbox.market.rentals import Rental
from pipeline.sandbox.market.wire import Refusal, Row

LOG_READY: Final = 1.5  # seconds until a requested log can be fetched
CHARGES: Final = 100  # rows of a page, at most


class Desk:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._logs: dict[str, tuple[float, str]] = {}

    def routes(self) -> list[Route]:
        return [
            Route(method="GET", path="/api/v0/users/current", op="user", handler=self.user),
            Route(method="GET", path="/api/v0/ssh", op="keys", handler=self.keys),
            Route(method="POST", path="/api/v0/ssh", handler=self.add_key, gap=1.0),
            Route(method="DELETE", path="/api/v0/ssh/{key:\\d+}", handler=self.remove_key),
            Route(method="GET", path="/api/v0/charges", op="charges", handler=self.charges, gap=1.0),
            Route(method="PUT", path="/api/v0/instances/request_logs/{id:\\d+}", handler=self.request_log, gap=1.0),
            Route(method="GET", path="/logs/{name:[0-9a-f]+}.log", handler=self.log, open=True),
        ]

    async def user(self, _request: web.Request, _: Caller) -> web.Response:
        credit = round(self._floor.credit(), 6)
        keys = self._floor.keys.all()
        return wire.answer(
            {
                "id": USER,
                "email": "sandbox@example.com",
                "username": "sandbox",
                "fullname": "Sandbox",
                "credit": credit,
                "balance": 0.0,
                "has_billing": True,
                "can_pay": True,
                "ssh_key": keys[0].public if keys else None,
                "api_key": None,
            }
        )

    async def keys(self, _request: web.Request, _: Caller) -> web.Response:
        rows = [key.row("key") for key in self._floor.keys.all()]
        if not rows:
            raise Refusal(404, "no_ssh_keys", "No SSH keys found")
        return wire.answer(rows)

    async def add_key(self, request: web.Request, _: Caller) -> web.Response:
        said = (await wire.body(request)).get("ssh_key")
        key = self._floor.keys.add(said, self._floor.number(), self._floor.clock())
        return wire.yes(key=key.row("public_key"))

    async def remove_key(self, request: web.Request, _: Caller) -> web.Response:
        self._floor.keys.remove(int(request.match_info["key"]))
        return wire.yes()

    async def charges(self, request: web.Request, _: Caller) -> web.Response:
        """Per rental; `day` is asked for as a range of seconds since 1970."""
        asked = wire.nested(request.query, "select_filters", {})
        if "day" not in asked:
            raise Refusal(400, "invalid_request", "day is required")
        wanted = filters.conditions(asked, {"day", "type"})
        now = self._floor.clock()
        rows = [billing.charge(rental, now, self._floor.speed) for rental in self._floor.everyone()]
        found = [row for row in rows if filters.fits(row | {"day": row["start"]}, wanted)]
        order = [("start", request.query.get("latest_first", "").lower() == "true"), ("source", False)]
        return _page(filters.ordered(found, order), order, request.query)

    async def request_log(self, request: web.Request, _: Caller) -> web.Response:
        """The first of two steps: an address where the log will be."""
        rental = self._floor.find(int(request.match_info["id"]))
        name = self._floor.token()
        late = self._floor.faults.lasts("log-late")
        ready = asyncio.get_running_loop().time() + (LOG_READY if late is None else late) / self._floor.speed
        if self._floor.faults.strikes("log-never"):
            return wire.yes(result_url=f"{self._floor.base}/logs/never.log", msg="Log request sent")
        tail = (await wire.body(request)).get("tail")
        self._logs[name] = (ready, _tail(rental, tail))
        return wire.yes(result_url=f"{self._floor.base}/logs/{name}.log", msg="Log request sent")

    async def log(self, request: web.Request, _: Caller) -> web.Response:
        """The second: nobody has to say who they are, and too early is 403, as a bucket answers."""
        ready, text = self._logs.get(request.match_info["name"], (float("inf"), ""))
        if asyncio.get_running_loop().time() < ready:
            return web.Response(
                status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="application/xml"
            )
        return web.Response(text=text)


def _tail(rental: Rental, lines: Any) -> str:
    """What the container said, and the daemon before it."""
    file = rental.box.onstart_log
    said = file.read_text("utf-8", "replace").splitlines() if file.exists() else []
    count = int(lines) if str(lines).isdigit() else 1000
    return "\n".join([*rental.log, *said][-count:]) + "\n"


def _page(rows: list[Row], order: filters.Order, query: Any) -> web.Response:
    mark = query.get("after_token")
    rest = filters.after(rows, order, mark) if mark else rows
    limit = query.get("limit", "")
    page = rest[: min(int(limit), CHARGES) if limit.isdigit() and int(limit) else CHARGES]
    more = filters.token(page[-1], order) if len(page) < len(rest) else None
    return wire.yes(results=page, count=len(page), total=len(rows), next_token=more)
