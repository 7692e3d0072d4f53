"""SDXL, the one base whose file is in kohya's form: an alpha beside every pair."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.ports import Demand
from pipeline.trainers.bases.row import KOHYA
from tests.support.weights import LORA, METADATA, SMALL, code_of, good, header, proved, written


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
