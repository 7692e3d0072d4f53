"""Files crafted to look like weights: each is a fault with a name, and costs nothing."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain.faults import HostFault
from tests.support.weights import LORA, SMALL, WHOLE, code_of, framed, good, proved, written


def shifted(change: int) -> bytes:
    """A good header whose last tensor begins `change` bytes off."""
    fields: dict[str, Any] = {}
    at = 0
    for name, (dtype, shape, data) in good().items():
        fields[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    last = list(fields.values())[-1]
    last["data_offsets"] = [last["data_offsets"][0] + change, last["data_offsets"][1] + change]
    return json.dumps(fields).encode()


def single(*, shape: str = "[2,8]", offsets: str = "[0,32]", more: str = "", times: int = 1) -> bytes:
    """A file of one tensor, told as wished."""
    name = '"transformer.a.lora_A.weight"'
    tensor = f'{name}:{{"dtype":"BF16","shape":{shape},"data_offsets":{offsets}{more}}}'
    return framed(f"{{{','.join([tensor] * times)}}}".encode(), bytes(32))


BODY = b"".join(data for _, _, data in good().values())
CRAFTED = {
    "claims a header of 100 GB": struct.pack("<Q", 100 * 10**9) + b"{}",
    "a header of no bytes": struct.pack("<Q", 0),
    "seven bytes": b"1234567",
    "tensors that overlap": framed(shifted(-4), BODY),
    "a gap between tensors": framed(shifted(4), BODY + b"abcd"),
    "bytes after the last tensor": framed(shifted(0), BODY + b"more"),
    "a key that comes twice": single(times=2),
    "a hundred thousand brackets": framed(b"[" * 100_000),
    "a list": framed(b"[]"),
    "letters that are no UTF-8": framed(b'{"\xff":1}'),
    "an extra field": single(more=',"x":1'),
    "negative offsets": single(offsets="[-32,0]"),
    "a shape of fractions": single(shape="[2.0,8]"),
    "a shape of 5,000 digits": single(shape=f"[{'9' * 5000}]"),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_crafted_files_are_named_host_faults(what: str, tmp_path: Path) -> None:
    source = tmp_path / "crafted"
    source.write_bytes(CRAFTED[what])
    assert code_of(source, SMALL, tmp_path / "out") == "weights-file"


def test_a_shape_that_lies_about_its_bytes_is_named(tmp_path: Path) -> None:
    tensors = good()
    first, second = list(tensors)[:2]
    for name, change in ((first, 4), (second, -4)):  # the sum is right, the parts are not
        dtype, shape, data = tensors[name]
        tensors[name] = (dtype, shape, (data + bytes(4))[: len(data) + change])
    assert code_of(written(tmp_path / "lie", tensors), SMALL, tmp_path / "out") == "weights-file"


def test_a_tensor_without_dimensions_is_named(tmp_path: Path) -> None:
    tensors = good()
    first = next(iter(tensors))
    tensors[first] = ("BF16", (), bytes(2))
    assert code_of(written(tmp_path / "scalar", tensors), SMALL, tmp_path / "out") == "weights-shape"


def test_names_that_act_never_get_near_a_screen(tmp_path: Path) -> None:
    tensors = good() | {"\x1b]52;c;AAAA\x07<b>.lora_A.weight": ("BF16", (2, 2), bytes(8))}
    with pytest.raises(HostFault) as caught:
        proved(written(tmp_path / "esc", tensors), SMALL, tmp_path / "out")
    assert caught.value.code == "weights-prefix"
    assert not caught.value.facts


def test_more_tensors_than_any_base_has_are_refused(tmp_path: Path) -> None:
    crowd = ",".join(f'"{n}":{{"dtype":"BF16","shape":[],"data_offsets":[0,0]}}' for n in range(70_000))
    source = tmp_path / "crowd"
    source.write_bytes(framed(f"{{{crowd}}}".encode()))
    assert code_of(source, SMALL, tmp_path / "out") == "weights-file"


def test_a_file_far_over_its_formula_is_not_even_parsed(tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.touch()
    with source.open("r+b") as file:
        file.truncate(10 * 1024**4)  # a sparse 10 TB
    assert code_of(source, SMALL, tmp_path / "out") == "weights-size"


def test_a_link_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(LORA / "flux1_diffusers.safetensors")
    assert code_of(link, WHOLE, tmp_path / "out") == "weights-file"
    assert code_of(tmp_path, WHOLE, tmp_path / "out") == "weights-file"
