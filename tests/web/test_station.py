"""The pages as `run` opens them: on the real station, with its store, drafts and workshop."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.assembly import station, website
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address
from pipeline.settings import BadSettings, Settings
from tests.support.notified import Chat
from tests.support.pictures import encoded, photo
from tests.web.house import Visitor

ANN, HERE = Identity("telegram:7"), Address("telegram", "7")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def settings(folder: Path, **more: Any) -> Settings:
    """A house whose market and hub are out of reach: nothing of it is needed here."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    return Settings(
        data_dir=folder, vast_url=nowhere, vast_api_key="a key for tests", hf_endpoint=nowhere, hf_token="hf_for_tests",
        metrics_bind="127.0.0.1:0", **more,
    )  # fmt: skip


def test_a_file_put_on_the_page_is_in_its_person_s_draft_and_counted_in_their_chat(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    chat, ours = Chat(name="telegram"), settings(tmp_path, public_url=url, web_bind=url.removeprefix("http://"))

    async def play() -> int:
        async with station(ours, {"telegram": chat}) as whole, website(whole), aiohttp.ClientSession() as client:
            pages = whole.grounds("telegram").pages
            assert pages is not None
            ann = Visitor(client, url)
            await ann.enter(await pages.upload_link(ANN, HERE))
            await ann.send(encoded(photo(1, (900, 700))))
            async with asyncio.timeout(20):
                while not chat.messages:  # noqa: ASYNC110  # as a person waits
                    await asyncio.sleep(0.02)
            return len((await whole.intake.draft(await whole.intake.account(ANN))).pictures)

    assert asyncio.run(play()) == 1
    assert chat.only.title == "One picture in the draft"


@pytest.mark.parametrize("url", ["https://127.0.0.1/a.zip", "https://localhost/a.zip", "https://2130706433/a.zip"])
def test_a_market_and_a_hub_on_loopback_open_no_inward_door_for_people(tmp_path: Path, url: str) -> None:
    async def play() -> None:
        async with station(settings(tmp_path), {}) as whole:
            await whole.intake.bring(await whole.intake.account(ANN), url)

    with pytest.raises(UserFault, match="link-refused"):  # dialled, it would be link-unreachable: nobody listens there
        asyncio.run(play())


def test_without_public_url_there_are_no_pages_and_no_links_but_health(tmp_path: Path) -> None:
    async def play() -> None:
        async with station(settings(tmp_path), {}) as whole, website(whole) as web, aiohttp.ClientSession() as client:
            assert whole.grounds("telegram", web.mount).pages is None
            assert whole.grounds("telegram", web.mount).mount is None
            assert web.port == 0
            async with client.get(f"http://127.0.0.1:{web.metrics_port}/healthz") as well:
                assert well.status == 200

    asyncio.run(play())


def test_a_port_that_is_taken_is_a_setting_to_change_for_the_pages_and_a_warning_for_metrics(tmp_path: Path) -> None:
    async def play() -> None:
        async with AsyncExitStack() as stack:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            bind = f"127.0.0.1:{taken.getsockname()[1]}"
            ours = settings(tmp_path, public_url=f"http://{bind}", web_bind=bind)
            whole = await stack.enter_async_context(station(ours.model_copy(update={"metrics_bind": bind}), {}))
            with pytest.raises(BadSettings, match="WEB_BIND"):
                await stack.enter_async_context(website(whole))

    asyncio.run(play())
