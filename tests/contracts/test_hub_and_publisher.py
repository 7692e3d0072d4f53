"""Ports Hub and Publisher, held to the sandbox's hub over real sockets, and to one that lies."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pipeline.adapters import publishers
from pipeline.adapters.discover import discover, plugins
from pipeline.adapters.http import Http
from pipeline.adapters.hub import HfHub
from pipeline.adapters.publishers.huggingface import HuggingFace, Settings
from pipeline.adapters.ssh_files import sha256
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import JobId
from pipeline.ports import Pace, Release, RemoteFile
from pipeline.sandbox.hub import Hub
from pipeline.trainers.bases import BASES

TOKEN = "hf_0123456789abcdef"
BASE = BASES["flux1-dev"]
World = Callable[[Hub, str], Awaitable[None]]


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[tuple[Hub, str]]:
    made = Hub(folder=folder / "hub", speed=1000, clock=lambda: datetime.now(UTC), dice=random.Random(1))  # noqa: TID251  # the hub's own clock
    made.add_token(TOKEN, "ann")
    made.add_token("hf_no_licence_000", "bob", gated=False)
    made.add_token("hf_no_switch_0000", "eve", role="fineGrained", reads_gated=False)
    made.add_token("hf_reader_0000000", "rex", role="read")
    made.add_token("hf_box_0000000000", "box", role="fineGrained", scoped=False)
    made.add_token("hf_box_no_licence", "box", role="fineGrained", scoped=False, gated=False, reads_gated=True)
    made.add_token("hf_box_no_switch0", "box", role="fineGrained", scoped=False, reads_gated=False)
    made.add_token("hf_wide_000000000", "wes", role="fineGrained")
    try:
        yield made, await made.start()
    finally:
        await made.stop()


def at_hub(folder: Path, work: World) -> None:
    async def scene() -> None:
        async with hub(folder) as (made, url):
            await work(made, url)

    asyncio.run(scene())


@asynccontextmanager
async def reader(url: str, token: str = TOKEN) -> AsyncIterator[HfHub]:
    made = HfHub(url, token, pace=Pace(0.001))
    yield made
    await made.close()


def publisher(url: str, token: str = TOKEN) -> HuggingFace:
    return HuggingFace(Settings(endpoint=url, token=token))


def release(folder: Path, repo: str, *, public: bool = False) -> Release:
    (folder / "w.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      " + bytes(100_000))
    (folder / "README.md").write_text("---\nlicense: other\n---\n\n# hi\n")
    names = ("w.safetensors", "README.md")
    files = {name: folder / name for name in names}
    return Release(job=JobId("j"), repo=repo, files=files, public=public, message="A model")


async def listed(url: str, repo: str) -> list[str]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        found = (await client.get(f"/api/models/{repo}")).json()["siblings"]
    return [file["rfilename"] for file in found]


async def code(work: Awaitable[object]) -> str:
    with pytest.raises(OperatorFault) as caught:
        await work
    assert TOKEN not in repr(caught.value)
    return caught.value.code


def test_every_file_of_a_base_is_listed_and_large_ones_are_signed(tmp_path: Path) -> None:
    async def work(_: Hub, url: str) -> None:
        async with reader(url) as there:
            files = await there.files(BASE)
            assert any(file.path.startswith("transformer/") and file.path.endswith(".safetensors") for file in files)
            large, small = max(files, key=lambda file: file.size), min(files, key=lambda file: file.size)
            assert large.sha256
            link = await there.sign(large)
            assert link.startswith("http")
            assert TOKEN not in link
            assert await there.sign(small) == ""
            await there.download(small, tmp_path / "small")
            assert (tmp_path / "small").stat().st_size == small.size

    at_hub(tmp_path, work)


def test_pictures_of_weights_that_were_there_before_go_with_them(tmp_path: Path) -> None:
    async def work(_: Hub, url: str) -> None:
        ours = publisher(url)
        repo = await ours.claim("tok")
        one = release(tmp_path, repo)
        (tmp_path / "1.jpg").write_bytes(b"a sample")
        await ours.publish(replace(one, files={**one.files, "samples/0.jpg": tmp_path / "1.jpg"}))
        assert "samples/0.jpg" in await listed(url, repo)
        (tmp_path / "w.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      " + bytes(90_000))
        receipt = await ours.publish(one)
        assert {*await listed(url, repo)} == {".gitattributes", "README.md", "w.safetensors"}
        assert receipt.sha256.keys() == one.files.keys()

    at_hub(tmp_path, work)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("hf_no_licence_000", "hub-gated"),
        ("hf_no_switch_0000", "hub-token-scope"),
        ("hf_unknown_00000", "hub-token"),
        ("", "hub-token"),
    ],
)
def test_a_closed_gate_is_named(tmp_path: Path, token: str, expected: str) -> None:
    async def work(_: Hub, url: str) -> None:
        async with reader(url, token) as there:
            assert await code(there.files(BASE)) == expected

    at_hub(tmp_path, work)


def test_a_token_that_no_box_may_have_is_named(tmp_path: Path) -> None:
    verdicts = {
        TOKEN: "host-token-wide",
        "hf_reader_0000000": "host-token-wide",
        "hf_wide_000000000": "host-token-wide",
        "hf_box_no_switch0": "host-token-dead",
        "hf_unknown_000000": "host-token-dead",
        "hf_box_no_licence": "host-token-gated",
    }

    async def work(_: Hub, url: str) -> None:
        async with reader(url) as there:
            assert {token: await code(there.judge(token, BASE)) for token in verdicts} == verdicts

    at_hub(tmp_path, work)


def test_a_token_that_may_only_read_gated_repos_may_go_to_a_box(tmp_path: Path) -> None:
    async def work(made: Hub, url: str) -> None:
        async with reader(url) as there:
            await there.judge("hf_box_0000000000", BASE)
            made.add_token("hf_box_0000000000", "box", role="fineGrained", scoped=False, gated=False, reads_gated=True)
            assert await code(there.judge("hf_box_0000000000", BASE)) == "host-token-gated"  # asked anew each time

    at_hub(tmp_path, work)


def test_a_repo_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = replace(BASE, parts=(replace(BASE.parts[0], repo="ann/nothing"),))

    async def work(_: Hub, url: str) -> None:
        async with reader(url) as there:
            assert await code(there.files(absent)) == "hub-repo-missing"

    at_hub(tmp_path, work)


SIBLING = {"rfilename": "a/b.json", "size": 3, "lfs": None}
COMMIT = "a" * 40
PART = replace(BASE, parts=(replace(BASE.parts[0], patterns=("a/*",)),))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[" * 100_000,
        b"{}",
        b'{"sha": "main", "siblings": []}',
        b'{"sha": "%s", "siblings": [{"rfilename": "a/../../x", "size": 1}]}' % (b"a" * 40),
        b'{"sha": "%s", "siblings": [{"rfilename": "a/x;reboot", "size": 1}]}' % (b"a" * 40),
        b'{"sha": "%s", "siblings": [{"rfilename": "a/x", "size": -1}]}' % (b"a" * 40),
        b'{"sha": "%s", "siblings": [{"rfilename": "a/x", "size": 1, "lfs": {"sha256": "no"}}]}' % (b"a" * 40),
        b"x" * (9 << 20),
    ],
)
def test_an_unreadable_listing_is_a_hub_that_is_down(body: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(body)))
    lying = HfHub(
        "https://hub.example", TOKEN, pace=Pace(0.0001), http=Http("https://hub.example", transport=transport)
    )
    assert asyncio.run(code(lying.files(PART))) == "hub-down"


@pytest.mark.parametrize(
    "link", ['https://x/"\n-o /etc/passwd', "http://plain.example/x", "file:///etc/passwd", "https://x/a b"]
)
def test_a_link_that_could_steer_curl_is_not_passed_on(link: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers=[(b"location", link.encode())], stream=httpx.ByteStream(b""))

    http = Http("https://hub.example", transport=httpx.MockTransport(answer))
    lying = HfHub("https://hub.example", TOKEN, pace=Pace(0.0001), http=http)
    file = RemoteFile(repo="a/b", path="x", size=1, sha256=None, revision=COMMIT)
    assert asyncio.run(code(lying.sign(file))) == "hub-down"


def test_a_model_is_claimed_published_and_read_back(tmp_path: Path) -> None:
    async def work(made: Hub, url: str) -> None:
        there = publisher(url)
        repo = await there.claim("tok-style")
        assert (repo, await there.claim("tok-style")) == ("ann/tok-style", "ann/tok-style")
        assert made.repos[repo].private
        wanted = release(tmp_path, repo, public=True)
        first = await there.publish(wanted)
        assert first.url == f"{url}/ann/tok-style"
        assert first.sha256 == {name: sha256(path) for name, path in wanted.files.items()}
        assert not made.repos[repo].private
        commits = len(made.repos[repo].commits)
        assert (await there.publish(wanted)).revision == first.revision
        assert len(made.repos[repo].commits) == commits
        assert await there.claim("tok-style") == "ann/tok-style-2"
        await there.withdraw("ann/tok-style-2")
        await there.withdraw("ann/tok-style-2")
        await there.withdraw("ann/tok-style")
        assert "ann/tok-style-2" not in made.repos
        assert "ann/tok-style" in made.repos

    at_hub(tmp_path, work)


@pytest.mark.parametrize("token", ["hf_unknown_00000", "hf_reader_0000000"])
def test_a_token_that_may_not_write_is_our_fault(tmp_path: Path, token: str) -> None:
    async def work(_: Hub, url: str) -> None:
        assert await code(publisher(url, token).claim("tok")) == "publish-token"

    at_hub(tmp_path, work)


def test_the_child_is_no_plugin_and_no_token_is_no_publisher() -> None:
    assert "huggingface" in plugins(publishers)
    assert "huggingface_child" not in plugins(publishers)
    bare = SimpleNamespace(hf_endpoint="https://huggingface.co", hf_token=None, hf_namespace="")
    assert "huggingface" not in discover(publishers, bare)


def test_a_hub_that_is_away_is_down() -> None:
    assert asyncio.run(code(publisher("http://127.0.0.1:1").claim("tok"))) == "publish-down"


def test_a_silent_hub_does_not_hold_up_a_stop() -> None:
    async def silent(_reader: Any, _writer: Any) -> None:
        asked.set()
        await asyncio.sleep(60)

    async def stopped(port: int) -> float:
        """Seconds from the stop until the claim is gone."""
        now = asyncio.get_running_loop().time
        async with asyncio.timeout(60) as limit, asyncio.TaskGroup() as group:
            group.create_task(publisher(f"http://127.0.0.1:{port}").claim("tok"))
            await asked.wait()
            stops.append(now())
            limit.reschedule(now())
        raise AssertionError

    async def scene() -> float:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        with pytest.raises(TimeoutError):
            await stopped(server.sockets[0].getsockname()[1])
        server.close()
        return asyncio.get_running_loop().time() - stops[0]

    asked, stops = asyncio.Event(), list[float]()
    assert asyncio.run(scene()) < 2


def test_a_token_never_goes_over_plain_http() -> None:
    with pytest.raises(OperatorFault) as caught:
        publisher("http://hub.example")
    assert caught.value.code == "url-not-https"
    with pytest.raises(OperatorFault):
        HfHub("http://hub.example", TOKEN, pace=Pace())
