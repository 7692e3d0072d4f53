"""Links that people type: each way one can fail is one sentence, and none of them leads inward."""

import asyncio
import ipaddress
from pathlib import Path

import pytest
from aiohttp import web

from notifier.words import Words
from pipeline.adapters import foreign
from pipeline.adapters.foreign import Door, Foreign, Links, Patience
from pipeline.adapters.http import Address
from pipeline.domain.faults import Fault, UserFault
from tests.support.served import Handler, served

EN = Words("en", strict=True)
CAP = 1000
QUICK = Patience(whole=2.0, window=0.1, slowest=5_000.0, silence=0.3)


def here(address: Address) -> bool:
    """Only for tests: what is called the internet is this machine."""
    return address == ipaddress.ip_address("127.0.0.1")


def links(folder: Path, patience: Patience = QUICK) -> Links:
    return Links(folder, lambda: Foreign(door=Door("http", None, here), patience=patience), cap=CAP)


def brought(handler: Handler, folder: Path, path: str = "/a/my%20pictures.zip?key=secret") -> tuple[str, bytes]:
    async def scene() -> tuple[str, bytes]:
        async with served(handler) as url, links(folder).fetched(url + path) as file:
            return file.name, file.read_bytes()

    return asyncio.run(scene())


def refused(handler: Handler, folder: Path) -> str:
    """The code of the one sentence; nothing of the file is left."""
    with pytest.raises(UserFault) as caught:
        brought(handler, folder)
    assert EN.fault(caught.value)
    assert "secret" not in f"{caught.value!r}{caught.value.facts}"
    assert not list(folder.glob("*"))
    return caught.value.code


def test_what_a_link_leads_to_is_there_under_a_safe_name_for_as_long_as_it_is_needed(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert "cookie" not in request.headers
        if request.path != "/there":
            raise web.HTTPFound("/there", headers={"Set-Cookie": "who=ann; Path=/"})
        return web.Response(body=b"PK\3\4")

    assert brought(handler, tmp_path) == ("my_20pictures.zip", b"PK\3\4")
    assert not list(tmp_path.glob("*"))


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "link-missing"), (410, "link-missing"), (401, "link-closed"), (403, "link-closed"),
     (500, "link-unreachable"), (302, "link-unreachable")],
)  # fmt: skip
def test_an_answer_that_is_no_file_is_one_sentence(status: int, code: str, tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    assert refused(handler, tmp_path) == code


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><title>Sign in</title>", b"\xef\xbb\xbf\n <html>", b"<?xml version='1.0'?>"]
)
def test_a_share_page_is_a_page_and_not_a_file(body: bytes, tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body)

    assert refused(handler, tmp_path) == "link-page"


async def announced(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * (CAP + 1))


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"x" * 100)


async def silent(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await asyncio.sleep(5)
    return answer


async def dripping(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"x")
        await asyncio.sleep(0.02)


async def packed(_: web.Request) -> web.Response:
    return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})


async def round_and_round(_: web.Request) -> web.Response:
    raise web.HTTPFound("/again")


async def inward(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://127.0.0.2/")


@pytest.mark.parametrize(
    ("handler", "code"),
    [(announced, "link-too-big"), (endless, "link-too-big"), (silent, "link-slow"), (dripping, "link-slow"),
     (packed, "link-unreachable"), (round_and_round, "link-refused"), (inward, "link-refused")],
)  # fmt: skip
def test_a_link_that_misbehaves_costs_its_bounds_and_one_sentence(handler: Handler, code: str, tmp_path: Path) -> None:
    assert refused(handler, tmp_path) == code


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    async def scene() -> None:
        async with links(tmp_path).fetched("http://127.0.0.1:1/x"):
            pass

    with pytest.raises(UserFault, match="link-unreachable"):
        asyncio.run(scene())


def test_a_disk_that_is_nearly_full_is_ours_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def scene() -> None:
        async with links(tmp_path / "file" / "below").fetched("http://127.0.0.1:1/x"):
            pass

    with pytest.raises(Fault, match="home-disk"):
        asyncio.run(scene())


def test_every_code_of_a_link_has_its_sentence() -> None:
    for code in {*foreign._ANSWERED.values(), *foreign._FAILED.values(), "link-unreachable"}:
        assert EN.fault(UserFault(code, most_mb=2000)).endswith((".", "?"))
