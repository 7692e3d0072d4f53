"""What a refusal of the market means. Its words count before its status: a wrong key is a 404, a taken offer a 400."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.adapters.http import Reply, Unanswered
from pipeline.domain.faults import Fact, Fault, HostFault, OperatorFault

TOO_FAST: Final = 429
_OURS: Final = (  # what only we can mend, by the words that say so
    ("market-key-missing", ("requires login",)),
    ("market-key", ("auth_error", "invalid user key", "session expired")),
    ("market-team-key", ("team_ssh_keys_not_supported",)),
    ("market-credit", ("insufficient_credit", "lacks credit", "missing_billing")),
    ("market-searches", ("search_quota_exceeded",)),
    ("market-quota", ("spend_rate_limit",)),
)
_TAKEN: Final = ("no_such_ask", "not available", "no longer available")
_NO_RENTAL: Final = ("no_such_instance", "not_found", "not found")


def refusal(reply: Reply) -> Fault:
    """The fault behind a reply that is not a success. Facts hold its status and its words, cleaned."""
    said = reply.body[:4096].decode("utf-8", "replace").lower()
    facts: dict[str, Fact] = {"status": reply.status, "said": reply.said()}
    for code, words in _OURS:
        if _any(words, said):
            return OperatorFault(code, **facts)
    if gone(reply):
        return HostFault("rental-gone", **facts)
    if reply.status in {400, 404, 409, 410} and _any(_TAKEN, said):
        return HostFault("offer-gone", **facts)
    return OperatorFault(_by_status(reply), **facts)


def _by_status(reply: Reply) -> str:
    """What is left when the words say nothing we know. A 4xx that is no JSON comes from somebody in between."""
    if reply.status == TOO_FAST:
        return "market-busy"
    if reply.status == 401:  # noqa: PLR2004  # HTTP
        return "market-key"
    if reply.status == 403 and _object(reply) is not None:  # noqa: PLR2004  # HTTP
        return "market-key-scope"
    refused = 400 <= reply.status < 500 and _object(reply) is not None  # noqa: PLR2004  # HTTP
    return "market-refused" if refused else "market-down"


def gone(reply: Reply) -> bool:
    """Whether a refusal says that a rental does not exist: in JSON and in words; a proxy's 404 page says nothing."""
    said = _object(reply)
    text = f"{said.get('error')} {said.get('msg')}".lower() if said is not None else ""
    return reply.status in {404, 410} and _any(_NO_RENTAL, text)


def already(reply: Reply) -> bool:
    """Whether a key was refused only because it is known."""
    return reply.status < 500 and "already" in reply.said(400).lower()  # noqa: PLR2004  # HTTP


def _any(words: tuple[str, ...], said: str) -> bool:
    return any(each in said for each in words)


def _object(reply: Reply) -> Mapping[str, Any] | None:
    try:
        said = reply.json()
    except Unanswered:
        return None
    return said if isinstance(said, Mapping) else None
