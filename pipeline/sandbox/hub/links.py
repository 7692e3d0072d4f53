"""Signed, expiring addresses: whoever holds one may use it, without a token, until it ends."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from pipeline.sandbox.hub.answers import Refusal


class Links:
    """Signs `METHOD path` with every query value and the end of its life."""

    def __init__(self, key: bytes, clock: Callable[[], datetime]) -> None:
        """`key` never leaves; `clock` decides what has expired."""
        self._key, self._clock = key, clock

    def sign(self, method: str, path: str, life: timedelta, **values: str) -> str:
        """Answer `path?query`, good for `life`."""
        ends = (self._clock() + life).timestamp()
        query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Expires-At": f"{ends:.3f}", **values}
        return f"{path}?{urlencode({**query, 'X-Amz-Signature': self._seal(method, path, query)})}"

    def check(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Raises Refusal(403) on a changed or expired link, as storage does."""
        values = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        expected = self._seal("GET" if method == "HEAD" else method, path, values)
        if not hmac.compare_digest(expected.encode(), query.get("X-Amz-Signature", "").encode()):
            raise Refusal(403, "SignatureDoesNotMatch")
        if float(values["X-Amz-Expires-At"]) < self._clock().timestamp():
            raise Refusal(403, "Request has expired")

    def _seal(self, method: str, path: str, values: Mapping[str, str]) -> str:
        said = "\n".join([method, path, *(f"{name}={value}" for name, value in sorted(values.items()))])
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()
