"""Files of people beyond the plain case: a server in local mode, links that died."""

from pathlib import Path

from tests.chat.telegram_scene import Scene, pictures, play
from tests.support.pictures import zipped


def test_a_local_server_gives_a_30_mb_zip_from_its_folder_and_nothing_of_it_stays_there(tmp_path: Path) -> None:
    served = tmp_path / "served"

    async def scenario(one: Scene) -> None:
        ann = one.somebody()
        await one.starts()
        files = {f"photo {n}.jpg": data for n, data in enumerate(pictures(12))}
        padding = {"notes.txt": bytes(range(256)) * (1 << 17)}
        big = zipped(tmp_path / "big.zip", files | padding, packing=0)
        assert big.stat().st_size > 30 << 20
        await ann.says("/train ohwx steps=60 samples=0", zip=big)
        quote = await ann.until(lambda seen: "Start" in seen.labels, 40)
        assert "12 pictures" in quote.text
        assert one.server.downloads == 0
        assert not [path for path in served.rglob("*") if path.is_file()]
        await one.bots[0].ends(5)

    play(tmp_path, scenario, local=served)
