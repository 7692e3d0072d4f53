"""Endpoints of the offer book: search in its three spellings, and rent."""

from typing import Final

from aiohttp import web

from pipeline.sandbox.market import wire
from pipeline.sandbox.market.floor import Floor
from pipeline.sandbox.market.gate import Caller, Route
from pipeline.sandbox.market.rentals import outbid, read_order
from pipeline.sandbox.market.wire import Refusal, Row

SEARCH_GAP: Final = 6.0  # ten a minute
CREATE_GAP: Final = 4.5
CREATE_PENALTY: Final = 12.0


class Trade:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> list[Route]:
        return [
            Route(method="POST", path="/api/v0/bundles", handler=self.bundles, gap=SEARCH_GAP),
            Route(method="GET", path="/api/v0/bundles", handler=self.bundles_by_query, gap=SEARCH_GAP),
            Route(method="PUT", path="/api/v0/search/asks", handler=self.search_asks, gap=SEARCH_GAP),
            Route(
                method="PUT", path="/api/v0/asks/{id:\\d+}", handler=self.rent, gap=CREATE_GAP, penalty=CREATE_PENALTY
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
        return wire.answer({"offers": self._floor.book.search(query, self._floor.clock())})

    async def gpu_names(self, _request: web.Request, _: Caller) -> web.Response:
        return wire.answer({"gpu_names": self._floor.book.gpu_names()})

    async def rent(self, request: web.Request, _: Caller) -> web.StreamResponse:
        """A refusal costs nothing; a bid too low is refused and has made a rental all the same."""
        number, order = int(request.match_info["id"]), read_order(await wire.body(request))
        if self._floor.faults.strikes("offer-snatched"):
            self._floor.book.snatch(number)
            raise self._floor.book.gone(number)
        ask = self._floor.book.take(number)
        rate = ask.machine.rate * ask.size if order.price is None else order.price
        if self._floor.credit() < rate:
            self._floor.book.put_back(ask)
            raise Refusal(400, "insufficient_credit", "Your account lacks credit; see the billing page.")
        rental = self._floor.rent(ask, order)
        if self._floor.faults.strikes("lost-create-reply"):
            return lost(request)
        if self._floor.faults.strikes("create-502"):
            return wire.page(502, "502 Bad Gateway")
        if outbid(rental):
            return wire.answer({"success": False, "msg": "bid is too low", "new_contract": rental.id})
        return wire.yes(new_contract=rental.id, instance_api_key=rental.key)


def lost(request: web.Request) -> web.StreamResponse:
    """Break the connection before the first byte of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
