"""Single fields of the market's rows: numbers that come as strings, ids, prices, addresses. Pure."""

import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from pipeline.adapters.http import public
from pipeline.domain.money import MicroUsd, micro
from pipeline.domain.text import line

Row = Mapping[str, Any]

MOST_USD: Final = 10_000.0  # an hour, a GB: beyond this a price is a lie or a bug, and floats stay finite
_ID = re.compile(r"[0-9]{1,18}")


def number(row: Row, *keys: str, most: float = 1e12) -> float | None:
    """The first of `keys` that holds a number from 0 to `most`; they come as strings too. None: there is none."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            found = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(found) and 0 <= found <= most:
            return found
    return None


def identity(row: Row, *keys: str) -> str | None:
    """The first of `keys` that is an id: digits only, since it goes into a path."""
    for key in keys:
        value = row.get(key)
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if _ID.fullmatch(text):
            return text
    return None


def word(row: Row, key: str, most: int = 80) -> str:
    value = row.get(key)
    return line(value, most) if isinstance(value, str) else ""


def price(row: Row, *keys: str) -> MicroUsd:
    """Dollars as micro-dollars, 0 when absent."""
    return micro(number(row, *keys, most=MOST_USD) or 0.0)


def address(row: Row, *, local: bool) -> str | None:
    """The box's public address, or None when there is none or it lies about being public."""
    said = said_address(row)
    return said if dialable(said, local=local) else None


def said_address(row: Row) -> str:
    return word(row, "public_ipaddr") or word(row, "public_ip")  # comes with blanks and newlines


def dialable(host: str, *, local: bool) -> bool:
    """Whether `host` is an address on the open internet; any address will do when the market itself is on loopback."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return local or public(found)
