"""What the market took, per rental: rows of its bill, summed by their source (facts/vast.md 8)."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.adapters.providers.vast import fields
from pipeline.adapters.providers.vast.client import Line
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import InstanceId
from pipeline.domain.money import MicroUsd

PAGES: Final = 50
ROWS: Final = 100
AHEAD: Final = timedelta(days=60)  # both ends of the range must be said; nothing is billed ahead
_SOURCE: Final = re.compile(r"instance-(\d{1,18})")


async def charges(line: Line, since: datetime) -> dict[InstanceId, MicroUsd]:
    """Every page. Raises OperatorFault("market-down") for a bill that is not whole: half a sum is a lie."""
    days = {"gte": int(since.timestamp()), "lte": int((since + AHEAD).timestamp())}
    query = {
        "select_filters": json.dumps({"day": days, "type": {"in": ["instance"]}}), "format": "table",
        "limit": str(ROWS),
    }  # fmt: skip
    found: dict[InstanceId, MicroUsd] = {}
    after = ""
    for _ in range(PAGES):
        asked = query | ({"after_token": after} if after else {})
        said = await line.read("user", "GET", "/api/v0/charges/", params=asked)
        rows, token = _page(said)
        for row in rows:
            instance, amount = _charge(row)
            if instance is not None:
                found[instance] = MicroUsd(found.get(instance, 0) + amount)
        if not token:
            return found
        if token == after:
            break
        after = token
    raise OperatorFault("market-down", why="short-list")


def _page(said: object) -> tuple[list[Any], str]:
    if not isinstance(said, Mapping) or said.get("success") is False:
        raise OperatorFault("market-down", why="unreadable")
    rows, token = said.get("results"), said.get("next_token")
    if not isinstance(rows, list) or not isinstance(token, str | None):
        raise OperatorFault("market-down", why="unreadable")
    return rows, token or ""


def _charge(row: object) -> tuple[InstanceId | None, MicroUsd]:
    """Whose, and how much; None for what is no rental's."""
    source = row.get("source") if isinstance(row, Mapping) else None
    match = _SOURCE.fullmatch(source) if isinstance(source, str) else None
    if match is None or not isinstance(row, Mapping):
        return None, MicroUsd(0)
    return InstanceId(match[1]), fields.price(row, "amount")
