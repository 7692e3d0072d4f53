"""The market's query language: operators per field, numbers that come as strings, "any", and the cap of 64."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

CAP: Final = 64  # offers in one answer, whatever `limit` says (facts/vast.md 3)
SCOPES: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {  # names a query knows and an offer does not have
    "verified": lambda row: row["verification"] == "verified",
    "datacenter": lambda row: row["hosting_type"] == 1,
    "external": lambda row: bool(row["external"]),
    "driver_version": lambda row: row["driver_vers"],
    "geolocation": lambda row: (row["geolocation"] or "")[-2:],
    "id": lambda _: None,  # matches nothing; ask_contract_id is the one that works
}
PLAIN: Final = frozenset({"order", "type", "limit", "allocated_storage", "q", "select_cols", "client_id", "disable_bundling"})


class BadQuery(Exception):
    """A key or an operator the market does not know."""


def chosen(rows: Iterable[dict[str, Any]], query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows that fit `query`, in its order, at most CAP. Raises BadQuery."""
    found = [row for row in rows if all(_fits(row, field, want) for field, want in query.items() if field not in PLAIN)]
    for field, way in reversed(query.get("order") or [["score", "desc"]]):
        found.sort(key=lambda row, name=field: _sortable(row.get(name)), reverse=way == "desc")
    return found[: min(CAP, int(query.get("limit") or CAP))]


def matches(row: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    """The same for select_filters of instances."""
    return all(_fits(row, field, want) for field, want in filters.items())


def _fits(row: Mapping[str, Any], field: str, want: Any) -> bool:
    if field not in SCOPES and field not in row:
        raise BadQuery(f"Error in query parameters: {field} is not a valid search key")
    have = SCOPES[field](row) if field in SCOPES and field not in {"id"} | _own(row) else row.get(field)
    if field == "id" and "ask_contract_id" in row:
        return False
    wanted = want if isinstance(want, Mapping) else {"eq": want}
    return all(_holds(have, op, value) for op, value in wanted.items())


def _own(row: Mapping[str, Any]) -> set[str]:
    """Scopes that an instance row answers by itself."""
    return set() if "ask_contract_id" in row else set(row)


def _holds(have: Any, op: str, value: Any) -> bool:
    if value in ("any", None):
        return True
    if op in {"in", "notin"}:
        return any(_same(have, one) for one in value) is (op == "in")
    if op in {"eq", "neq"}:
        return _same(have, value) is (op == "eq")
    if op not in {"gt", "gte", "lt", "lte"}:
        raise BadQuery(f"Error in query parameters: {op} is not a valid search op")
    left, right = _number(have), _number(value)
    if left is None or right is None:
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[op]


def _same(have: Any, value: Any) -> bool:
    left, right = _number(have), _number(value)
    return left == right if left is not None and right is not None else str(have) == str(value)


def _number(value: Any) -> float | None:
    """Numbers arrive as strings from the official client."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _sortable(value: Any) -> tuple[bool, float, str]:
    number = _number(value)
    return (value is not None, number if number is not None else 0.0, "" if number is not None else str(value))
