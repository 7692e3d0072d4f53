"""Endpoints of the offer book: search in its three spellings, and rent."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from pipeline.sandbox.market import wire
from pipeline.sandbox.market.floor import Floor
from pipeline.sandbox.market.gate import Caller, Route
from pipeline.sandbox.market.offers import SAID_BESIDE, hollow
from pipeline.sandbox.market.rentals import outbid, read_order
from pipeline.sandbox.market.wire import Refusal, Row

SEARCH_GAP: Final = 6.0  # ten a minute
CREATE_GAP: Final = 4.5
CREATE_PENALTY: Final = 12.0
SPELLINGS: Final = {"offer-snatched": 410, "offer-snatched-404": 404, "offer-snatched-400": 400}


class Trade:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> list[Route]:
        return [
            Route(method="POST", path="/api/v0/bundles", op="search", handler=self.bundles, gap=SEARCH_GAP),
            Route(method="GET", path="/api/v0/bundles", op="search", handler=self.bundles_by_query, gap=SEARCH_GAP),
            Route(method="PUT", path="/api/v0/search/asks", op="search", handler=self.search_asks, gap=SEARCH_GAP),
            Route(
                method="PUT",
                path="/api/v0/asks/{id:\\d+}",
                op="rent",
                handler=self.rent,
                gap=CREATE_GAP,
                penalty=CREATE_PENALTY,
            ),
            Route(method="GET", path="/api/v0/gpu_names/unique", handler=self.gpu_names, open=True),
        ]

    async def bundles(self, request: web.Request, _: Caller) -> web.Response:
        return self._offers(await wire.body(request))

    async def bundles_by_query(self, request: web.Request, _: Caller) -> web.Response:
        return self._offers(wire.nested(request.query, "q", {}))

    async def search_asks(self, request: web.Request, _: Caller) -> web.Response:
        asked = (await wire.body(request)).get("q")
        return self._offers(asked if isinstance(asked, dict) else {})

    def _offers(self, query: Row) -> web.Response:
        faults, book = self._floor.faults, self._floor.book
        if faults.strikes("search-crowded"):
            book.crowd()
        deaf = faults.strikes("search-unfiltered")
        rows = book.search(
            {key: query[key] for key in query if key in SAID_BESIDE} if deaf else query, self._floor.clock()
        )
        if faults.strikes("search-nulls"):
            rows = [hollow(row) if count % 2 else row for count, row in enumerate(rows)]
        return wire.answer({"offers": rows})

    async def gpu_names(self, _request: web.Request, _: Caller) -> web.Response:
        return wire.answer({"gpu_names": self._floor.book.gpu_names()})

    async def rent(self, request: web.Request, _: Caller) -> web.StreamResponse:
        """A refusal costs nothing; a bid too low is refused and has made a rental all the same."""
        number, order = int(request.match_info["id"]), read_order(await wire.body(request))
        self._snatched(number)
        ask = self._floor.book.take(number)
        rate = ask.machine.rate * ask.size if order.price is None else order.price
        if self._floor.credit() < rate:
            self._floor.book.put_back(ask)
            raise Refusal(400, "insufficient_credit", "Your account lacks credit; see the billing page.")
        stopped = self._floor.faults.strikes("create-stopped")
        rental = self._floor.rent(ask, replace(order, stopped=order.stopped or stopped))
        if outbid(rental) or stopped:
            return wire.answer({"success": False, "msg": "bid is too low", "new_contract": rental.id})
        return wire.yes(new_contract=rental.id, instance_api_key=rental.key)

    def _snatched(self, number: int) -> None:
        """Somebody was faster. Raises Refusal, in one of life's three spellings."""
        for name, status in SPELLINGS.items():
            if self._floor.faults.strikes(name):
                self._floor.book.snatch(number)
                refusal = self._floor.book.gone(number)
                if status != refusal.status:
                    words = f"error {status}/3603: no_such_ask Instance type by id {number} is not available."
                    refusal = Refusal(status, "invalid_args" if status == 404 else "no_such_ask", words)  # noqa: PLR2004  # HTTP
                raise refusal
