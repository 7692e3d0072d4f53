"""What people sent so far: each picture once, none lost, never too much."""

import asyncio

import pytest

from pipeline.domain.dataset import MOST, MOST_BYTES, Finding, Inspection, Picture
from pipeline.domain.draft import MOST_FINDINGS, Draft
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId, Sha256
from pipeline.flow.drafts import Drafts
from tests.support import virtual
from tests.support.store import MemoryStore

ANN, BOB = AccountId("ann"), AccountId("bob")


def picture(n: int, caption: str = "", size: int = 1000) -> Picture:
    return Picture(sha256=Sha256(f"{n:064x}"), width=512, height=768, size=size, caption=caption, name=f"{n}.jpg")


def found(*numbers: int) -> Inspection:
    return Inspection(tuple(map(picture, numbers)), ())


def drafts() -> Drafts:
    return Drafts(MemoryStore(), virtual.VirtualClock())


def hashes(draft: Draft) -> list[int]:
    return [int(picture.sha256, 16) for picture in draft.pictures]


def test_a_draft_nobody_began_is_empty() -> None:
    assert virtual.run(drafts().get(ANN)) == Draft(account=ANN)


def test_pictures_gather_in_order_each_once_and_per_person() -> None:
    async def story() -> None:
        desk = drafts()
        await desk.add(ANN, found(1, 2))
        await desk.add(BOB, found(9))
        draft = await desk.add(ANN, found(2, 3))
        assert hashes(draft) == [1, 2, 3]
        assert await desk.get(ANN) == draft
        assert draft.changed_at == virtual.VirtualClock().now()

    virtual.run(story())


def test_a_caption_that_comes_later_reaches_its_picture() -> None:
    async def story() -> None:
        desk = drafts()
        await desk.add(ANN, found(1, 2))
        draft = await desk.add(ANN, Inspection((picture(1, caption="a cat"),)))
        assert [picture.caption for picture in draft.pictures] == ["a cat", ""]

    virtual.run(story())


def test_pictures_are_dropped_by_their_place_and_the_draft_cleared() -> None:
    async def story() -> None:
        desk = drafts()
        await desk.add(ANN, Inspection(found(1, 2, 3).pictures, (Finding("too-small", "x.jpg", {"width": 9}),)))
        assert hashes(await desk.drop(ANN, 2)) == [1, 3]
        cleared = await desk.clear(ANN)
        assert (cleared.pictures, cleared.findings) == ((), ())
        assert hashes(await desk.add(ANN, found(5))) == [5]

    virtual.run(story())


@pytest.mark.parametrize("ordinal", [0, -1, 3])
def test_a_picture_that_is_not_there_cannot_be_dropped(ordinal: int) -> None:
    async def story() -> None:
        desk = drafts()
        await desk.add(ANN, found(1, 2))
        with pytest.raises(UserFault) as refused:
            await desk.drop(ANN, ordinal)
        assert (refused.value.code, refused.value.facts) == ("no-such-picture", {"got": ordinal, "have": 2})
        assert hashes(await desk.get(ANN)) == [1, 2]

    virtual.run(story())


@pytest.mark.parametrize(
    "more",
    [found(*range(10, MOST + 10)), Inspection((picture(99, size=MOST_BYTES),))],
    ids=["501 pictures", "over 2 GB"],
)
def test_more_than_a_set_may_hold_is_refused_whole(more: Inspection) -> None:
    async def story() -> None:
        desk = drafts()
        await desk.add(ANN, found(1))
        with pytest.raises(UserFault, match="draft-too-large"):
            await desk.add(ANN, more)
        assert hashes(await desk.get(ANN)) == [1]

    virtual.run(story())


def test_findings_do_not_grow_for_ever() -> None:
    async def story() -> None:
        desk = drafts()
        for n in range(3):
            await desk.add(ANN, Inspection((), tuple(Finding("not-a-picture", f"{n}-{i}") for i in range(60))))
        draft = await desk.get(ANN)
        assert len(draft.findings) == MOST_FINDINGS
        assert draft.findings[-1].name == "2-59"

    virtual.run(story())


def test_an_album_that_arrives_all_at_once_loses_no_picture() -> None:
    async def story() -> None:
        desk = drafts()
        async with asyncio.TaskGroup() as group:
            for n in range(30):
                group.create_task(desk.add(ANN, found(n)))
        assert sorted(hashes(await desk.get(ANN))) == [*range(30)]

    virtual.run(story())
