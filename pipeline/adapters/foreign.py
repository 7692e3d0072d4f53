"""What a person or a service points at, brought home: public machines only, every hop checked, everything bounded."""

import asyncio
import ipaddress
import re
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from pipeline.adapters.http import (
    AGENT,
    TIMEOUT,
    Address,
    Reply,
    Unanswered,
    authorities,
    headers_of,
    plain,
    public,
    translated,
)
from pipeline.domain.dataset import MOST_BYTES
from pipeline.domain.faults import OperatorFault, UserFault

HOPS: Final = 3
HANDS: Final = 4  # links that are fetched at once
LEFT_FREE: Final = 1024**3  # bytes of our disk that no link gets
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"  # what may stand before a page's first tag
_ANSWERED: Final[Mapping[int, str]] = {
    401: "link-closed", 403: "link-closed", 451: "link-closed", 404: "link-missing", 410: "link-missing",
}  # fmt: skip
_FAILED: Final[Mapping[str, str]] = {
    "refused": "link-refused", "page": "link-page", "too-big": "link-too-big", "slow": "link-slow",
    "timeout": "link-slow",
}  # fmt: skip

Resolve = Callable[[str], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Door:
    """Where a link may lead. `port` None: to any."""

    scheme: str = "https"
    port: int | None = 443
    lets: Callable[[Address], bool] = public


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a whole download, and bytes that each `window` of them must bring."""

    whole: float = 900.0
    window: float = 30.0
    slowest: float = 20_000.0  # bytes a second
    silence: float = 30.0  # between two chunks


OUTWARD: Final = Door()
PATIENT: Final = Patience()


async def _resolve(host: str) -> list[str]:
    """Every address of `host`. The system's resolver reads 2130706433 and 0x7f.1 as the addresses they are."""
    found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class _Checked(httpx.AsyncBaseTransport):
    """Dials the very address that was checked: a second look-up could answer something else."""

    def __init__(self, inner: httpx.AsyncBaseTransport, resolve: Resolve, door: Door) -> None:
        self._inner = inner
        self._resolve = resolve
        self._door = door

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, door = request.url, self._door
        if url.scheme != door.scheme or door.port not in {None, url.port or door.port} or url.userinfo:
            raise Unanswered("refused")
        try:
            found = [ipaddress.ip_address(each.partition("%")[0]) for each in await self._resolve(url.host)]
        except (OSError, ValueError):
            found = []
        if not found or not all(map(door.lets, found)):
            raise Unanswered("refused")  # a name that only we could resolve is answered as one that nobody can
        name = url.raw_host.decode("ascii")
        request.extensions = {**request.extensions, "sni_hostname": name}  # the certificate is the name's
        request.url = url.copy_with(host=str(found[0]))  # the Host header was written before and stays
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Foreign:
    """GETs what a person or a service points at: https on 443, public machines only, each redirect checked again."""

    def __init__(
        self,
        *,
        inner: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve = _resolve,
        door: Door = OUTWARD,
        patience: Patience = PATIENT,
    ) -> None:
        one_each = httpx.Limits(max_keepalive_connections=0)  # a kept connection was made for another name
        wire = inner or httpx.AsyncHTTPTransport(verify=authorities(), trust_env=False, limits=one_each)
        self._patience = patience
        self._client = httpx.AsyncClient(
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(patience.silence, connect=TIMEOUT.connect),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one person's would go along with another's
            transport=_Checked(wire, resolve, door),
        )

    async def save(self, url: str, to: Path, *, cap: int, pages: bool = True) -> Reply:
        """Bring `url` into the file `to`, through at most three redirects. `pages`: also what begins as HTML does.

        Raises Unanswered: "refused" (an address that we do not ask), "slow", "page", and the ways of every client.
        """
        with translated():
            async with asyncio.timeout(self._patience.whole):
                for _ in range(HOPS + 1):
                    async with self._client.stream("GET", url) as answer:
                        plain(answer)
                        if not answer.has_redirect_location:
                            if answer.is_success:
                                await self._pour(answer, to, cap, pages=pages)
                            return Reply(answer.status_code, headers_of(answer), b"")
                        url = _next(url, answer.headers["location"])
        raise Unanswered("refused")

    async def _pour(self, answer: httpx.Response, to: Path, cap: int, *, pages: bool) -> None:
        """Write the body to `to`. What is announced as too much is not even begun."""
        loop, patience = asyncio.get_running_loop(), self._patience
        if _announced(answer) > cap:
            raise Unanswered("too-big")
        got, since, before = 0, loop.time(), 0
        with to.open("wb") as file:
            async for chunk in answer.aiter_raw():
                if not got and not pages and chunk.lstrip(_BLANK).startswith(b"<"):
                    raise Unanswered("page")
                got += len(chunk)
                if got > cap:
                    raise Unanswered("too-big")
                await asyncio.to_thread(file.write, chunk)
                if (passed := loop.time() - since) >= patience.window:
                    if got - before < passed * patience.slowest:
                        raise Unanswered("slow")
                    since, before = loop.time(), got

    async def close(self) -> None:
        await self._client.aclose()


def _announced(answer: httpx.Response) -> int:
    told = answer.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 20 else 0  # noqa: PLR2004  # digits of 2**63


def _next(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise Unanswered("refused") from None


class Links:
    """The port Fetcher."""

    def __init__(self, folder: Path, client: Callable[[], Foreign] = Foreign, cap: int = MOST_BYTES) -> None:
        self._folder, self._client, self._cap = folder, client, cap
        self._hands = asyncio.Semaphore(HANDS)

    def tidy(self) -> None:
        """Drop what a process that died left behind. Only where no other one fetches."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @asynccontextmanager
    async def fetched(self, url: str) -> AsyncIterator[Path]:
        """See the port."""
        folder = self._folder / secrets.token_hex(8)
        async with self._hands:
            try:
                yield await self._saved(url, folder)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _saved(self, url: str, folder: Path) -> Path:
        file, client = folder / _name(url), self._client()
        try:
            cap = await asyncio.to_thread(self._prepared, folder)
            reply = await client.save(url, file, cap=cap, pages=False)
        except OSError:
            raise OperatorFault("home-disk") from None
        except Unanswered as error:
            raise self._refusal(error.why) from None
        finally:
            await client.close()
        if not reply.ok:
            raise UserFault(_ANSWERED.get(reply.status, "link-unreachable"))
        return file

    def _prepared(self, folder: Path) -> int:
        """How many bytes there is room for."""
        folder.mkdir(mode=0o700, parents=True)
        return min(self._cap, shutil.disk_usage(folder).free - LEFT_FREE)

    def _refusal(self, why: str) -> UserFault:
        return UserFault(_FAILED.get(why, "link-unreachable"), most_mb=self._cap // 10**6)


def _name(url: str) -> str:
    """What the link calls its file, as a name that is safe on our disk."""
    tail = urlsplit(url).path.rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", tail).lstrip(".")[-60:] or "file"
