"""A box's optimizer.pt is looked at opcode by opcode before it is laid on another box; nothing of it is ever run."""

import asyncio
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.workshop import ChildWorkshop
from pipeline.adapters.workshop_child import optimizer
from pipeline.domain.faults import HostFault

CAPTURED = Path(__file__).parents[2] / "pipeline" / "sandbox" / "toolkit" / "optimizer.pt"  # of a real adamw8bit run


def entries(file: Path | io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(into: Path, compression: int = zipfile.ZIP_STORED, **over: bytes | None) -> Path:
    """The captured file with entries replaced (`data_pkl`), added, or left out (None)."""
    changed = {"optimizer/" + name.replace("__", "/").replace("_pkl", ".pkl"): data for name, data in over.items()}
    with zipfile.ZipFile(into, "w", compression) as made:
        for name, data in (entries(CAPTURED) | changed).items():
            if data is not None:
                made.writestr(name, data)
    return into


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def checked(source: Path) -> Path:
    into = source.with_suffix(".laid")
    optimizer.optimizer({"source": str(source), "target": str(into)})
    return into


def refusal(source: Path) -> str:
    with pytest.raises(HostFault) as refused:
        checked(source)
    assert refused.value.code == "optimizer-refused"
    return str(refused.value.facts["why"])


def test_a_real_optimizer_is_written_again_entry_by_entry_aligned_as_torch_lays_it(tmp_path: Path) -> None:
    into = tmp_path / "laid.pt"
    asyncio.run(ChildWorkshop(tmp_path).optimizer(CAPTURED, into))
    assert entries(into) == entries(CAPTURED)
    assert list(entries(into)) == list(entries(CAPTURED))
    data = into.read_bytes()
    with zipfile.ZipFile(into) as made:
        for entry in made.infolist():
            name, extra = struct.unpack("<2H", data[entry.header_offset + 26 : entry.header_offset + 30])
            start = entry.header_offset + 30 + name + extra
            assert start % 64 == 0
            assert data[start : start + entry.file_size] == made.read(entry)
    assert [path.name for path in tmp_path.iterdir()] == ["laid.pt"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"cposix\nsystem\nX\x04\x00\x00\x00true\x85R", "names posix system"),
        (b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R", "names builtins eval"),
        (b"ctorch._utils\n_rebuild_parameter\n", "names torch._utils _rebuild_parameter"),
        (b"X\x05\x00\x00\x00posixX\x06\x00\x00\x00system\x93", "opcode STACK_GLOBAL"),
        (b"(iposix\nsystem\n", "opcode INST"),
        (b"(cposix\nsystem\no", "opcode MARK"),
        (b"Pwhatever\n", "opcode PERSID"),
        (b"\x82\x01", "opcode EXT1"),
        (b"}}b", "opcode BUILD"),
        (b"\x99", "malformed"),
    ],
)
def test_a_pickle_that_names_anything_but_tensors_parts_is_refused(tmp_path: Path, body: bytes, why: str) -> None:
    said = refusal(archive(tmp_path / "o.pt", data_pkl=pickled(body)))
    assert said == why or (why == "opcode MARK" and said == "names posix system")


def test_what_stands_behind_the_end_of_the_pickle_is_refused(tmp_path: Path) -> None:
    assert refusal(archive(tmp_path / "o.pt", data_pkl=pickled(b"}") + pickled(b"}"))) == "malformed"


@pytest.mark.parametrize(
    "over",
    [
        {"data_pkl": None},
        {"more__data_pkl": b"x"},  # another reader could take this one
        {"code__a": b"x"},
        {"data_pkl": b""},
        {"data_pkl": b"\x80\x02X\xff\xff\xff\xff"},
    ],
)
def test_an_archive_that_is_not_torchs_is_refused(tmp_path: Path, over: dict[str, Any]) -> None:
    assert refusal(archive(tmp_path / "o.pt", **over)) == "malformed"


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"no zip at all" * 100, CAPTURED.read_bytes()[:200_000]])
def test_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "o.pt").write_bytes(data)
    assert refusal(tmp_path / "o.pt") == "malformed"


def test_a_packed_entry_or_a_wrong_sum_is_refused(tmp_path: Path) -> None:
    assert refusal(archive(tmp_path / "packed.pt", zipfile.ZIP_DEFLATED)) == "malformed"
    data = bytearray(CAPTURED.read_bytes())
    data[300_000] ^= 1
    (tmp_path / "o.pt").write_bytes(data)
    assert refusal(tmp_path / "o.pt") == "malformed"


def test_two_pickles_by_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "o.pt", "w") as made:
        made.writestr("optimizer/data.pkl", pickled(b"}"))
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("optimizer/data.pkl", pickled(b"cposix\nsystem\n"))
    assert refusal(tmp_path / "o.pt") == "malformed"


def test_overlapping_entries_that_would_fill_the_disk_die_at_their_limit(tmp_path: Path) -> None:
    """Ten thousand entries, all of them the same megabyte."""
    one = io.BytesIO()
    with zipfile.ZipFile(one, "w") as made:
        made.writestr("optimizer/data.pkl", pickled(b"}"))
        made.writestr("optimizer/data/0", bytes(1024**2))
    data = one.getvalue()
    start = data.index(b"PK\1\2")
    first, rest = data[start : start + 46 + 18], data[start + 46 + 18 :]
    again = rest[: rest.index(b"PK\5\6")]
    names = b"".join(
        again[:28] + struct.pack("<H", 19) + again[30:46] + b"optimizer/data/%04d" % n for n in range(9999)
    )
    directory = first + names
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 10_000, 10_000, len(directory), start, 0)
    (tmp_path / "o.pt").write_bytes(data[:start] + directory + end)
    with pytest.raises(HostFault):
        asyncio.run(ChildWorkshop(tmp_path).optimizer(tmp_path / "o.pt", tmp_path / "laid.pt"))
    assert [path.name for path in tmp_path.iterdir()] == ["o.pt"]
