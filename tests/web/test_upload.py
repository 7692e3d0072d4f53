"""Files put on the page, over real sockets: resumed, refused, limited, handed over, swept."""

import asyncio
import stat
from pathlib import Path

import aiohttp
import pytest

from bot.ports import Said
from bot.web.inbox import Limits
from tests.web.house import ANN, HERE, JPEG, QUICK, House, Visitor, ended, inside, late, never, stalling, visitor

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
                    "PATCH", f"/upload/files/{upload}", data=stalling(JPEG[:3000]),
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


def test_who_comes_back_need_not_wait_for_the_line_that_was_cut(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with inside(house) as ann, asyncio.TaskGroup() as group:
            upload, sent = await ann.begin(JPEG), asyncio.Event()
            stuck = group.create_task(ended(ann.ask(
                "PATCH", f"/upload/files/{upload}", data=stalling(JPEG[:3000], sent),
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
    deaf = House(tmp_path, hear=never)
    awake = House(tmp_path, store=deaf.store)

    async def play() -> None:
        async with inside(deaf) as ann:
            await ann.send(JPEG)
        async with awake.open():
            await awake.told(1)
            await awake.emptied()

    asyncio.run(play())
    assert awake.files == [JPEG]


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
            answer = await ann.ask("PATCH", f"/upload/files/{upload}", headers=chunked, data=stalling(JPEG))
            assert answer.status == 411  # a length nobody announced
            packed = {"Upload-Offset": "0", "Content-Encoding": "gzip"}
            assert (await ann.ask("PATCH", f"/upload/files/{upload}", headers=packed, data=b"\x1f\x8b")).status == 204
            assert await ann.offset(upload) == 2  # as it came: nothing is unpacked on the way in

    asyncio.run(play())


def test_what_is_left_behind_goes_after_an_hour_and_what_is_whole_never_unheard(tmp_path: Path) -> None:
    house = House(tmp_path, hear=never)

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
    house = House(tmp_path, hear=never)
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
