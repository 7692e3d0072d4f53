"""The market on the wire: paths with and without a slash, its error bodies, its intervals, its exact content type."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from pipeline.sandbox.mart import answers
from pipeline.sandbox.mart.filters import BadQuery, chosen
from pipeline.sandbox.mart.listing import page

if TYPE_CHECKING:
    from pipeline.sandbox.mart.market import Market

Handler = Callable[[web.Request, re.Match[str]], Awaitable[web.StreamResponse]]
INTERVALS: Final = {  # seconds of life between two calls (facts/vast.md 6)
    "create": 4.5, "list": 1.0, "look": 2.0, "destroy": 3.0, "change": 1.0, "ssh": 1.0, "charges": 1.0,
}  # fmt: skip
SEARCHES, MINUTE = 10, 60.0
LENIENT: Final = 0.85  # of an interval: the real one is measured over a longer way


class Server:
    def __init__(self, market: "Market") -> None:
        self._market = market
        self._last: dict[str, float] = {}
        self._searches: list[float] = []
        account, number = r"/api/v0/ssh", r"/api/v0/instances/(\d+)"
        self._routes: list[tuple[str, str, str, Handler]] = [
            ("POST", r"/api/v0/bundles", "search", self._search),
            ("GET", r"/api/v0/bundles", "search", self._search),
            ("PUT", r"/api/v0/search/asks", "search", self._search),
            ("PUT", r"/api/v0/asks/(\d+)", "create", self._create),
            ("GET", r"/api/v1/instances", "list", self._list),
            ("GET", r"/api/v0/instances", "", self._deprecated),
            ("GET", r"/api/v0/instances/filters", "", self._filter_values),
            ("GET", number, "look", self._look),
            ("PUT", number, "change", self._change),
            ("DELETE", number, "destroy", self._destroy),
            ("DELETE", r"/api/v0/instances", "destroy", self._destroy_many),
            ("GET", rf"{number}/ssh", "ssh", self._instance_keys),
            ("POST", rf"{number}/ssh", "ssh", self._attach_key),
            ("GET", account, "ssh", self._keys),
            ("POST", account, "ssh", self._add_key),
            ("DELETE", rf"{account}/(\d+)", "ssh", self._drop_key),
            ("GET", r"/api/v0/users/current", "", self._user),
            ("GET", r"/api/v0/charges", "charges", self._charges),
        ]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=4 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._any)
        return app

    async def _any(self, request: web.Request) -> web.StreamResponse:
        """Authenticate, then route; everything the market does not know is a 404 of its own form."""
        path = request.path.rstrip("/")
        if path == "/api/v0/gpu_names/unique":  # the only door without a key
            names = sorted({row["gpu_name"] for row in self._market.offers(8.0)})
            return answers.ok({"gpu_names": names})
        refused = self._stranger(request, path)
        if refused is not None:
            return refused
        for method, pattern, limit, handler in self._routes:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                if limit and self._too_soon(limit):
                    return answers.too_frequent(limit, INTERVALS.get(limit, MINUTE / SEARCHES))
                return await handler(request, match)
        return answers.error(404, "not_found", f"no route for {request.method} {path}")

    def _stranger(self, request: web.Request, path: str) -> web.Response | None:
        """Wrong key 404, no key 403: the market's surprise. A rental's own key opens its own door only."""
        told = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.query.get("api_key", "")
        if not told:
            return answers.error(403, "auth_error", "This action requires login.")
        if told == self._market.api_key:
            return None
        for rental in self._market.rentals.values():
            if rental.key == told:
                own = re.fullmatch(rf"/api/v0/instances/{rental.id}", path)
                return (
                    None
                    if own and request.method in {"PUT", "DELETE"}
                    else answers.error(403, "auth_error", "Forbidden")
                )
        return answers.error(404, "auth_error", "Invalid user key")

    def _too_soon(self, limit: str) -> bool:
        if self._market.faults.take("429-text"):
            return True
        now = self._market.now
        if limit == "search":
            self._searches = [at for at in self._searches if now - at < MINUTE * LENIENT]
            self._searches.append(now)
            return len(self._searches) > SEARCHES
        soon = now - self._last.get(limit, float("-inf")) < INTERVALS[limit] * LENIENT
        if not soon:
            self._last[limit] = now
        return soon

    # --- offers

    async def _search(self, request: web.Request, _: re.Match[str]) -> web.Response:
        query = json.loads(request.query.get("q", "{}")) if request.method == "GET" else await request.json()
        query = {**query, **query.get("q", {})}
        allocated = float(query.get("allocated_storage") or 8.0)
        try:
            return answers.ok({"offers": chosen(self._market.offers(allocated), query)})
        except BadQuery as wrong:
            return answers.error(400, "invalid_request", str(wrong))

    async def _create(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        ask, order = int(match[1]), await request.json()
        if self._market.credit <= 0:
            return answers.error(400, "insufficient_credit", "Your account lacks credit; see the billing page.")
        if ":" not in str(order.get("image") or ""):
            return answers.error(500, "server_error", "Something went wrong on the server")
        if not isinstance(order.get("env", {}), dict | None):
            return answers.error(400, "invalid_args", "env must be an object")
        if self._market.faults.take("offer-snatched"):
            self._market.snatch(ask)
        rental = self._market.rent(ask, order)
        if rental is None:
            return answers.no_such_ask(ask, was_there=self._market.was_there(ask))
        if self._market.faults.take("lost-create-reply"):
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
        if self._market.faults.take("create-502"):
            return answers.html(502, "Bad Gateway")
        return answers.ok({"success": True, "new_contract": rental.id, "instance_api_key": rental.key})

    # --- rentals

    async def _list(self, request: web.Request, _: re.Match[str]) -> web.Response:
        if self._market.faults.take("list-html"):
            return answers.html(200, "Be right back")
        return page(self._market.rows(), request.query)

    async def _deprecated(self, _request: web.Request, _: re.Match[str]) -> web.Response:
        said = "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead."
        return answers.error(410, "deprecated_endpoint", said)

    async def _filter_values(self, _request: web.Request, _: re.Match[str]) -> web.Response:
        rows = self._market.rows()
        values = {
            name: sorted({str(row[name]) for row in rows}) for name in ("actual_status", "verification", "gpu_name")
        }
        return answers.ok({"filters": values})

    async def _look(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        rental = self._market.find(int(match[1]))
        row = rental.row(self._market.now, self._market.wall, self._market.speed) if rental else None
        return answers.ok({"instances": row})

    async def _change(self, request: web.Request, match: re.Match[str]) -> web.Response:
        rental, body = self._market.find(int(match[1])), await request.json()
        if rental is None or rental.destroyed is not None:
            return answers.error(404, "no_such_instance", f"Instance {match[1]} not found.")
        if "label" in body:
            rental.label = str(body["label"])[:1024]
        if body.get("state") == "stopped" and rental.stopped_at is None:
            rental.stopped_at, rental.wanted = self._market.now, "stopped"
            await rental.box.stop()
        if body.get("state") == "running" and rental.stopped_at is not None:
            return answers.ok(
                {"success": False, "msg": "Required resources are currently unavailable, state change queued."}
            )
        return answers.ok({"success": True})

    async def _destroy(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        rental = self._market.rentals.get(int(match[1]))
        if rental is None or rental.gone(self._market.now):
            return answers.error(404, "no_such_instance", f"Instance {match[1]} not found.")
        if self._market.faults.take("destroy-500"):
            return answers.html(500, "Internal Server Error")
        self._market.destroy(rental)
        if self._market.faults.take("destroy-500-applied"):
            return answers.html(500, "Internal Server Error")
        return answers.ok({"success": True})

    async def _destroy_many(self, request: web.Request, _: re.Match[str]) -> web.Response:
        for number in (await request.json()).get("instance_ids") or []:
            rental = self._market.rentals.get(int(number))
            if rental is not None:
                self._market.destroy(rental)
        return answers.ok({"success": True})

    # --- keys

    async def _instance_keys(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        rental = self._market.find(int(match[1]))
        if rental is None:
            return answers.error(404, "no_such_instance", f"Instance {match[1]} not found.")
        keys = [{"id": number, "ssh_key": key} for number, key in rental.keys.items()]
        return answers.ok({"success": True, "ssh_keys": json.dumps(keys)})  # a JSON string inside JSON

    async def _attach_key(self, request: web.Request, match: re.Match[str]) -> web.Response:
        rental, key = self._market.find(int(match[1])), str((await request.json()).get("ssh_key") or "")
        if rental is None:
            return answers.error(404, "no_such_instance", f"Instance {match[1]} not found.")
        if key not in rental.keys.values():
            rental.keys[self._market.new_id()] = key
        return answers.ok({"success": True, "msg": "SSH key attached successfully"})

    async def _keys(self, _request: web.Request, _: re.Match[str]) -> web.Response:
        keys = self._market.account_keys
        if not keys:
            return answers.error(404, "not_found", "No ssh keys found")  # "none" is spelled 404 here
        return answers.ok([answers.account_key(number, key) for number, key in keys.items()])

    async def _add_key(self, request: web.Request, _: re.Match[str]) -> web.Response:
        key, number = str((await request.json()).get("ssh_key") or ""), self._market.new_id()
        self._market.account_keys[number] = key
        return answers.ok({"success": True, "key": {**answers.account_key(number, key), "public_key": key}})

    async def _drop_key(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        if self._market.account_keys.pop(int(match[1]), None) is None:
            return answers.error(400, "no_ssh_key", "No such key")
        return answers.ok({"success": True})

    # --- money

    async def _user(self, _request: web.Request, _: re.Match[str]) -> web.Response:
        credit = round(self._market.credit, 6)
        return answers.ok(
            {"id": 456, "email": "ann@example.com", "username": "ann", "credit": credit, "balance": 0.0,
             "ssh_key": None, "api_key": self._market.api_key, "can_pay": True, "has_billing": True}
        )  # fmt: skip

    async def _charges(self, _request: web.Request, _: re.Match[str]) -> web.Response:
        rows = [answers.charge(rental, self._market.now, self._market.wall) for rental in self._market.rentals.values()]
        return answers.ok(
            {"success": True, "results": rows, "count": len(rows), "total": len(rows), "next_token": None}
        )
