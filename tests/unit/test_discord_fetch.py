"""Attachments: from Discord's own hosts only, under caps, with a sentence for what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from bot.platforms.discord.endpoints import may_fetch
from bot.platforms.discord.fetch import fetched, home_name, room
from pipeline.domain.dataset import MOST_BYTES
from pipeline.domain.faults import UserFault

DISCORD = "https://discord.com/api/v10"


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.discordapp.com/a", "https://cdn.discordapp.com.evil.example/a", "https://evil.example/a",
        "https://cdn.discordapp.com@evil.example/a", "https://evil.example/cdn.discordapp.com", "file:///etc/passwd",
        "https://cdn.discordapp.com:8443/a", "http://127.0.0.1/a", "https://[::1]/a", "//cdn.discordapp.com/a", "",
        "https://user:pw@cdn.discordapp.com/a", "http://discord.com/a", "ftp://discord.com/a", "https://[bad/a",
    ],
)  # fmt: skip
def test_no_other_host_is_asked_for_a_file(url: str, tmp_path: Path) -> None:
    assert not may_fetch(url, DISCORD)
    with pytest.raises(UserFault) as refused:
        asyncio.run(fetched(url, tmp_path / "f", 10, api=DISCORD))
    assert refused.value.code == "attachment-foreign"


def test_discords_cdn_and_the_apis_own_host_may_be_asked() -> None:
    assert may_fetch("https://cdn.discordapp.com/attachments/1/2/a.zip?ex=1&hm=2", DISCORD)
    assert may_fetch("https://media.discordapp.net/attachments/1/2/a.png", DISCORD)
    assert may_fetch("http://127.0.0.1:5/attachments/1/2/a.zip", "http://127.0.0.1:4/api/v10")


def served(answer: Callable[[web.Request], Awaitable[web.StreamResponse]], tmp_path: Path, most: int = 100) -> bytes:
    """What is at home after one fetch of a server that answers so."""

    async def play() -> bytes:
        app = web.Application()
        app.router.add_get("/{tail:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            await fetched(f"{base}/a.zip", tmp_path / "a.zip", most, api=f"{base}/api/v10")
        finally:
            await runner.cleanup()
        return (tmp_path / "a.zip").read_bytes()

    return asyncio.run(play())


async def plain(_request: web.Request, status: int = 200, body: bytes = b"zip") -> web.StreamResponse:
    return web.Response(status=status, body=body)


def test_a_file_comes_home_as_it_is(tmp_path: Path) -> None:
    assert served(plain, tmp_path) == b"zip"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_link_is_named_as_one(tmp_path: Path, status: int) -> None:
    with pytest.raises(UserFault) as fault:
        served(partial(plain, status=status), tmp_path)
    assert fault.value.code == "attachment-expired"


def test_a_file_larger_than_it_said_costs_its_cap(tmp_path: Path) -> None:
    with pytest.raises(UserFault) as fault:
        served(partial(plain, body=b"x" * 101), tmp_path)
    assert fault.value.code == "attachment-too-big"


@pytest.mark.parametrize("status", [302, 500, 206])
def test_a_redirect_and_an_error_are_no_files(tmp_path: Path, status: int) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:9/"})

    with pytest.raises(UserFault) as fault:
        served(answer, tmp_path)
    assert fault.value.code == "attachment-broken"


def test_a_line_that_breaks_is_said_without_the_signed_link(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(UserFault) as fault:
        served(answer, tmp_path)
    assert fault.value.code == "attachment-broken"
    assert "127.0.0.1" not in repr(fault.value.__cause__)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..", "", ".bashrc", "a\\b", "x" * 5000, "\u202egpj.exe", "é" * 300, "a\0b"],
)
def test_a_name_is_one_part_of_a_path(name: str, tmp_path: Path) -> None:
    ours = home_name(name)
    assert ours
    assert not ours.startswith(".")
    assert (tmp_path / ours).parent == tmp_path
    (tmp_path / ours).write_bytes(b"")
    assert (tmp_path / ours).resolve().parent == tmp_path.resolve()


def test_more_than_a_draft_holds_is_refused_before_a_byte_is_asked_for() -> None:
    room(MOST_BYTES)
    with pytest.raises(UserFault):
        room(MOST_BYTES + 1)
