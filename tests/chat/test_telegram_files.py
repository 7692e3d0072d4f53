"""Files of people beyond what Telegram's own servers give to a bot: a Bot API server in local mode."""

from tests.chat.telegram_scene import Scene, night, pictures
from tests.support.pictures import zipped


@night.alone(local="served")
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
