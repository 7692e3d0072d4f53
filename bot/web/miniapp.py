"""Who opened the page inside Telegram: `initData`, proved with the bot's token, and fresh.

By the book of core.telegram.org/bots/webapps. aiogram has the same check, but a page needs no four seconds of import;
a test holds ours against theirs.
"""

import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from pipeline.domain.ids import Identity
from pipeline.domain.job import Address

FRESH: Final = timedelta(hours=1)
AHEAD: Final = timedelta(minutes=5)  # their clock and ours
LONGEST: Final = 8192
PLATFORM: Final = "telegram"


def person(init_data: str, token: str, now: datetime) -> tuple[Identity, Address] | None:
    """Who it is and their private chat with the bot (which has their number); None when it proves nothing."""
    if not token or len(init_data) > LONGEST:
        return None
    try:
        pairs = parse_qsl(init_data, strict_parsing=True, keep_blank_values=True)
        said = dict(pairs)
        seal = said.pop("hash")
        if len(said) + 1 != len(pairs) or not hmac.compare_digest(seal.encode(), _seal(said, token).encode()):
            return None
        at = datetime.fromtimestamp(int(said["auth_date"]), UTC)
        user = json.loads(said["user"])
        number, locale = int(user["id"]), user.get("language_code") or "en"
    except (KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError):
        return None
    if not now - FRESH < at < now + AHEAD or not isinstance(locale, str):
        return None
    return Identity(f"{PLATFORM}:{number}"), Address(PLATFORM, str(number), locale[:35])


def _seal(said: dict[str, str], token: str) -> str:
    lines = "\n".join(f"{key}={said[key]}" for key in sorted(said))
    key = hmac.digest(b"WebAppData", token.encode(), "sha256")
    return hmac.digest(key, lines.encode(), "sha256").hex()
