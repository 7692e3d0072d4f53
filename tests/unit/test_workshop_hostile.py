"""Hostile archives cost nothing and are refused whole; a single bad file is only left out."""

import random
import struct
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.workshop_child import archive, sending
from pipeline.adapters.workshop_child.entries import Broken, Meter
from pipeline.domain.faults import UserFault
from tests.support.pictures import dataset, encoded, photo, zipped

END = struct.Struct("<4s4H2LH")


def found(source: Path) -> dict[str, Any]:
    """What the child's own function says of `source`: without the process, which has tests of its own below."""
    into = source.parent / "kept"
    into.mkdir(exist_ok=True)
    told: dict[str, Any] = sending.inspect({"source": str(source), "into": str(into)})
    return told


def codes(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(code, name) for code, name, _ in told["findings"]]


def names(told: dict[str, Any]) -> list[str]:
    return [picture[-1] for picture in told["pictures"]]


def refusal(source: Path) -> str:
    """Why `source` is refused whole, before a picture was decoded."""
    with pytest.raises(UserFault) as caught:
        found(source)
    assert list((source.parent / "kept").iterdir()) == []
    return caught.value.code


def ended(directory: bytes, *, before: bytes = b"PK\3\4", entries: int = 1, size: int | None = None) -> bytes:
    size = len(directory) if size is None else size
    return before + directory + END.pack(b"PK\5\6", 0, 0, entries, entries, size, len(before), 0)


def edited(path: Path, change: Callable[[bytearray], None]) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def test_a_53_mb_directory_is_refused_before_zipfile(tmp_path: Path) -> None:
    entry = b"PK\1\2" + bytes(42) + b"12345678"
    entry = entry[:28] + struct.pack("<H", 8) + entry[30:]
    source = tmp_path / "wide.zip"
    source.write_bytes(ended(entry * 1_000_000, entries=16_960))
    begun = time.perf_counter()
    assert refusal(source) == "archive-hostile"
    assert time.perf_counter() - begun < 2


def test_five_thousand_entries_are_the_most_whatever_the_end_record_says(tmp_path: Path) -> None:
    source = zipped(tmp_path / "many.zip", {f"{n}.x": b"" for n in range(5001)}, zipfile.ZIP_STORED)
    assert refusal(source) == "archive-hostile"

    def belittle(data: bytearray) -> None:
        data[-14:-10] = struct.pack("<2H", 3, 3)

    assert refusal(edited(source, belittle)) == "archive-hostile"


def overlapping() -> bytes:
    """Two names for the same bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", encoded(photo(1)))
        twin = archive.infolist()[0]
        info = zipfile.ZipInfo("b.jpg")
        for field in ("header_offset", "CRC", "compress_size", "file_size", "external_attr"):
            setattr(info, field, getattr(twin, field))
        archive.filelist.append(info)
    return out.getvalue()


def test_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "overlap.zip"
    source.write_bytes(overlapping())
    assert refusal(source) == "archive-hostile"


@pytest.mark.parametrize("seen", [ended(b"", entries=0, size=2**31), ended(b"PK\1\2" + bytes(42), size=46 + 999)])
def test_a_directory_outside_of_its_file_is_refused(seen: bytes, tmp_path: Path) -> None:
    source = tmp_path / "outside.zip"
    source.write_bytes(seen)
    assert refusal(source) == "archive-hostile"


def test_a_zip64_end_record_is_believed_like_zipfile_believes_it(tmp_path: Path) -> None:
    directory = b"PK\1\2" + bytes(42)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, 53 * 10**6, 4)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 4 + len(directory), 1)
    source = tmp_path / "zip64.zip"
    source.write_bytes(b"PK\3\4" + directory + record + locator + END.pack(b"PK\5\6", 0, 0, 1, 1, 46, 4, 0))
    assert refusal(source) == "archive-hostile"


def test_a_locked_zip_is_told_apart(tmp_path: Path) -> None:
    def lock(data: bytearray) -> None:
        for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            data[data.index(signature) + flags] |= 1

    assert refusal(edited(zipped(tmp_path / "locked.zip", dataset(1)), lock)) == "archive-encrypted"


def test_a_packing_that_is_not_deflate_is_named_and_not_unpacked(tmp_path: Path) -> None:
    told = found(zipped(tmp_path / "sent.zip", {"a.jpg": encoded(photo(1))}, zipfile.ZIP_LZMA))
    assert codes(told) == [("unsupported-packing", "a.jpg")]


def test_a_member_that_lies_about_its_size_is_broken(tmp_path: Path) -> None:
    def lie(data: bytearray) -> None:
        at = data.index(b"PK\1\2")
        data[at + 24 : at + 28] = struct.pack("<L", 100)  # of many

    files = {"a.jpg": encoded(photo(1)), "b.jpg": encoded(photo(2))}
    told = found(edited(zipped(tmp_path / "sent.zip", files), lie))
    assert codes(told) == [("broken-file", "a.jpg")]
    assert names(told) == ["b.jpg"]


def test_what_is_read_is_counted_not_what_is_claimed() -> None:
    meter = Meter(most=3 * 1024**2)
    assert len(meter.read(BytesIO(bytes(1024**2)), 1024**2)) == 1024**2
    with pytest.raises(Broken):
        meter.read(BytesIO(bytes(1024**2 + 1)), 1024**2)
    with pytest.raises(UserFault, match="archive-too-big"):
        meter.read(BytesIO(bytes(3 * 1024**2)), 1024**3)


def test_a_bomb_of_one_member_stops_at_the_most_a_picture_may_have(tmp_path: Path) -> None:
    source = zipped(tmp_path / "bomb.zip", {"a.jpg": bytes(70 * 1024**2), "b.jpg": encoded(photo(1))})
    told = found(source)
    assert codes(told) == [("too-big", "a.jpg")]
    assert names(told) == ["b.jpg"]


def test_far_too_many_pictures_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    data = encoded(photo(1))
    source = zipped(tmp_path / "sent.zip", {f"{n}.jpg": data for n in range(1001)}, zipfile.ZIP_STORED)
    assert refusal(source) == "dataset-too-large"


def test_names_are_shown_but_never_opened(tmp_path: Path) -> None:
    sent = (
        "../../up.jpg", "/etc/abs.jpg", "C:\\win.jpg", "con.jpg", "x" * 5000 + ".jpg", "\x1b[2J\u202eesc.jpg",
        "9" * 5000 + ".jpg", "'; rm -rf ~.jpg", "new\nline.jpg",
    )  # fmt: skip
    files = {name: encoded(photo(n)) for n, name in enumerate(sent)}
    told = found(zipped(tmp_path / "sent.zip", files, zipfile.ZIP_STORED))
    assert len(told["pictures"]) == len(sent)
    shown = set(names(told))
    assert {"up.jpg", "abs.jpg", "win.jpg", "con.jpg", "[2Jesc.jpg", "'; rm -rf ~.jpg", "new line.jpg"} < shown
    assert all(len(name) <= 80 for name in shown)
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {f"{sha256}.jpg" for sha256, *_ in told["pictures"]}
    assert {file.name for file in tmp_path.iterdir()} == {"sent.zip", "kept"}


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_zip_never_is_a_bug_of_ours(seed: int, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "sent.zip", dataset(2)).read_bytes()
    dice = random.Random(seed)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            at = dice.choice((dice.randrange(len(data)), -dice.randrange(1, 300)))
            data[at] = dice.randrange(256)
        with suppress(UserFault):
            for entry in archive.members(BytesIO(data), Meter()):
                assert entry.hidden in {True, False}
                with suppress(Broken):
                    entry.read(1024**2)
