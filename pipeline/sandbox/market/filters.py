"""The market's query language: {"column": {"operator": value}}, numbers as strings, "any"; orders; page tokens."""

import base64
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.sandbox.market.wire import Refusal, Row

Order = Sequence[tuple[str, bool]]  # column, whether descending
Condition = tuple[str, str, Any]  # column, operator, value


def alike(have: Any, want: Any) -> tuple[Any, Any]:
    """Both sides in one type: the official client sends most numbers as strings."""
    if isinstance(want, str) and isinstance(have, bool):
        return have, want.lower() in {"true", "1"}
    if isinstance(want, str) and isinstance(have, int | float):
        try:
            return have, float(want)
        except ValueError:
            return str(have), want
    if isinstance(have, str) and isinstance(want, int | float) and not isinstance(want, bool):
        return have, str(want)
    return have, want


def same(have: Any, want: Any) -> bool:
    left, right = alike(have, want)
    return bool(left == right)


def compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A comparison that null never passes."""

    def holds(have: Any, want: Any) -> bool:
        left, right = alike(have, want)
        try:
            return left is not None and right is not None and test(left, right)
        except TypeError:
            return False

    return holds


OPS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": same,
    "neq": lambda have, want: not same(have, want),
    "gt": compared(lambda have, want: have > want),
    "gte": compared(lambda have, want: have >= want),
    "lt": compared(lambda have, want: have < want),
    "lte": compared(lambda have, want: have <= want),
    "in": lambda have, want: any(same(have, each) for each in want),
    "notin": lambda have, want: not any(same(have, each) for each in want),
}


def conditions(filters: Mapping[str, Any], keys: Iterable[str]) -> list[Condition]:
    """Each condition that constrains. Raises Refusal(400) on an unknown column or operator."""
    known = frozenset(keys)
    found = []
    for column, tests in filters.items():
        if column not in known:
            raise _bad(f"{column} is not a valid search key")
        for op, want in (tests if isinstance(tests, dict) else {"eq": tests}).items():
            if op not in OPS:
                raise _bad(f"{op} is not a valid search op")
            if op in {"in", "notin"} and not isinstance(want, list):
                raise _bad(f"{op} wants a list")
            if want != "any":
                found.append((column, op, want))
    return found


def _bad(what: str) -> Refusal:
    return Refusal(400, "invalid_request", f"Error in query parameters: {what}")


def fits(row: Row, wanted: Iterable[Condition]) -> bool:
    return all(OPS[op](row.get(column), want) for column, op, want in wanted)


def compare(order: Order, left: Row, right: Row) -> int:
    """-1, 0 or 1. Null comes last in either direction."""
    for column, down in order:
        a, b = left.get(column), right.get(column)
        if a == b:
            continue
        if a is None or b is None:
            return 1 if a is None else -1
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        less = a < b if numbers else str(a) < str(b)
        return -1 if less != down else 1
    return 0


def ordered(rows: Iterable[Row], order: Order) -> list[Row]:
    return sorted(rows, key=functools.cmp_to_key(functools.partial(compare, order)))


def token(row: Row, order: Order) -> str:
    """Where the page that ends with `row` ends: base64 of {"values": {column: value}}."""
    values = {column: row.get(column) for column, _ in order}
    return base64.b64encode(json.dumps({"values": values}).encode()).decode()


def after(rows: Iterable[Row], order: Order, mark: str) -> list[Row]:
    """Rows of the pages that follow `mark`; the row it came from may be gone. Raises Refusal(400, "invalid_token")."""
    try:
        values = json.loads(base64.b64decode(mark, validate=True))["values"]
        known = values.keys() == {column for column, _ in order}
    except (ValueError, KeyError, TypeError, AttributeError):
        known, values = False, {}
    if not known:
        raise Refusal(400, "invalid_token", "Invalid pagination token")
    return [row for row in rows if compare(order, row, values) > 0]
