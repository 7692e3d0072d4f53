"""Captions on their way to the machine."""

import asyncio
import hashlib
import tarfile
from pathlib import Path

from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.dataset import Manifest
from tests.support.pictures import encoded, photo, zipped


def test_a_name_in_brackets_does_not_become_the_trigger_and_a_meant_trigger_stays(tmp_path: Path) -> None:
    files = {"a.jpg": encoded(photo(1)), "a.txt": b"[[name]] beside [trigger], ${HOME} --w 9"}
    work = ChildWorkshop(tmp_path)
    seen = asyncio.run(work.inspect(zipped(tmp_path / "sent.zip", files), tmp_path / "kept"))
    pack = asyncio.run(work.pack(Manifest(seen.pictures), tmp_path / "kept", tmp_path / "pack.tar"))
    data = (tmp_path / pack.file).read_bytes()
    assert (pack.size, pack.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    with tarfile.open(tmp_path / pack.file) as tar:
        caption = tar.extractfile("0001.txt")
        assert caption is not None
        assert caption.read() == b"[(name)] beside [trigger], ${HOME} --w 9"
