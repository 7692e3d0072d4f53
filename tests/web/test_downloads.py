"""Model files by signed link, over real sockets."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from bot.web.gate import Crowd, Patience
from pipeline.domain.ids import Sha256, Slug
from pipeline.domain.job import Artifact, Ending, Job
from pipeline.domain.stage import End, Stage
from pipeline.flow.records import job_doc
from tests.support.notified import ordered
from tests.web.house import House, late, visitor

DATA: Final = bytes(range(256)) * 4000
WEIGHTS: Final = Artifact(file="jobs/one/made.safetensors", sha256=Sha256("0" * 64), size=len(DATA), step=2000)
DONE: Final = replace(
    ordered(), stage=Stage.DONE, ending=Ending(End.DONE), artifact=WEIGHTS, slug=Slug("fluffy-2"), version=9
)  # fmt: skip


async def shelved(house: House, job: Job = DONE) -> str:
    """Put the weights of `job` where they lie; the path of their link."""
    file = house.folder / "spool" / WEIGHTS.file
    file.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(file.write_bytes, DATA)
    await house.store.create("jobs", job.id, job_doc(job))
    link = await house.links.download_link(job.id)
    assert link is not None
    return link.removeprefix(house.url)


def test_the_owner_of_a_link_gets_the_weights_whole_or_from_where_the_line_broke(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with house.open(), visitor(house) as ann:
            path = await shelved(house)
            whole = await ann.ask("GET", path)
            assert (whole.status, whole.body) == (200, DATA)
            assert whole.headers["Content-Disposition"] == 'attachment; filename="fluffy-2.safetensors"'
            assert whole.headers["Content-Type"] == "application/octet-stream"
            assert whole.headers["X-Content-Type-Options"] == "nosniff"
            rest = await ann.ask("GET", path, headers={"Range": "bytes=1000000-"})
            assert (rest.status, rest.body) == (206, DATA[1_000_000:])
            head = await ann.ask("HEAD", path)
            assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(DATA)), b"")

    asyncio.run(play())


def test_whatever_is_wrong_with_a_link_the_answer_is_the_same_404(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> set[tuple[int, bytes, int]]:
        async with house.open(), visitor(house) as ann:
            path = await shelved(house)
            token = path.removeprefix("/model/")
            wrong = [f"/model/{each}" for each in ("x", "a.b", token[:-1], token.swapcase(), "..%2f..%2fweb.key")]
            answers = [await ann.ask("GET", each) for each in wrong]
            (house.folder / "spool" / WEIGHTS.file).unlink()
            answers.append(await ann.ask("GET", path))  # swept meanwhile
            await shelved(house)
            late(house, hours=24)
            answers.append(await ann.ask("GET", path))
            return {(answer.status, answer.body, len(answer.headers)) for answer in answers}

    ((status, _, _),) = asyncio.run(play())
    assert status == 404


def test_a_link_made_in_good_times_opens_nothing_when_the_job_is_no_longer_paid(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> int:
        async with house.open(), visitor(house) as ann:
            path = await shelved(house)
            refunded = replace(DONE, ending=Ending(End.FAILED))
            stored = await house.store.get("jobs", DONE.id)
            assert stored is not None
            assert await house.store.cas("jobs", DONE.id, stored["version"], job_doc(refunded))
            return (await ann.ask("GET", path)).status

    assert asyncio.run(play()) == 404


@pytest.mark.parametrize("file", ["../web.key", "/etc/passwd"])
def test_no_job_s_file_lies_outside_the_spool(tmp_path: Path, file: str) -> None:
    house = House(tmp_path)

    async def play() -> int:
        async with house.open(), visitor(house) as ann:
            path = await shelved(house, replace(DONE, artifact=replace(WEIGHTS, file=file)))
            return (await ann.ask("GET", path)).status

    assert asyncio.run(play()) == 404


def test_who_does_not_read_is_hung_up_on_and_four_at_once_are_enough(tmp_path: Path) -> None:
    house = House(tmp_path, crowd=Crowd(at_once=4), patience=Patience(slowest=1e9, download=1.0))

    async def idle(path: str) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=2048)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return writer

    async def play() -> list[int]:
        path = await shelved(house)
        with (house.folder / "spool" / WEIGHTS.file).open("ab") as file:
            file.truncate(200_000_000)  # more than any socket holds
        async with house.open(), visitor(house) as ann:
            writers = [await idle(path) for _ in range(4)]
            seen = []
            async with asyncio.timeout(10):
                while (status := (await ann.ask("GET", path, headers={"Range": "bytes=0-9"})).status) == 206:
                    pass  # the four are not all in yet
                seen.append(status)
                while status == 429:  # until their time is up
                    await asyncio.sleep(0.1)
                    status = (await ann.ask("GET", path, headers={"Range": "bytes=0-9"})).status
            for writer in writers:
                writer.close()
            return [*seen, status]

    assert asyncio.run(play()) == [429, 206]
