"""Every config we write holds only keys the toolkit reads, with values of the kind it takes."""

import json
from itertools import product
from typing import Any

import pytest

from pipeline.domain.ids import JobId
from pipeline.domain.recipe import Preset, Recipe, preset_values
from pipeline.trainers import recipe_config
from pipeline.trainers.bases import BASES
from pipeline.trainers.schema import problems

CARDS = (24_000, 24_564, 32_607, 48_000, 81_920)
MINIMAL: Any = {  # the minimal complete process of facts/aitoolkit.md 5.1
    "type": "diffusion_trainer", "training_folder": "/out", "sqlite_db_path": "/aitk.db", "trigger_word": "p3r5on",
    "performance_log_every": 10, "network": {"type": "lora", "linear": 16, "linear_alpha": 16},
    "save": {"dtype": "bf16", "save_every": 250, "max_step_saves_to_keep": 4, "push_to_hub": False},
    "datasets": [{
        "folder_path": "/d", "caption_ext": "txt", "caption_dropout_rate": 0.05, "cache_latents_to_disk": True,
        "resolution": [512, 768, 1024],
    }],
    "train": {
        "batch_size": 1, "steps": 2000, "gradient_accumulation": 1, "train_unet": True, "train_text_encoder": False,
        "gradient_checkpointing": True, "noise_scheduler": "flowmatch", "optimizer": "adamw8bit", "lr": 1e-4,
        "ema_config": {"use_ema": True, "ema_decay": 0.99}, "dtype": "bf16", "skip_first_sample": True,
    },
    "model": {"name_or_path": "black-forest-labs/FLUX.1-dev", "arch": "flux", "quantize": True},
    "sample": {
        "sampler": "flowmatch", "sample_every": 250, "width": 1024, "height": 1024, "prompts": ["[trigger] in a cafe"],
        "neg": "", "seed": 42, "walk_seed": True, "guidance_scale": 4, "sample_steps": 20,
    },
    "logging": {"log_every": 1, "use_ui_logger": True},
}  # fmt: skip


def written(base: str, preset: Preset, vram_mb: int = 24_564, *, lower: int = 0, at_hub: bool = False) -> Any:
    recipe = Recipe(trigger="tok", base=base, **preset_values(preset))
    text = recipe_config.config(
        JobId("k3v9q0000000"), recipe, BASES[base], "/home/box",
        vram_mb=vram_mb, captions=("a cat",), lower=lower, at_hub=at_hub,
    )  # fmt: skip
    return json.loads(text)


def process(whole: Any) -> Any:
    return whole["config"]["process"][0]


@pytest.mark.parametrize(("base", "preset"), list(product(BASES, Preset)))
def test_every_base_and_preset_writes_only_keys_the_toolkit_reads(base: str, preset: Preset) -> None:
    for vram_mb, lower, at_hub in product(CARDS, range(3), (False, True)):
        assert problems(written(base, preset, vram_mb, lower=lower, at_hub=at_hub)) == []


def test_the_toolkit_s_own_minimal_config_is_good() -> None:
    config = {"name": "my_lora", "process": [MINIMAL]}
    assert problems({"job": "extension", "config": config, "meta": {"name": "[name]", "version": "1.0"}}) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.learning_rate", 1e-4), ("train.lr", "1e-4"), ("train.steps", True), ("train.optimizer", "adam"),
        ("train.dtype", "bfloat"), ("model.lowvram", True), ("model.quantize", "yes"),
        ("sample.ctrl_img", "/etc/passwd"), ("save.push_to_hub", True), ("network.type", "lokr"), ("log_dir", "/tmp"),
        ("datasets", {}),
        ("sample.prompts", ["one", 2]), ("sample.sampler", "ddpm"), ("train", None),
    ],
)  # fmt: skip
def test_a_wrong_key_or_value_is_named(path: str, value: object) -> None:
    whole = written("flux1-dev", Preset.SUBJECT)
    *sections, key = path.split(".")
    inner = process(whole)
    for section in sections:
        inner = inner[section]
    inner[key] = value
    assert any(path in problem for problem in problems(whole))


@pytest.mark.parametrize("path", ["train.lr", "train.dtype", "save.dtype", "sample.sampler", "model.arch"])
def test_a_missing_key_whose_default_would_ruin_the_training_is_named(path: str) -> None:
    whole = written("flux1-dev", Preset.SUBJECT)
    section, key = path.split(".")
    del process(whole)[section][key]
    assert f"{path}: missing" in problems(whole)


@pytest.mark.parametrize("value", [None, [], "", {"config": {"name": "x", "process": [1]}}, {"config": None}])
def test_what_is_no_config_at_all_raises_nothing(value: object) -> None:
    assert problems(value)
