"""Files of people beyond what Telegram's own servers give to a bot: a server in local mode, our own page."""

from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.chat.telegram_scene import PUBLIC, Scene, late, night, pictures, webhook
from tests.support.pictures import zipped


@pytest.mark.torture
@late.alone(local="served")
async def test_a_local_server_gives_a_30_mb_zip_from_its_folder_and_nothing_of_it_stays_there(one: Scene) -> None:
    ann = one.somebody()
    await one.starts()
    files = {f"photo {n}.jpg": data for n, data in enumerate(pictures(12))}
    padding = {"notes.txt": bytes(range(256)) * (1 << 17)}
    big = zipped(one.folder / "big.zip", files | padding, packing=0)
    assert big.stat().st_size > 30 << 20
    await ann.says("/train ohwx steps=60 samples=0", zip=big)
    quote = await ann.until(lambda seen: "Start" in seen.labels, 60)
    assert "12 pictures" in quote.text
    assert one.server.downloads == 0
    assert not [path for path in (one.folder / "served").rglob("*") if path.is_file()]
    await one.bots[0].ends(5)


@night.alone()
async def test_a_zip_too_big_for_telegram_goes_through_the_page_behind_the_button_and_the_chat_counts_it(
    one: Scene,
) -> None:
    ann = one.somebody()
    web = one.env = {name: value for name, value in webhook().items() if name != "TELEGRAM_WEBHOOK_SECRET"}
    await one.starts()
    await ann.says(size=30 << 20, name="big.zip")
    told = await ann.until(lambda seen: any(button.app for button in seen.buttons), 60)
    (button,) = [button for button in told.buttons if button.app]
    address = urlsplit(await ann.opens(button.label))
    assert f"{address.scheme}://{address.netloc}" == PUBLIC
    said = parse_qs(address.fragment)["tgWebAppData"][0]
    data = one.zip().read_bytes()
    here = f"http://{web['WEB_BIND']}/upload"
    async with aiohttp.ClientSession(headers={"Origin": PUBLIC}) as page:
        async with page.post(f"{here}/session", json={"telegram": said.replace("Person", "Mallory")}) as answer:
            assert answer.status == 403
        async with page.post(f"{here}/session", json={"telegram": said}) as answer:
            assert answer.status == 200, await answer.text()
            page.headers["Authorization"] = f"Bearer {(await answer.json())['bearer']}"
        async with page.post(f"{here}/files", json={"name": "big.zip", "size": len(data)}) as answer:
            number = (await answer.json())["id"]
        half = len(data) // 2
        for offset, chunk in ((0, data[:half]), (half, data[half:])):
            headers = {"Upload-Offset": str(offset)}
            async with page.patch(f"{here}/files/{number}", data=chunk, headers=headers) as answer:
                assert answer.status == 204, await answer.text()
    await ann.until("12 pictures", 60)
    await one.bots[0].ends(5)
