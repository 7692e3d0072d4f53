"""What stands before the pages, over real sockets: links, origins, slow and greedy clients, headers."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import aiohttp

from bot.web.gate import Crowd
from pipeline.domain.job import Address
from tests.web.house import ANN, BOB, HERE, JPEG, QUICK, House, ended, inside, late, never, stalling, visitor


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


def test_one_link_gets_four_requests_at_once_and_so_many_in_a_while(tmp_path: Path) -> None:
    house = House(tmp_path, crowd=Crowd(at_once=4, burst=12, each_second=0.01), patience=QUICK)

    async def play() -> tuple[list[int], int]:
        async with inside(house) as ann, asyncio.TaskGroup() as group:
            uploads = [await ann.begin(JPEG) for _ in range(4)]
            slow = {"Upload-Offset": "0", "Content-Length": str(len(JPEG))}
            for upload in uploads:
                sent = asyncio.Event()
                body = stalling(JPEG[:100], sent)
                group.create_task(ended(ann.ask("PATCH", f"/upload/files/{upload}", data=body, headers=slow)))
                await sent.wait()
            fifth = (await ann.ask("GET", "/upload/session")).status
            await asyncio.sleep(QUICK.request)
            return [(await ann.ask("GET", "/upload/session")).status for _ in range(6)], fifth

    later, fifth = asyncio.run(play())
    assert fifth == 429
    assert later == [200, 200, 200, 200, 429, 429]


def test_every_answer_tells_the_browser_what_it_may_do_and_no_upload_is_served_back(tmp_path: Path) -> None:
    house = House(tmp_path, hear=never)

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
