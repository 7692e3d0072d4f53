"""The way out over HTTP: capped bodies, one kind of error, a secret for its own host only, no proxy, no redirect."""

import asyncio
import functools
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline.adapters.redact import secrets
from pipeline.domain.faults import OperatorFault
from pipeline.domain.text import line
from pipeline.ports import Pace

BODY_CAP: Final = 8 * 1024 * 1024
TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
AGENT: Final = "trainstation"


class Unanswered(Exception):
    """No usable answer came. `why`: unreachable, timeout, cut, too-big or unreadable. Holds no URL and no body."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer under the cap. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004  # HTTP

    def json(self) -> Any:
        """The body as JSON. Raises Unanswered("unreadable") for HTML, half a body, NaN and 100,000 brackets alike."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):  # a deep nest is a RecursionError, which is no ValueError
            raise Unanswered("unreadable") from None

    def said(self, most: int = 120) -> str:
        """The body as one clean line for an error's facts, secrets hidden."""
        return line(secrets.hide(self.body[: 8 * most].decode("utf-8", "replace")), most)


def _no_constant(name: str) -> None:
    raise ValueError(name)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_INWARD: Final = tuple(  # `is_global` calls these public: each is a way to an inner IPv4 address, or to many machines
    ipaddress.ip_network(net)
    for net in (
        "::/8",  # 64:ff9b::/96 (NAT64) and ::a.b.c.d among them
        "2002::/16",  # 6to4
        "fec0::/10",
        "ff00::/8",
        "224.0.0.0/4",
    )
)


def public(address: Address) -> bool:
    """Whether `address` is one machine on the open internet."""
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_global and not any(inner in net for net in _INWARD if net.version == inner.version)


def loopback(url: str) -> bool:
    """Whether `url`'s host is this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def need_https(url: str) -> None:
    """Raise OperatorFault("url-not-https") when a secret sent to `url` could be read on its way."""
    if urlsplit(url).scheme != "https" and not loopback(url):
        raise OperatorFault("url-not-https", host=line(urlsplit(url).hostname or "", 80))


def reads(pace: Pace, tries: int = 3) -> AsyncRetrying:
    """Call something that changes nothing again while it is Unanswered: half a second, then longer, with jitter."""
    nap = wait_random_exponential(multiplier=pace.seconds(0.5), max=pace.seconds(8))
    return AsyncRetrying(
        stop=stop_after_attempt(tries), wait=nap, retry=retry_if_exception_type(Unanswered), reraise=True
    )


@functools.cache
def authorities() -> ssl.SSLContext:
    """Whom we believe, for all clients: reading it takes 60 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Http:
    """One service: paths below one base address. A redirect is an answer like any other."""

    def __init__(
        self,
        base: str,
        *,
        bearer: str = "",
        headers: Mapping[str, str] | None = None,
        seconds: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`seconds` bounds each call as a whole: a server that drips bytes for ever is a timeout.

        Raises OperatorFault("url-not-https") for a secret over plain http:// to another machine.
        """
        if bearer:
            need_https(base)
            secrets.learn(bearer)
        self.base = base.rstrip("/")
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity", **(headers or {})}
            | ({"Authorization": f"Bearer {bearer}"} if bearer else {}),
            timeout=TIMEOUT,
            verify=authorities(),
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        cap: int = BODY_CAP,
    ) -> Reply:
        """Send one request to a `path` below the base, once. `body` travels as JSON. Raises Unanswered."""
        async with self._open(method, path, params=params, body=body) as answer:
            whole = bytearray()
            async for chunk in answer.aiter_raw():
                whole += chunk
                if len(whole) > cap:
                    raise Unanswered("too-big")
            return Reply(answer.status_code, headers_of(answer), bytes(whole))

    async def save(self, path: str, to: Path, *, cap: int) -> Reply:
        """GET a `path` below the base into the file `to`. A reply that is not 2xx writes nothing. Raises Unanswered."""
        async with self._open("GET", path) as answer:
            if answer.is_success:
                await pour(answer, to, cap)
            return Reply(answer.status_code, headers_of(answer), b"")

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: object = None
    ) -> AsyncIterator[httpx.Response]:
        if not path.startswith("/") or path.startswith("//"):
            raise Unanswered("unreachable")  # a foreign address must never get our headers
        extra: dict[str, Any] = {} if body is None else {"json": body}
        with translated():
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream(method, self.base + path, params=params, **extra) as answer,
            ):
                plain(answer)
                yield answer

    async def close(self) -> None:
        await self._client.aclose()


@contextmanager
def translated() -> Iterator[None]:
    """Every way httpx fails, as ours; `from None`, because its errors carry whole requests."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException):
        raise Unanswered("timeout") from None
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Unanswered("unreachable") from None
    except (httpx.HTTPError, httpx.StreamError):
        raise Unanswered("cut") from None


def plain(answer: httpx.Response) -> None:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise Unanswered("unreadable")  # never asked for: 1 MB of gzip once became one chunk of 67 MB


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


async def pour(answer: httpx.Response, to: Path, cap: int) -> None:
    """Write a body to `to`, chunk by chunk."""
    got = 0
    with to.open("wb") as file:
        async for chunk in answer.aiter_raw():
            got += len(chunk)
            if got > cap:
                raise Unanswered("too-big")
            file.write(chunk)
