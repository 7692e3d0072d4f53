"""Weights are proved before "done" is said: what a loader would apply half, crash on or paint noise with is named."""

import asyncio
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from pipeline.adapters.workshop import ChildWorkshop
from pipeline.adapters.workshop_child import weights
from pipeline.domain.faults import HostFault
from pipeline.ports import Demand
from pipeline.trainers.bases.row import KOHYA

LORA = Path(__file__).parents[1] / "data" / "lora"  # tiny files, each judged by the real loaders
METADATA = {"format": "pt", "modelspec.title": "meadow"}
Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]  # name -> dtype, shape, data


def header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found: dict[str, Any] = json.loads(data[8 : 8 + length])
    return found


def demand_of(name: str, only: str = "") -> Demand:
    """What the tiny model demands: its widths are read off a good file."""
    tensors = {key: said["shape"] for key, said in header(LORA / f"{name}.safetensors").items() if "lora" in key}
    names = {key.removeprefix("transformer.").rsplit(".lora_", 1)[0] for key in tensors}
    modules = {
        name: (
            tensors[f"transformer.{name}.lora_A.weight"][1],
            tensors[f"transformer.{name}.lora_B.weight"][0],
        )
        for name in sorted(names)
        if only in name
    }
    return Demand(modules=modules, prefix="transformer.", rank=2, dtype="F16", metadata=METADATA)


WHOLE = demand_of("flux1_diffusers")
ATTENTION = demand_of("flux1_diffusers", only=".attn.")  # the broken files hold these 14 modules
SMALL = Demand(modules={"a": (8, 16), "b.c": (4, 4)}, prefix="transformer.", rank=2, dtype="BF16", metadata=METADATA)


def proved(source: Path, demand: Demand, into: Path) -> list[Any]:
    """The child's own function, without its process: the walls have tests of their own."""
    request = {
        "modules": {name: list(widths) for name, widths in demand.modules.items()},
        "prefix": demand.prefix,
        "rank": demand.rank,
        "dtype": demand.dtype,
        "metadata": dict(demand.metadata),
        "halves": list(demand.halves),
        "alpha": demand.alpha,
    }
    return weights.prove({"source": str(source), "target": str(into), "demand": request})


def written(path: Path, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> Path:
    fields: dict[str, Any] = {"__metadata__": metadata or {}}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        fields[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    path.write_bytes(framed(json.dumps(fields).encode(), b"".join(data for _, _, data in tensors.values())))
    return path


def framed(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(head)) + head + body


def good(dtype: str = "BF16", *, one: int = 0x3F80, rank: int = 2) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    word = np.uint32 if dtype == "F32" else np.uint16
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]] = {}
    for name, (wide, tall) in SMALL.modules.items():
        for side, shape in (("A", (rank, wide)), ("B", (tall, rank))):
            data = np.full(shape, one, word).tobytes()
            tensors[f"transformer.{name}.lora_{side}.weight"] = (dtype, shape, data)
    return tensors


def code_of(path: Path, demand: Demand, into: Path) -> str:
    with pytest.raises(HostFault) as caught:
        proved(path, demand, into)
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("broken_A_without_B", "weights-orphan"),
        ("broken_B_without_A", "weights-orphan"),
        ("broken_all_B_zero", "weights-zero"),
        ("broken_base_model_prefix", "weights-prefix"),
        ("broken_block_out_of_range", "weights-grammar"),
        ("broken_default_in_key", "weights-grammar"),
        ("broken_dora_scale", "weights-grammar"),
        ("broken_empty", "weights-file"),
        ("broken_extra_key", "weights-grammar"),
        ("broken_half_wrong_prefix", "weights-prefix"),
        ("broken_header", "weights-file"),
        ("broken_inf", "weights-nan"),
        ("broken_lokr", "weights-grammar"),
        ("broken_nan", "weights-nan"),
        ("broken_rank_mismatch", "weights-rank"),
        ("broken_truncated", "weights-file"),
        ("broken_unknown_module", "weights-grammar"),
        ("broken_wrong_prefix", "weights-prefix"),
        ("broken_wrong_width", "weights-shape"),
        ("broken_zero_tensors", "weights-file"),
        ("odd_kohya_alpha_missing", "weights-grammar"),
        ("odd_lora_transformer_style", "weights-grammar"),
        ("odd_missing_block", "weights-missing"),
        ("odd_mixed_rank", "weights-rank"),
        ("odd_no_prefix", "weights-prefix"),
        ("odd_peft_plus_alpha", "weights-grammar"),
        ("flux1_comfy", "weights-prefix"),
        ("flux1_kohya", "weights-grammar"),
        ("flux1_diffusers_double", "weights-missing"),
    ],
)
def test_a_file_loaders_would_not_use_whole_is_named(name: str, code: str, tmp_path: Path) -> None:
    demand = WHOLE if name.startswith("flux1") else ATTENTION
    assert code_of(LORA / f"{name}.safetensors", demand, tmp_path / "out") == code


def test_published_metadata_is_our_keys_only(tmp_path: Path) -> None:
    source, into = LORA / "flux1_diffusers.safetensors", tmp_path / "model.safetensors"

    proof = asyncio.run(ChildWorkshop(tmp_path).prove(source, WHOLE, into))

    data = into.read_bytes()
    assert (proof.step, proof.size, proof.sha256) == (20, len(data), hashlib.sha256(data).hexdigest())
    assert into.stat().st_mode & 0o777 == 0o600
    with safe_open(source, "np") as before, safe_open(into, "np") as after:
        assert after.metadata() == METADATA
        assert sorted(before.keys()) == sorted(after.keys())
        assert all(np.array_equal(before.get_tensor(key), after.get_tensor(key)) for key in before.keys())  # noqa: SIM118  # no mapping
    names = [name for name in header(into) if name != "__metadata__"]
    assert names == sorted(names)
    assert list(tmp_path.iterdir()) == [into]


def test_a_lora_adapter_metadata_that_would_change_the_scale_is_dropped(tmp_path: Path) -> None:
    into = tmp_path / "out"
    proved(LORA / "odd_adapter_metadata.safetensors", ATTENTION, into)
    assert header(into)["__metadata__"] == METADATA


def test_a_refused_file_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(HostFault, match="weights-nan"):
        asyncio.run(ChildWorkshop(tmp_path).prove(LORA / "broken_nan.safetensors", ATTENTION, tmp_path / "out"))
    with pytest.raises(HostFault, match="weights-file"):
        asyncio.run(ChildWorkshop(tmp_path).prove(tmp_path / "missing", ATTENTION, tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dtype", "one", "infinite", "minus_zero"),
    [
        ("BF16", 0x3F80, 0x7F80, 0x8000),
        ("F16", 0x3C00, 0xFC00, 0x8000),
        ("F32", 0x3F80_0000, 0xFF80_0001, 0x8000_0000),
    ],
)
def test_each_float_format_knows_its_nan_and_its_zero(
    dtype: str, one: int, infinite: int, minus_zero: int, tmp_path: Path
) -> None:
    demand = replace(SMALL, dtype=dtype)
    proved(written(tmp_path / "good", good(dtype, one=one)), demand, tmp_path / "a")
    assert code_of(written(tmp_path / "nan", good(dtype, one=infinite)), demand, tmp_path / "b") == "weights-nan"
    assert code_of(written(tmp_path / "zero", good(dtype, one=minus_zero)), demand, tmp_path / "c") == "weights-zero"


def test_another_dtype_or_rank_than_ordered_is_named(tmp_path: Path) -> None:
    assert code_of(written(tmp_path / "f16", good("F16", one=0x3C00)), SMALL, tmp_path / "a") == "weights-dtype"
    assert code_of(written(tmp_path / "r4", good(rank=4)), SMALL, tmp_path / "b") == "weights-rank"


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ('{"step": 250, "epoch": 1}', 250),
        ('{"step": true}', 0),
        ('{"step": -3}', 0),
        ('{"step": 1e400}', 0),
        ('{"step": 99999999999}', 0),
        ("[" * 100_000, 0),
        ('["step"]', 0),
        (7, 0),
    ],
)
def test_the_step_is_a_number_or_nothing(said: Any, step: int, tmp_path: Path) -> None:
    source = written(tmp_path / "in", good(), {"training_info": said})
    assert proved(source, SMALL, tmp_path / "out")[2] == step


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


# --- SDXL, the one base whose file is in kohya's form


def kohya_demand(alpha: int = 1) -> Demand:
    """What the toolkit's own tiny SDXL file demands: rank 2, and alpha 1 as it was configured then."""
    shapes = {key: said.get("shape") for key, said in header(LORA / "sdxl_aitk.safetensors").items()}
    names = {key.removeprefix("lora_unet_").removesuffix(".alpha") for key in shapes if key.endswith(".alpha")}
    modules = {
        name: (shapes[f"lora_unet_{name}{KOHYA[0]}"][1], shapes[f"lora_unet_{name}{KOHYA[1]}"][0]) for name in names
    }
    return Demand(
        modules=modules, prefix="lora_unet_", rank=2, dtype="F16", metadata=METADATA, halves=KOHYA, alpha=alpha
    )


def kohya(dtype: str, alpha: float, *, shape: tuple[int, ...] = ()) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """One module of rank 2, with its alpha spelled by numpy."""
    one, words = {"BF16": (0x3F80, np.uint16), "F16": (0x3C00, np.uint16), "F32": (0x3F80_0000, np.uint32)}[dtype]
    spelled = np.float16(alpha).tobytes() if dtype == "F16" else np.float32(alpha).tobytes()
    return {
        "lora_unet_a.lora_down.weight": (dtype, (2, 8), np.full((2, 8), one, words).tobytes()),
        "lora_unet_a.lora_up.weight": (dtype, (16, 2), np.full((16, 2), one, words).tobytes()),
        "lora_unet_a.alpha": (dtype, shape, spelled[2:] if dtype == "BF16" else spelled),
    }


def small_kohya(dtype: str = "BF16") -> Demand:
    return Demand(
        modules={"a": (8, 16)}, prefix="lora_unet_", rank=2, dtype=dtype, metadata=METADATA, halves=KOHYA, alpha=2
    )


def test_the_toolkit_s_sdxl_file_is_accepted_and_rewritten_whole(tmp_path: Path) -> None:
    source, into = LORA / "sdxl_aitk.safetensors", tmp_path / "model.safetensors"
    _, size, step, _ = proved(source, kohya_demand(), into)
    assert (size, step) == (into.stat().st_size, 20)
    assert header(into).keys() - {"__metadata__"} == header(source).keys() - {"__metadata__"}


def test_an_alpha_that_was_not_ordered_is_refused(tmp_path: Path) -> None:
    assert code_of(LORA / "sdxl_aitk.safetensors", kohya_demand(alpha=2), tmp_path / "out") == "weights-alpha"


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_alpha_is_read_in_every_number_format(dtype: str, tmp_path: Path) -> None:
    proved(written(tmp_path / "good", kohya(dtype, 2.0)), small_kohya(dtype), tmp_path / "a")
    bad = written(tmp_path / "bad", kohya(dtype, 1.0))
    assert code_of(bad, small_kohya(dtype), tmp_path / "b") == "weights-alpha"


def test_a_pair_without_its_alpha_is_an_orphan_and_an_alpha_is_one_number(tmp_path: Path) -> None:
    tensors = kohya("BF16", 2.0)
    del tensors["lora_unet_a.alpha"]
    assert code_of(written(tmp_path / "none", tensors), small_kohya(), tmp_path / "a") == "weights-orphan"
    many = written(tmp_path / "many", kohya("BF16", 2.0, shape=(1,)))
    assert code_of(many, small_kohya(), tmp_path / "b") == "weights-shape"


def test_each_form_is_refused_where_the_other_was_ordered(tmp_path: Path) -> None:
    other = replace(SMALL, prefix="lora_unet_", modules={"a": (8, 16)})
    assert code_of(written(tmp_path / "k", kohya("BF16", 2.0)), other, tmp_path / "a") == "weights-grammar"
    assert code_of(written(tmp_path / "p", good()), replace(SMALL, halves=KOHYA), tmp_path / "b") == "weights-grammar"


def test_the_hash_of_the_up_halves_moves_with_the_training_and_with_nothing_else(tmp_path: Path) -> None:
    def ups(name: str, up: bytes, said: Mapping[str, Any]) -> str:
        tensors = {
            **{f"transformer.{module}.lora_A.weight": ("BF16", (2, wide), down * 2 * wide)
               for module, down, wide in (("a", b"\x80\x3f", 8), ("b.c", b"\x80\x3f", 4))},
            "transformer.a.lora_B.weight": ("BF16", (16, 2), up * 32),
            "transformer.b.c.lora_B.weight": ("BF16", (4, 2), up * 8),
        }  # fmt: skip
        into = tmp_path / f"{name}.out"
        found: str = proved(written(tmp_path / name, tensors, said), SMALL, into)[3]
        return found

    first = ups("first", b"\x80\x3f", {"training_info": '{"step": 10}'})
    assert ups("again", b"\x80\x3f", {"training_info": '{"step": 20}'}) == first
    assert ups("later", b"\x81\x3f", {"training_info": '{"step": 20}'}) != first
