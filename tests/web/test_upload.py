"""The upload page's server over real sockets: what a careless and a hostile browser can and cannot do."""

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from bot.ports import Said
from bot.web.gate import Crowd
from bot.web.inbox import Limits
from pipeline.domain.job import Address
from tests.web.house import ANN, BOB, HERE, JPEG, QUICK, House, Visitor, inside, late, visitor

PNG = b"\x89PNG\r\n\x1a\n" + bytes(3000)
ZIP = b"PK\x03\x04" + bytes(5000)


def test_a_whole_file_is_said_to_the_desk_by_its_person_in_their_chat_and_leaves_the_disk(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann:
            await ann.send(JPEG, "my cat (1).JPEG")
            await house.told(1)
            await house.emptied()

    asyncio.run(play())
    (said,) = house.heard
    assert (said.identity, said.address, said.text) == (ANN, HERE, "")
    assert [file.name for file in said.attachments] == ["my_cat_1.jpg"]
    assert house.files == [JPEG]


def test_a_preview_s_get_leaves_the_link_usable(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with house.open(), visitor(house) as preview, visitor(house) as ann:
            link = await house.links.upload_link(ANN, HERE)
            for _ in range(3):
                page = await preview.ask("GET", "/upload?lang=en")  # what is behind # is never sent
                assert page.status == 200
                assert page.cookies == {}
            assert (await ann.enter(link)).status == 200

    asyncio.run(play())


def test_a_link_works_once_but_for_the_browser_whose_first_answer_got_lost(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        link = await house.links.upload_link(ANN, HERE)
        async with house.open(), visitor(house) as ann:
            assert (await ann.enter(link, "ann's")).status == 200
            assert (await ann.enter(link, "mallory's")).status == 403
        async with house.open(), visitor(house) as ann:  # restarted meanwhile
            assert (await ann.enter(link, "mallory's")).status == 403
            assert (await ann.enter(link, "ann's")).status == 200

    asyncio.run(play())


def test_a_link_is_good_for_an_hour_and_a_page_in_use_stays_open(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> list[int]:
        seen = []
        async with house.open(), visitor(house) as ann, visitor(house) as late_one:
            old = await house.links.upload_link(ANN, HERE)
            await ann.enter(await house.links.upload_link(ANN, HERE))
            for _ in range(3):  # an hour and a half of one page
                late(house, minutes=30)
                answer = await ann.ask("GET", "/upload/session")
                ann.keep(answer)
                seen.append(answer.status)
            seen.append((await late_one.enter(old)).status)
            late(house, minutes=61)
            seen.append((await ann.ask("GET", "/upload/session")).status)
        return seen

    assert asyncio.run(play()) == [200, 200, 200, 403, 401]


def test_the_cookie_is_for_this_page_alone(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> str:
        async with house.open(), visitor(house) as ann:
            return str((await ann.enter(await house.links.upload_link(ANN, HERE))).headers["Set-Cookie"])

    cookie = asyncio.run(play())
    assert cookie.startswith("upload=")  # "__Host-upload" and Secure where PUBLIC_URL is https
    for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=3600"):
        assert word in cookie
    assert "Domain" not in cookie


def test_a_wrong_offset_is_409_and_writes_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann:
            upload = await ann.begin(JPEG)
            assert (await ann.add(upload, 0, JPEG[:1000])).status == 204
            for wrong in (0, 999, 1001, len(JPEG), -1):
                answer = await ann.add(upload, wrong, JPEG[1000:])
                assert (answer.status, answer.headers["Upload-Offset"]) == (409, "1000")
                assert house.on_disk[0].read_bytes() == JPEG[:1000]
            bad = {"Upload-Offset": "1000, 1000"}
            assert (await ann.ask("PATCH", f"/upload/files/{upload}", headers=bad, data=b"x")).status == 409
            assert (await ann.add(upload, 1000, JPEG[1000:])).headers["Upload-Offset"] == str(len(JPEG))
            await house.told(1)

    asyncio.run(play())
    assert house.files == [JPEG]


def test_a_cut_line_keeps_what_came_and_the_file_goes_on_from_there_after_a_restart_too(tmp_path: Path) -> None:
    house = House(tmp_path, patience=QUICK)

    async def play() -> None:
        async with inside(house) as ann:
            upload = await ann.begin(JPEG)
            with pytest.raises(aiohttp.ClientError):
                await ann.ask(
                    "PATCH", f"/upload/files/{upload}", data=_stalling(JPEG[:3000]),
                    headers={"Upload-Offset": "0", "Content-Length": str(len(JPEG))},
                )  # fmt: skip
            assert await ann.offset(upload) == 3000
        async with house.open():
            assert await ann_again(ann_offset=3000, upload=upload) == 204
            await house.told(1)

    async def ann_again(ann_offset: int, upload: str) -> int:
        async with visitor(house) as ann:
            await ann.enter(await house.links.upload_link(ANN, HERE))  # another link of the same person will do
            return (await ann.add(upload, ann_offset, JPEG[ann_offset:])).status

    asyncio.run(play())
    assert house.files == [JPEG]


async def _stalling(data: bytes, sent: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """A body that breaks off after `data`."""
    yield data
    if sent is not None:
        sent.set()
    await asyncio.sleep(30)


def test_who_comes_back_need_not_wait_for_the_line_that_was_cut(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann, asyncio.TaskGroup() as group:
            upload, sent = await ann.begin(JPEG), asyncio.Event()
            stuck = group.create_task(_ended(ann.ask(
                "PATCH", f"/upload/files/{upload}", data=_stalling(JPEG[:3000], sent),
                headers={"Upload-Offset": "0", "Content-Length": str(len(JPEG))},
            )))  # fmt: skip
            await sent.wait()
            async with asyncio.timeout(5):  # the first would be waited for half a minute
                refused = await ann.add(upload, 0, JPEG)
                assert (refused.status, refused.headers["Upload-Offset"]) == (409, "3000")
                assert (await ann.add(upload, 3000, JPEG[3000:])).status == 204
                await house.told(1)
            stuck.cancel()

    asyncio.run(play())
    assert house.files == [JPEG]


def test_an_answer_that_got_lost_is_told_again_and_the_desk_hears_of_the_file_once(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann:
            upload = await ann.send(JPEG)
            await house.told(1)
            assert await ann.offset(upload) == len(JPEG)
            assert (await ann.add(upload, len(JPEG), b"")).status == 204
            assert (await ann.add(upload, 0, JPEG)).status == 409

    asyncio.run(play())
    assert len(house.heard) == 1


def test_a_file_that_was_whole_when_the_program_died_is_handed_over_at_the_next_start(tmp_path: Path) -> None:
    deaf = House(tmp_path, hear=_never)
    awake = House(tmp_path, store=deaf.store)

    async def play() -> None:
        async with inside(deaf) as ann:
            await ann.send(JPEG)
        async with awake.open():
            await awake.told(1)
            await awake.emptied()

    asyncio.run(play())
    assert awake.files == [JPEG]


async def _never(_said: Said) -> None:
    await asyncio.sleep(3600)


def test_200_half_requests_are_gone_in_30_s(tmp_path: Path) -> None:
    """In the tests' seconds: half headers within `keepalive`, half bodies within `request`."""
    house = House(tmp_path, patience=QUICK)

    async def half(head: bytes) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        began = time.monotonic()
        writer.write(head)
        with suppress(ConnectionError):  # as gone as can be
            await reader.read()
        took = time.monotonic() - began
        writer.close()
        return took

    async def play() -> list[float]:
        async with inside(house) as ann, asyncio.TaskGroup() as group:
            upload = await ann.begin(JPEG)
            cookie = f"Cookie: {ann.headers['Cookie']}\r\nOrigin: {house.url}\r\nHost: x\r\n"
            heads = (
                "",
                "GET /upload HTTP/1.1\r\nHost: x\r\nX-Slow: ",
                f"POST /upload/session HTTP/1.1\r\n{cookie}Content-Length: 1000\r\n\r\n{{",
                f"PATCH /upload/files/{upload} HTTP/1.1\r\n{cookie}Upload-Offset: 0\r\nContent-Length: 900\r\n\r\n\xff",
                f"POST /upload/files HTTP/1.1\r\n{cookie}Content-Length: 1000\r\n\r\n{{",
            )
            halves = [group.create_task(half(heads[n % len(heads)].encode("latin-1"))) for n in range(200)]
        return [task.result() for task in halves]

    took = asyncio.run(play())
    assert len(took) == 200
    assert max(took) < QUICK.request + QUICK.linger + 1.0


def test_only_our_own_page_writes(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann:
            upload = await ann.begin(JPEG)
            for origin in ("https://evil.example", "null", house.url.replace("http:", "https:"), f"{house.url}.evil"):
                for method, path in (
                    ("POST", "/upload/session"), ("POST", "/upload/files"), ("PATCH", f"/upload/files/{upload}"),
                    ("DELETE", f"/upload/files/{upload}"),
                ):  # fmt: skip
                    answer = await ann.ask(method, path, headers={"Origin": origin, "Upload-Offset": "0"}, data=JPEG)
                    assert answer.status == 403
            assert "Access-Control-Allow-Origin" not in (await ann.ask("GET", "/upload")).headers
            async with ann.client.patch(
                f"{house.url}/upload/files/{upload}", headers={"Upload-Offset": "0", **ann.headers}, data=JPEG
            ) as without:
                assert without.status == 403

    asyncio.run(play())
    assert house.on_disk == []


def test_another_person_s_file_is_as_good_as_none(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann, visitor(house) as bob:
            await bob.enter(await house.links.upload_link(BOB, Address("telegram", "8")))
            upload = await ann.begin(JPEG)
            for which in (upload, "0" * 24, "..%2f..%2fweb.key", "x"):
                path = f"/upload/files/{which}"
                for method in ("HEAD", "PATCH", "DELETE"):
                    answer = await bob.ask(method, path, headers={"Upload-Offset": "0"}, data=b"")
                    assert answer.status == 404
            assert await ann.offset(upload) == 0

    asyncio.run(play())


def test_without_a_session_there_is_nothing_to_see(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with house.open(), visitor(house) as nobody:
            for cookie in ("", "upload=", "upload=x.y", f"upload={'a' * 5000}"):
                nobody.headers["Cookie"] = cookie
                for method, path in (
                    ("GET", "/upload/session"),
                    ("POST", "/upload/files"),
                    ("HEAD", "/upload/files/1"),
                ):
                    assert (await nobody.ask(method, path)).status == 401
            for token in ("", "x", "a.b", "a" * 100_000, "é.ö"):
                assert (await nobody.enter(f"#{token}")).status in {403, 413}
            for body in ("[]", "{", "[" * 50_000, "null", '{"telegram": {}}'):
                assert (await nobody.ask("POST", "/upload/session", data=body)).status in {400, 403}

    asyncio.run(play())


def test_what_is_no_picture_and_no_zip_is_refused_by_its_name_or_by_its_first_bytes(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann:
            for name in ("run.exe", "page.svg", "notes.txt", "jpg", ""):
                answer = await ann.ask("POST", "/upload/files", json={"name": name, "size": 100})
                assert (answer.status, answer.json) == (415, {"refused": "type"})
            for data in (b"<html>" * 100, b"MZ" + bytes(500), b"%PDF-1.7" + bytes(99), b"x"):
                upload = await ann.begin(data, "cat.jpg")
                assert (await ann.add(upload, 0, data)).json == {"refused": "type"}
                assert (await ann.ask("HEAD", f"/upload/files/{upload}")).status == 404
            for data, name in ((PNG, "a.png"), (ZIP, "b.zip"), (b"\0\0\0\x18ftypheic" + bytes(99), "c.HEIC")):
                await ann.send(data, name)
            await house.told(3)
            await house.emptied()

    asyncio.run(play())


def test_sizes_and_numbers_have_their_limits_for_a_person_not_for_a_link(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(draft=40_000, picture=20_000, files=3, chunk=15_000))

    async def refused(ann: Visitor, size: int, name: str = "a.zip") -> str:
        answer = await ann.ask("POST", "/upload/files", json={"name": name, "size": size})
        return str(answer.json.get("refused", answer.json.get("offset")))

    async def play() -> list[str]:
        async with inside(house) as ann, visitor(house) as again:
            await again.enter(await house.links.upload_link(ANN, HERE))
            seen = [await refused(ann, 20_001, "a.jpg"), await refused(ann, 40_001), await refused(ann, 0)]
            seen += [await refused(ann, 30_000), await refused(again, 20_000, "a.jpg")]
            seen += [await refused(ann, 10), await refused(again, 10), await refused(ann, 10)]
            upload = (await ann.ask("GET", "/upload/session")).json["unfinished"][0]["id"]
            answer = await ann.add(upload, 0, bytes(15_001))
            return [*seen, f"{answer.status} {answer.json['refused']}"]

    assert asyncio.run(play()) == ["picture", "draft", "empty", "0", "draft", "0", "0", "files", "413 chunk"]


def test_more_bytes_than_announced_are_not_taken(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann:
            upload = await ann.begin(JPEG)
            assert (await ann.add(upload, 0, JPEG + b"x")).status == 413
            chunked = {"Upload-Offset": "0"}
            answer = await ann.ask("PATCH", f"/upload/files/{upload}", headers=chunked, data=_stalling(JPEG))
            assert answer.status == 411  # a length nobody announced
            packed = {"Upload-Offset": "0", "Content-Encoding": "gzip"}
            assert (await ann.ask("PATCH", f"/upload/files/{upload}", headers=packed, data=b"\x1f\x8b")).status == 204
            assert await ann.offset(upload) == 2  # as it came: nothing is unpacked on the way in

    asyncio.run(play())


def test_one_link_gets_four_requests_at_once_and_so_many_in_a_while(tmp_path: Path) -> None:
    house = House(tmp_path, crowd=Crowd(at_once=4, burst=12, each_second=0.01), patience=QUICK)

    async def play() -> tuple[list[int], int]:
        async with inside(house) as ann, asyncio.TaskGroup() as group:
            uploads = [await ann.begin(JPEG) for _ in range(4)]
            slow = {"Upload-Offset": "0", "Content-Length": str(len(JPEG))}
            for upload in uploads:
                sent = asyncio.Event()
                body = _stalling(JPEG[:100], sent)
                group.create_task(_ended(ann.ask("PATCH", f"/upload/files/{upload}", data=body, headers=slow)))
                await sent.wait()
            fifth = (await ann.ask("GET", "/upload/session")).status
            await asyncio.sleep(QUICK.request)
            return [(await ann.ask("GET", "/upload/session")).status for _ in range(6)], fifth

    later, fifth = asyncio.run(play())
    assert fifth == 429
    assert later == [200, 200, 200, 200, 429, 429]


async def _ended(asking: Awaitable[object]) -> None:
    with suppress(aiohttp.ClientError):
        await asking


def test_what_is_left_behind_goes_after_an_hour_and_what_is_whole_never_unheard(tmp_path: Path) -> None:
    house = House(tmp_path, hear=_never)

    async def play() -> list[Path]:
        async with inside(house) as ann:
            half = await ann.begin(JPEG)
            await ann.add(half, 0, JPEG[:100])
            await ann.begin(JPEG)
            await ann.send(PNG, "whole.png")
            await house.inbox.sweep(house.watch.now())
            assert len(house.on_disk) == 2
            late(house, minutes=61)
            await house.inbox.sweep(house.watch.now())
            await house.links.sweep(house.watch.now())
            assert await house.store.find("links") == []
            return house.on_disk

    assert [file.name for file in asyncio.run(play())] == ["whole.png"]


def test_files_are_their_owner_s_alone_and_their_names_are_ours(tmp_path: Path) -> None:
    house = House(tmp_path, hear=_never)
    names = (
        "../../../etc/passwd.jpg",
        "\u202egpj.exe.jpg",
        "日本.jpg",
        "a\0b\n.jpg",
        f"{'x' * 300}.jpg",
        "con.jpg",
        "-rf.jpg",
    )

    async def play() -> None:
        async with inside(house) as ann:
            for name in names:
                await ann.add(await ann.begin(JPEG, name), 0, JPEG[:9])

    asyncio.run(play())
    assert len(house.on_disk) == len(names)
    for file in house.on_disk:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.parent.parent == house.folder / "inbox" / "web"
        assert file.name.removesuffix(".jpg").replace("_", "").replace("-", "").isascii()
        assert len(file.name) <= 44


def test_every_answer_tells_the_browser_what_it_may_do_and_no_upload_is_served_back(tmp_path: Path) -> None:
    house = House(tmp_path, hear=_never)

    async def play() -> None:
        async with inside(house) as ann:
            upload = await ann.begin(JPEG)
            await ann.add(upload, 0, JPEG[:9])
            for method, path, status in (
                ("GET", "/upload", 200), ("GET", "/upload/session", 200), ("GET", "/nothing", 404),
                ("GET", f"/upload/files/{upload}", 405), ("GET", "/upload/static/0/page.js", 404),
                ("POST", "/hook", 404), ("GET", f"/inbox/web/{upload}/cat.jpg", 404),
            ):  # fmt: skip
                answer = await ann.ask(method, path)
                assert (path, answer.status) == (path, status)
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none';")
                assert "frame-ancestors https://web.telegram.org" in policy
                assert "unsafe" not in policy
                assert answer.headers["Cache-Control"] == "no-store"

    asyncio.run(play())


def test_without_a_telegram_bot_nobody_may_frame_the_page(tmp_path: Path) -> None:
    house = House(tmp_path, telegram="")

    async def play() -> None:
        async with house.open(), visitor(house) as ann:
            answer = await ann.ask("GET", "/upload")
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Frame-Options"] == "DENY"

    asyncio.run(play())


def test_files_that_arrive_while_the_chat_is_slow_are_told_together(tmp_path: Path) -> None:
    remarks: list[int] = []
    gate = asyncio.Event()

    async def slow(said: Said) -> None:
        remarks.append(len(said.attachments))
        await gate.wait()

    house = House(tmp_path, hear=slow)

    async def play() -> None:
        async with inside(house) as ann:
            for n in range(13):
                await ann.send(JPEG, f"{n}.jpg")
            gate.set()
            async with asyncio.timeout(5):
                while sum(remarks) < 13:  # noqa: ASYNC110  # see House.told
                    await asyncio.sleep(0.01)

    asyncio.run(play())
    assert remarks == [1, 10, 2]


def test_a_webhook_is_mounted_while_we_run_and_needs_no_origin(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def hook(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        return aiohttp.web.Response(text=f"got {len(await request.read())}")

    async def play() -> None:
        async with house.open() as web, visitor(house) as telegram:
            assert (await telegram.ask("POST", "/telegram", data=b"1")).status == 404
            web.mount("/telegram", hook)
            async with telegram.client.post(f"{house.url}/telegram", data=b"123") as answer:
                assert await answer.text() == "got 3"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"

    asyncio.run(play())


def test_health_and_metrics_are_on_another_port(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> str:
        async with house.open() as web, visitor(house) as ann:
            assert web.metrics_port not in {0, web.port}
            for path in ("/metrics", "/healthz"):
                assert (await ann.ask("GET", path)).status == 404
            async with ann.client.get(f"http://127.0.0.1:{web.metrics_port}/healthz") as well:
                assert (well.status, await well.text()) == (200, "ok\n")
            async with ann.client.get(f"http://127.0.0.1:{web.metrics_port}/metrics") as figures:
                return await figures.text()

    said = asyncio.run(play())
    assert 'trainstation_jobs{stage="train"} 0.0' in said
    assert "trainstation_condemned_machines 0.0" in said
    assert "process_resident_memory_bytes" in said
