"""The way out: what comes back is capped and checked, what goes out goes to its own host only."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from pipeline.adapters.foreign import Foreign
from pipeline.adapters.http import Http, Unanswered, loopback, public, reads
from pipeline.domain.faults import OperatorFault
from pipeline.ports import Pace
from tests.support.served import Handler, served


def why(handler: Handler, *, seconds: float = 5, cap: int = 1000) -> str:
    """How a call to a server that behaves like `handler` fails."""

    async def scene() -> None:
        async with served(handler) as url:
            http = Http(url, seconds=seconds)
            try:
                (await http.ask("GET", "/x", cap=cap)).json()
            finally:
                await http.close()

    with pytest.raises(Unanswered) as caught:
        asyncio.run(scene())
    assert caught.value.__cause__ is None
    return caught.value.why


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html>", "unreadable"),
        (b"", "unreadable"),
        (b'{"a": ', "unreadable"),
        (b'{"a": NaN}', "unreadable"),
        (b"\xff\xfe\xfd", "unreadable"),
        (b"[" * 999, "unreadable"),
        (b"x" * 1001, "too-big"),
    ],
)
def test_a_body_that_is_no_json_is_one_kind_of_error(body: bytes, expected: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    assert why(handler) == expected


def test_100_000_brackets_are_an_error_value() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"[" * 100_000)

    assert why(handler, cap=1 << 20) == "unreadable"


def test_an_endless_body_costs_its_cap() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)

    assert why(handler) == "too-big"


def test_a_body_that_drips_is_a_timeout() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.02)

    assert why(handler, seconds=0.2) == "timeout"


def test_half_a_body_is_cut() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"{}")
        assert request.transport
        request.transport.abort()
        return answer

    assert why(handler) == "cut"


def test_a_packed_body_is_not_unpacked() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert why(handler) == "unreadable"


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unanswered, match="unreachable"):
        asyncio.run(Http("http://127.0.0.1:1").ask("GET", "/"))


def test_a_redirect_is_not_followed_and_takes_no_secret_along() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async def scene() -> int:
        async with served(handler) as url:
            http = Http(f"{url}/base/", bearer="key-0123456789")
            reply = await http.ask("GET", "/x")
            await http.close()
            return reply.status

    assert asyncio.run(scene()) == 302
    assert asked == ["/base/x"]


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example/", "@evil.example/", ""])
def test_only_paths_below_the_base_are_asked_for(path: str) -> None:
    http = Http(
        "https://good.example", bearer="key-0123456789", transport=httpx.MockTransport(lambda _: httpx.Response(200))
    )
    with pytest.raises(Unanswered):
        asyncio.run(http.ask("GET", path))


def test_a_secret_over_plain_http_is_refused_off_loopback() -> None:
    with pytest.raises(OperatorFault) as caught:
        Http("http://market.example", bearer="key-0123456789")
    assert caught.value.code == "url-not-https"
    Http("http://127.0.0.1:8080", bearer="key-0123456789")
    Http("http://market.example")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/x", True),
        ("http://[::1]/", True),
        ("http://localhost", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://10.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_loopback_is_told_by_the_host(url: str, here: bool) -> None:
    assert loopback(url) is here


def test_only_unanswered_calls_are_repeated() -> None:
    tries: list[int] = []

    async def call() -> None:
        tries.append(1)
        raise Unanswered("cut")

    async def scene() -> None:
        await reads(Pace(0.0001), tries=3)(call)

    with pytest.raises(Unanswered):
        asyncio.run(scene())
    assert len(tries) == 3


class Wire(httpx.AsyncBaseTransport):
    """Where connections would go; answers with what it is told."""

    def __init__(self, *replies: httpx.Response) -> None:
        self.dialled: list[tuple[str, str, object]] = []
        self.replies = list(replies)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.dialled.append((request.url.host, request.headers["host"], request.extensions.get("sni_hostname")))
        return self.replies.pop(0)


def reply(status: int = 200, body: bytes = b"zip", **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


def names(table: dict[str, list[list[str]]]) -> Callable[[str], Awaitable[list[str]]]:
    """A resolver that answers each name's lists in turn, and literals with themselves."""

    async def resolve(host: str) -> list[str]:
        answers = table.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return resolve


def fetch(url: str, to: Path, wire: Wire, table: dict[str, list[list[str]]], cap: int = 100) -> int:
    return asyncio.run(Foreign(inner=wire, resolve=names(table)).save(url, to, cap=cap)).status


def test_a_name_answering_1_1_1_1_then_127_0_0_1_never_connects_inward(tmp_path: Path) -> None:
    table = {"evil.example": [["1.1.1.1"], ["127.0.0.1"]]}
    wire = Wire(reply(302, location="/again"), reply())
    with pytest.raises(Unanswered, match="refused"):
        fetch("https://evil.example/x.zip", tmp_path / "x", wire, table)
    assert wire.dialled == [("1.1.1.1", "evil.example", "evil.example")]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.5/", "https://169.254.169.254/", "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/", "https://[fec0::1]/", "https://[::7f00:1]/",
        "https://[ff02::1]/", "https://224.0.0.1/", "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/", "https://one-of-two.example/", "https://nobody.example/", "http://1.1.1.1/", "https://1.1.1.1:8443/",
        "https://localhost./", "https://0177.0.0.1/", "https://127.1/", "https://100.64.0.1/", "https://[fe80::1]/",
        "https://[fd00::1]/", "https://255.255.255.255/", "https://user@1.1.1.1/", "ftp://1.1.1.1/", "nonsense", "https://",
    ],
)  # fmt: skip
def test_an_inward_or_odd_address_is_never_dialled(tmp_path: Path, url: str) -> None:
    wire = Wire()
    table: dict[str, list[list[str]]] = {"one-of-two.example": [["1.1.1.1", "10.0.0.1"]], "nobody.example": [[]]}
    with pytest.raises(Unanswered):
        fetch(url, tmp_path / "x", wire, table)
    assert wire.dialled == []


def test_2130706433_is_read_as_the_address_it_is() -> None:
    wire = Wire()
    with pytest.raises(Unanswered):
        asyncio.run(Foreign(inner=wire).save("https://2130706433/", Path("x"), cap=1))
    assert wire.dialled == []


def test_a_public_file_is_saved_under_its_cap_through_three_redirects(tmp_path: Path) -> None:
    hops = [reply(302, location=f"https://1.1.1.{n}/") for n in range(2, 5)]
    assert fetch("https://1.1.1.1/", tmp_path / "x", Wire(*hops, reply()), {}) == 200
    assert (tmp_path / "x").read_bytes() == b"zip"
    hops = [reply(302, location="/x") for _ in range(4)]
    with pytest.raises(Unanswered):
        fetch("https://1.1.1.1/", tmp_path / "y", Wire(*hops, reply()), {})
    with pytest.raises(Unanswered, match="too-big"):
        fetch("https://1.1.1.1/", tmp_path / "y", Wire(reply(body=b"x" * 101)), {})


def test_public_addresses_are_public() -> None:

    assert public(ipaddress.ip_address("1.1.1.1"))
    assert public(ipaddress.ip_address("2606:4700::1111"))
