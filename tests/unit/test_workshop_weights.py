"""Weights are proved before "done" is said: what a loader would apply half, crash on or paint noise with is named."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.faults import HostFault
from tests.support.weights import ATTENTION, LORA, METADATA, SMALL, WHOLE, code_of, good, header, proved, written


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
