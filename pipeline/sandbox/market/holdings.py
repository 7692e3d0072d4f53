"""Endpoints of the rentals: list and look, label, start and stop, destroy, keys, logs."""

import json
import math
from typing import Any, Final

from aiohttp import web

from pipeline.sandbox.market import filters, wire
from pipeline.sandbox.market.floor import Floor
from pipeline.sandbox.market.gate import Caller, Route, not_yours
from pipeline.sandbox.market.rentals import COMPUTED, Rental, check_label
from pipeline.sandbox.market.wire import Refusal, Row

PAGE: Final = 25
PAGE_WHEN_NONSENSE: Final = 5
QUEUED: Final = "Required resources are currently unavailable, state change queued."
NONE: Final[Row] = {"look-empty": [], "look-hollow": [{}]}  # how a look spells that there is none; else null
ONE: Final = "/api/v0/instances/{id:\\d+}"


class Holdings:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> list[Route]:
        return [
            Route(method="GET", path="/api/v1/instances", op="list", handler=self.page, gap=1.0),
            Route(method="GET", path="/api/v0/instances", handler=self.list_of_old),
            Route(method="DELETE", path="/api/v0/instances", op="destroy", handler=self.destroy_many, gap=3.0),
            Route(method="GET", path="/api/v0/instances/filters", handler=self.filters),
            Route(method="GET", path=ONE, op="look", handler=self.show, gap=2.0),
            Route(method="PUT", path=ONE, op="change", handler=self.change, gap=1.0, scoped=True),
            Route(method="DELETE", path=ONE, op="destroy", handler=self.destroy, gap=3.0, scoped=True),
            Route(method="PUT", path="/api/v0/instances/reboot/{id:\\d+}", handler=self.reboot, gap=1.0),
            Route(method="GET", path=ONE + "/ssh", handler=self.keys),
            Route(method="POST", path=ONE + "/ssh", handler=self.attach),
            Route(method="DELETE", path=ONE + "/ssh/{key:\\d+}", handler=self.detach, gap=2.0),
        ]

    def _rental(self, request: web.Request) -> Rental:
        return self._floor.find(int(request.match_info["id"]))

    def _own(self, request: web.Request, caller: Caller) -> Rental:
        """The rental named in the path. Raises Refusal(403) when a rental's key reaches for another one."""
        number = int(request.match_info["id"])
        if caller.instance not in {None, number}:
            raise not_yours()
        return self._floor.find(number)

    @staticmethod
    def _kept(rental: Rental) -> Rental:
        """Raises Refusal(404) for one that was destroyed and lingers: nothing brings it back."""
        if rental.ended is not None:
            raise Refusal(404, "no_such_instance", f"Instance {rental.id} not found.")
        return rental

    async def page(self, request: web.Request, _: Caller) -> web.StreamResponse:
        """A page of at most 25, after the token, of what fits the filters."""
        faults, mark = self._floor.faults, request.query.get("after_token")
        if mark and faults.strikes("list-insert"):
            self._floor.appear()
        rows = [rental.row(self._floor.clock()) for rental in self._floor.visible()]
        order = _order(wire.nested(request.query, "order_by", []))
        found = filters.ordered(self._fitting(request, rows), order)
        rest = filters.after(found, order, mark) if mark else found
        page = rest[: _limit(request.query.get("limit"))]
        labels = [row["label"] or "" for row in found]
        shown = page[:-1] if page and faults.strikes("list-short") else page
        return wire.yes(
            instances_found=len(page),
            total_instances=len(found),
            label_counts={label: labels.count(label) for label in dict.fromkeys(labels)},
            next_token=filters.token(page[-1], order) if len(page) < len(rest) else None,
            instances=None
            if faults.strikes("list-null")
            else [_columns(row, wire.nested(request.query, "select_cols", [])) for row in shown],
        )

    @staticmethod
    def _fitting(request: web.Request, rows: list[Row]) -> list[Row]:
        asked = wire.nested(request.query, "select_filters", {})
        known = rows[0].keys() - COMPUTED if rows else asked.keys() - COMPUTED
        wanted = filters.conditions(asked, known)
        return [row for row in rows if filters.fits(row, wanted)]

    async def list_of_old(self, _request: web.Request, _: Caller) -> web.Response:
        msg = "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead."
        raise Refusal(410, "deprecated_endpoint", msg)

    async def filters(self, _request: web.Request, _: Caller) -> web.Response:
        rows = [rental.row(self._floor.clock()) for rental in self._floor.visible()]
        combos = [{key: row[key] for key in ("actual_status", "verification", "gpu_name")} for row in rows]
        return wire.answer({"filters": [combo for at, combo in enumerate(combos) if combo not in combos[:at]]})

    async def show(self, request: web.Request, _: Caller) -> web.Response:
        """One object under a plural name; null when there is none, with 200."""
        number = int(request.match_info["id"])
        rows = [rental.row(self._floor.clock()) for rental in self._floor.visible() if rental.id == number]
        if rows:
            return wire.answer({"instances": {k: v for k, v in rows[0].items() if k != "volume_info"}})
        spelled = [none for name, none in NONE.items() if self._floor.faults.strikes(name)]
        return wire.answer({"instances": spelled[0] if spelled else None})

    async def change(self, request: web.Request, caller: Caller) -> web.Response:
        """`state` or `label`; a rental's own key may not change the label."""
        rental, said = self._kept(self._own(request, caller)), await wire.body(request)
        if "label" in said and caller.instance is None:
            check_label(said["label"])
            rental.order = rental.order.labelled(said["label"])
        elif said.get("state") == "stopped":
            self._floor.stop(rental)
        elif said.get("state") == "running":
            queued = self._floor.faults.lasts("start-queued")
            if queued is not None:
                self._floor.start_later(rental, queued)
                return wire.answer({"success": False, "msg": QUEUED})
            self._floor.start(rental)
        else:
            raise Refusal(400, "invalid_args", "Nothing to change")
        return wire.yes()

    async def reboot(self, request: web.Request, _: Caller) -> web.Response:
        self._floor.reboot(self._kept(self._rental(request)))
        return wire.yes()

    async def destroy(self, request: web.Request, caller: Caller) -> web.Response:
        rental = self._own(request, caller)
        undone = self._floor.faults.lasts("destroy-undone")
        if undone is not None:
            self._floor.hide(rental, undone)
            return wire.yes()
        self._floor.destroy(rental)
        return wire.yes()

    async def destroy_many(self, request: web.Request, _: Caller) -> web.Response:
        numbers = (await wire.body(request)).get("instance_ids")
        if not isinstance(numbers, list) or not all(isinstance(each, int) for each in numbers):
            raise Refusal(400, "invalid_args", "instance_ids is a list of numbers")
        for rental in [self._floor.find(number) for number in numbers]:
            self._floor.destroy(rental)
        return wire.yes()

    async def keys(self, request: web.Request, _: Caller) -> web.Response:
        """JSON inside a JSON string, as life sends it."""
        rows = [key.row("public_key") for key in self._rental(request).keys.all()]
        return wire.yes(ssh_keys=json.dumps(rows))

    async def attach(self, request: web.Request, _: Caller) -> web.Response:
        said = await wire.body(request)
        self._rental(request).keys.add(said.get("ssh_key"), self._floor.number(), self._floor.clock())
        return wire.yes(msg="SSH key attached successfully")

    async def detach(self, request: web.Request, _: Caller) -> web.Response:
        self._rental(request).keys.remove(int(request.match_info["key"]))
        return wire.yes()


def _order(said: Any) -> filters.Order:
    """[{"col": "id", "dir": "asc"}, ...]; `id` last, so that pages never overlap. Raises Refusal(400)."""
    try:
        pairs = [(str(each["col"]), each.get("dir") == "desc") for each in said]
    except (TypeError, KeyError, AttributeError):
        raise Refusal(400, "invalid_request", "Invalid order_by") from None
    return pairs if any(column == "id" for column, _ in pairs) else [*pairs, ("id", False)]


def _limit(said: str | None) -> int:
    try:
        asked = PAGE if said is None else math.floor(float(said))
    except (ValueError, OverflowError):
        asked = 0
    return min(asked, PAGE) if asked > 0 else PAGE_WHEN_NONSENSE


def _columns(row: Row, wanted: list[Any]) -> Row:
    """The whole row, or the wanted columns: an unknown one comes back null."""
    return {str(column): row.get(str(column)) for column in wanted} if wanted and wanted != ["*"] else row
