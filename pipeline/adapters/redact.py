"""The redactor knows the secrets' VALUES: whatever road one took into a log line, it does not come out."""

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "[secret]"
SHORTEST: Final = 6  # shorter ones would blot out common words; no real token is that short
DEEPEST: Final = 6  # of nested values in one log line


TALKATIVE: Final = ("httpx", "httpcore", "asyncssh", "urllib3", "botocore", "openai", "asyncio")


def hush() -> None:
    """Libraries that log whole URLs and commands at INFO speak from WARNING on."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class Secrets:
    """Values that must not be seen. Also a structlog processor: place it last before the renderer."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Secrets({len(self._values)})"

    def learn(self, *values: str) -> None:
        """Hide each of `values` from now on, as it is and as it looks inside a URL or a repr."""
        for value in values:
            if len(value) >= SHORTEST:
                self._values |= {value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1]}
        if self._values:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def hide(self, text: str) -> str:
        """Return `text` without the secrets we know."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Clean a structlog event dictionary, keys and nested values included."""
        return {self.hide(str(key)): self._seen(value, DEEPEST) for key, value in event.items()}

    def _seen(self, value: Any, depth: int) -> Any:
        """Keep harmless scalars and containers, turn everything else into clean text: its repr may hold anything."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping) and depth:
            return {self.hide(str(key)): self._seen(item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth:
            return [self._seen(item, depth - 1) for item in value]
        if isinstance(value, bytes | bytearray):
            return self.hide(bytes(value).decode("utf-8", "replace"))
        return self.hide(repr(value))


secrets: Final = Secrets()  # one per process, like the log it guards
