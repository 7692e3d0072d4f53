"""GET /api/v1/instances/: pages of at most 25, a token that is base64 of the last id, filters on stored columns only."""

import base64
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from pipeline.sandbox.mart import answers
from pipeline.sandbox.mart.filters import BadQuery, matches

MOST: Final = 25
FEW: Final = 5  # what a limit of 0 means
COMPUTED: Final = frozenset({"dph_total", "num_gpus", "gpu_frac", "uptime_mins"})  # filtering by these is refused


def page(rows: list[dict[str, Any]], query: Mapping[str, str]) -> web.Response:
    """One page, or the market's own refusal."""
    try:
        filters = json.loads(query.get("select_filters") or "{}")
        if COMPUTED & set(filters):
            raise BadQuery(f"Error in query parameters: {', '.join(COMPUTED & set(filters))} is not a valid search key")
        found = [row for row in rows if matches(row, filters)]
        after = _after(query.get("after_token") or "")
    except BadQuery as wrong:
        return answers.error(400, "invalid_request", str(wrong))
    except ValueError:
        return answers.error(400, "invalid_token", "Bad token")
    limit = int(query.get("limit") or MOST)
    limit = FEW if limit <= 0 else min(limit, MOST)
    fresh = [row for row in found if row["id"] > after]
    shown = fresh[:limit]
    more = len(fresh) > limit
    return answers.ok(
        {
            "success": True, "instances_found": len(found), "total_instances": len(rows),
            "label_counts": Counter(row["label"] or "" for row in rows), "instances": _columns(shown, query) or None,
            "next_token": _token(shown[-1]["id"]) if more else None,
        }
    )  # fmt: skip


def _columns(rows: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = json.loads(query.get("select_cols") or '["*"]')
    return rows if "*" in wanted else [{name: row.get(name) for name in wanted} for row in rows]


def _token(last: int) -> str:
    return base64.b64encode(json.dumps({"values": {"id": last}}).encode()).decode()


def _after(token: str) -> int:
    """Raises ValueError for a token that is none."""
    if not token:
        return 0
    try:
        return int(json.loads(base64.b64decode(token, validate=True))["values"]["id"])
    except (KeyError, TypeError, UnicodeDecodeError) as wrong:
        raise ValueError("Bad token") from wrong
