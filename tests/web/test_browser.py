"""The upload page in a real Chromium: what people do with it, and what they then see."""

import asyncio
import hmac
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from bot.desk import Desk
from notifier.words import Words
from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.dataset import Inspection
from pipeline.domain.draft import Draft
from pipeline.domain.ids import AccountId
from tests.support.browser import Page, chromium, window
from tests.support.notified import Chat
from tests.support.office import Office
from tests.support.pictures import encoded, photo, zipped
from tests.support.wire import wire
from tests.web.house import ANN, HERE, TOKEN, House

EN: Final = Words("en", strict=True)
BACK: Final = "https://t.me/ours"
SLOW: Final = 6.0  # Mbit/s: two seconds for what is heavy
ROOM: Final = "!document.getElementById('room').hidden"
DONE: Final = "!document.getElementById('done').hidden"


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    with chromium() as address:
        yield address


@dataclass
class Studio(Office):
    """An office whose drafts are real: a child opens what was sent."""

    workshop: ChildWorkshop | None = None
    shelf: Path = field(default_factory=Path)

    async def add(self, account: AccountId, source: Path) -> tuple[Draft, Inspection]:
        assert self.workshop is not None
        found = await self.workshop.inspect(source, self.shelf)
        return self._drafted((await self.draft(account)).with_found(found)), found


def pictures(folder: Path, *numbers: int) -> list[Path]:
    files = []
    for n in numbers:
        files.append(folder / f"holiday {n}.jpg")
        files[-1].write_bytes(encoded(photo(n)))
    return files


def heavy(folder: Path, size: int = 1_500_000) -> Path:
    """A zip that is as large as it looks."""
    return zipped(folder / "heavy.zip", {"noise.jpg": os.urandom(size)}, zipfile.ZIP_STORED)


async def opened(house: House, page: Page) -> None:
    await page.go(await house.links.upload_link(ANN, HERE, BACK))
    await page.until(ROOM)


def nothing_wrong(house: House, page: Page) -> None:
    """No error, no refusal by our own policy, no request to anybody else."""
    assert page.errors == []
    assert [asked.url for asked in page.requests if not asked.url.startswith(house.url)] == []


def test_twelve_pictures_and_a_zip_reach_the_draft_and_the_chat_counts_them_in_one_message(
    browser: str, tmp_path: Path
) -> None:
    chat, house = Chat(name="telegram"), House(tmp_path)
    (tmp_path / "kept").mkdir()
    office = Studio(workshop=ChildWorkshop(tmp_path), shelf=tmp_path / "kept")
    house.hear = Desk(office, {"telegram": chat}, lambda _: EN, house.watch).hear
    counted = EN.say("chat-draft-count", count=20)
    more = zipped(tmp_path / "more.zip", {f"{n}.jpg": encoded(photo(n)) for n in range(12, 20)})

    async def play() -> None:
        async with house.open(), window(browser) as page:
            await opened(house, page)
            assert "#" not in await page.js("location.href"), "the token does not stay in the history"
            await page.choose("#pick", *pictures(tmp_path, *range(12)), more)
            await page.until(DONE)
            await page.until("document.querySelectorAll('li.received').length === 13")
            assert await page.js("document.getElementById('count').textContent") == "13 of 13"
            assert EN.say("web-here-title") in await page.js("document.getElementById('done').innerText")
            assert await page.js("document.getElementById('say').textContent") == EN.say("web-here-title")
            assert await page.js("document.getElementById('back').href") == BACK
            async with asyncio.timeout(60):  # thirteen children, on a machine that may be busy
                while [card.title for card in chat.messages.values()] != [counted]:  # noqa: ASYNC110  # as a person waits
                    await asyncio.sleep(0.05)
            nothing_wrong(house, page)

    asyncio.run(play())
    assert len(chat.messages) == 1
    assert len({picture.sha256 for picture in next(iter(office.drafts.values())).pictures}) == 20


def test_a_connection_cut_in_the_middle_goes_on_by_itself_even_if_we_were_restarted_meanwhile(
    browser: str, tmp_path: Path
) -> None:
    house, file = House(tmp_path), heavy(tmp_path)

    async def play() -> list[int]:
        async with wire(house.port, rtt=0.01, mbit=SLOW) as line, window(browser) as page:
            house.behind(line.port)
            async with house.open():
                await opened(house, page)
                await page.choose("#pick", file)
                await house.arriving()
            await page.until("!document.getElementById('paused').hidden")
            assert await page.js("document.getElementById('paused').textContent") == EN.say("web-paused")
            assert await page.js("document.getElementById('say').textContent") == EN.say("web-paused")
            async with house.open():
                await page.until(DONE)
                assert await page.js("document.getElementById('paused').hidden")
                await house.told(1)
            return [int(asked.headers["Upload-Offset"]) for asked in page.requests if asked.method == "PATCH"]

    offsets = asyncio.run(play())
    assert house.files == [file.read_bytes()]
    assert offsets == sorted(set(offsets)), "no byte was sent twice that had arrived"
    assert len(offsets) > 1


@pytest.mark.torture  # one browser more
def test_a_page_that_was_loaded_anew_goes_on_with_the_same_file(browser: str, tmp_path: Path) -> None:
    house, file = House(tmp_path), heavy(tmp_path)

    async def play() -> list[int]:
        async with (
            wire(house.port, rtt=0.01, mbit=SLOW) as line,
            window(browser) as page,
            house.behind(line.port).open(),
        ):
            await opened(house, page)
            await page.choose("#pick", file)
            await house.arriving()
            await page.go(f"{house.url}/upload?lang=en")  # its cookie is enough
            await page.until(ROOM)
            page.requests.clear()
            await page.choose("#pick", file)
            await page.until(DONE)
            await house.told(1)
            return [int(asked.headers["Upload-Offset"]) for asked in page.requests if asked.method == "PATCH"]

    offsets = asyncio.run(play())
    assert offsets[0] > 0
    assert house.files == [file.read_bytes()]


@pytest.mark.torture  # one browser more
def test_a_folder_is_dropped_with_all_that_is_in_it_and_each_file_once(browser: str, tmp_path: Path) -> None:
    house, folder = House(tmp_path), tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    pictures(folder, 1, 2)
    pictures(folder / "deeper", 3)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")

    async def play() -> None:
        async with house.open(), window(browser) as page:
            await opened(house, page)
            await page.drop(300, 200, folder)
            await page.until("document.querySelectorAll('li.received').length === 3")
            await page.drop(300, 200, folder / "holiday 1.jpg")
            await house.told(3)
            assert await page.js("document.querySelectorAll('li').length") == 3
            nothing_wrong(house, page)

    asyncio.run(play())
    assert len(set(house.files)) == len(house.files) == 3


def test_everything_can_be_done_with_the_keyboard_alone(browser: str, tmp_path: Path) -> None:
    house = House(tmp_path)
    note = tmp_path / "notes.txt"
    note.write_text("a caption")
    focus = "(document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.tagName)"

    async def play() -> None:
        async with house.open(), window(browser) as page:
            await opened(house, page)
            await page.press("Tab")
            assert await page.js(focus) == "pick"
            ring = "getComputedStyle(document.querySelector('#drop .button')).outlineStyle"
            assert await page.js(ring) == "solid", "and it shows"
            async with page.choosing(*pictures(tmp_path, 1, 2), note):
                await page.press("Enter")
            await page.until(DONE)
            assert EN.say("web-refused-text") in await page.js("document.querySelector('li.refused').innerText")
            await page.press("Tab", shift=True)
            seen = [await page.js(focus)]
            for _ in range(2):
                await page.press("Tab")
                seen.append(await page.js(focus))
            assert seen == ["back", "pick", EN.say("web-remove", name="notes.txt")]
            await page.press(" ")
            assert await page.js("document.querySelectorAll('li').length") == 2
            assert await page.js(focus) != "BODY", "the focus is not lost with the row"
            nothing_wrong(house, page)

    asyncio.run(play())


CONTRAST: Final = (Path(__file__).parent / "contrast.js").read_text()
HEIGHTS: Final = """[...document.querySelectorAll('button, a, label')].filter((each) => each.checkVisibility())
    .map((each) => each.getBoundingClientRect().height)"""
STILL: Final = "Promise.all(document.getAnimations().map((each) => each.finished))"


def test_a_phone_and_a_dark_room_are_no_hindrance(browser: str, tmp_path: Path) -> None:
    house = House(tmp_path)
    note = tmp_path / "a name that is really much too long for the screen of any telephone there ever was.txt"
    note.write_text("a caption")
    ground = "getComputedStyle(document.body).backgroundColor"

    async def play() -> None:
        async with house.open(), window(browser) as page:
            await page.look(width=320, height=640, phone=True)
            await opened(house, page)
            light = await page.js(ground)
            await page.choose("#pick", *pictures(tmp_path, 1, 2), note)
            await page.until(DONE)
            for dark in (False, True):
                await page.look(width=320, height=640, phone=True, dark=dark)
                await page.js(STILL)
                assert await page.js("document.documentElement.scrollWidth") == 320, "nothing to scroll sideways"
                assert await page.js(CONTRAST) == []
                assert min(await page.js(HEIGHTS)) >= 36, "a thumb hits it"
            assert await page.js(ground) != light
            nameless = [
                node
                for node in (await page.call("Accessibility.getFullAXTree"))["nodes"]
                if node.get("role", {}).get("value") in {"button", "link", "textbox", "progressIndicator", "image"}
                and not node["ignored"]
                and not node.get("name", {}).get("value")
            ]
            assert nameless == []
            await _shots(page)

    async def _shots(page: Page) -> None:
        for name, width, height, dark in (
            ("phone", 390, 844, False),
            ("phone-dark", 390, 844, True),
            ("desk", 1000, 760, False),
        ):
            await page.look(width=width, height=height, phone=width < 500, dark=dark)
            await page.js(STILL)
            assert (await page.shot(tmp_path / f"{name}.png")).stat().st_size > 10_000

    asyncio.run(play())


@pytest.mark.torture  # one browser more
def test_a_link_that_somebody_else_opened_says_so_kindly(browser: str, tmp_path: Path) -> None:
    house = House(tmp_path)

    async def play() -> None:
        async with house.open():
            link = await house.links.upload_link(ANN, HERE)
            async with window(browser) as page:
                await page.go(link)
                await page.until(ROOM)
            async with window(browser) as page:
                await page.go(link)
                await page.until("!document.getElementById('gone').hidden")
                said = await page.js("document.querySelector('main').innerText")
                assert EN.say("web-gone-title") in said
                assert EN.say("web-gone") in said
                assert EN.say("web-choose") not in said

    asyncio.run(play())


def test_inside_telegram_the_page_knows_its_person_takes_their_theme_and_closes_itself(
    browser: str, tmp_path: Path
) -> None:
    house = House(tmp_path)
    spy = "window.told = []; window.TelegramWebviewProxy = {postEvent: (type, data) => told.push([type, data])}"

    async def play() -> list[list[str]]:
        async with house.open(), window(browser) as page:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=spy)
            theme = json.dumps({"bg_color": "#17212b"})
            given = urlencode({"tgWebAppData": _init_data(house), "tgWebAppThemeParams": theme})
            await page.go(f"{house.url}/upload#{given}")
            await page.until(ROOM)
            assert await page.js("document.documentElement.dataset.theme") == "dark"
            await page.call("Network.clearBrowserCookies")  # as in a frame of Telegram's, where none is sent
            await page.choose("#pick", *pictures(tmp_path, 1))
            await page.until(DONE)
            await house.told(1)
            assert await page.js("document.getElementById('back').hidden") is False
            await page.js("document.getElementById('back').click()")
            nothing_wrong(house, page)
            told: list[list[str]] = await page.js("told")
            return told

    told = asyncio.run(play())
    assert [kind for kind, _ in told][:2] == ["web_app_ready", "web_app_expand"]
    assert told[-1][0] == "web_app_close"
    (said,) = house.heard
    assert (said.identity, said.address) == (ANN, HERE)


def _init_data(house: House) -> str:
    said = {"auth_date": str(int(house.watch.now().timestamp())), "user": '{"id":7,"language_code":"en"}'}
    lines = "\n".join(f"{key}={said[key]}" for key in sorted(said))
    key = hmac.digest(b"WebAppData", TOKEN.encode(), "sha256")
    return urlencode({**said, "hash": hmac.digest(key, lines.encode(), "sha256").hex()})
