"""Every key of the toolkit's config that we know it reads, with the values it takes (facts/aitoolkit.md 5 and 7).

The toolkit ignores what it does not know, without a word, and falls back to defaults nobody wants (lr 1e-6, fp32): a
slip of the pen would be a wasted training. So nothing is written that is not here. What a person must never reach is
not here either: log_dir, ctrl_img, random_triggers, wandb.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Rule = type | frozenset[Any] | tuple[Any, ...] | Mapping[str, Any] | list[Any]
"""A type; one of some values; one of some rules; a mapping by key; a list of what fits its only rule."""

NUMBER: Final = (int, float)
FLOATS: Final = frozenset({"bf16", "fp16", "float16", "float32"})
SCHEDULERS: Final = frozenset({"flowmatch", "ddpm"})
OPTIMIZERS: Final = frozenset({
    "adamw", "adamw8bit", "adafactor", "prodigy", "prodigy8bit", "lion8bit", "automagic",
})  # fmt: skip
DATASET: Final[Mapping[str, Rule]] = {
    "folder_path": str, "caption_ext": str, "default_caption": str, "caption_dropout_rate": NUMBER,
    "shuffle_tokens": bool, "keep_tokens": int, "token_dropout_rate": NUMBER, "cache_latents_to_disk": bool,
    "cache_text_embeddings": bool, "resolution": [int], "mask_path": str, "mask_min_value": NUMBER,
    "invert_mask": bool, "alpha_mask": bool, "is_reg": bool, "num_repeats": int, "flip_x": bool, "flip_y": bool,
    "network_weight": NUMBER,
}  # fmt: skip
TRAIN: Final[Mapping[str, Rule]] = {
    "batch_size": int, "steps": int, "gradient_accumulation": int, "gradient_accumulation_steps": int,
    "train_unet": bool, "train_text_encoder": bool, "gradient_checkpointing": bool, "noise_scheduler": SCHEDULERS,
    "optimizer": OPTIMIZERS, "lr": float, "lr_scheduler": str, "start_step": int,
    "ema_config": {"use_ema": bool, "ema_decay": float}, "dtype": FLOATS, "skip_first_sample": bool,
    "force_first_sample": bool, "disable_sampling": bool, "cache_text_embeddings": bool, "unload_text_encoder": bool,
    "timestep_type": frozenset({"sigmoid", "linear", "weighted", "shift"}), "diff_output_preservation": bool,
    "diff_output_preservation_class": str, "blank_prompt_preservation": bool, "do_differential_guidance": bool,
    "bypass_guidance_embedding": bool, "switch_boundary_every": int,
}  # fmt: skip
MODEL: Final[Mapping[str, Rule]] = {
    "name_or_path": str, "arch": str, "assistant_lora_path": str, "extras_name_or_path": str, "quantize": bool,
    "quantize_te": bool, "qtype": str, "qtype_te": str, "low_vram": bool, "layer_offloading": bool, "compile": bool,
}  # fmt: skip
SAMPLE: Final[Mapping[str, Rule]] = {
    "sampler": SCHEDULERS, "sample_every": int, "width": int, "height": int, "prompts": [str], "neg": str,
    "seed": int, "walk_seed": bool, "guidance_scale": NUMBER, "sample_steps": int,
    "format": frozenset({"jpg", "png", "webp"}),
}  # fmt: skip
PROCESS: Final[Mapping[str, Rule]] = {
    "type": frozenset({"diffusion_trainer"}), "training_folder": str, "sqlite_db_path": str, "trigger_word": str,
    "performance_log_every": int,
    "network": {
        "type": frozenset({"lora"}), "linear": int, "linear_alpha": int, "pretrained_lora_path": str,
        "network_kwargs": {"only_if_contains": [str], "ignore_if_contains": [str]},
    },
    "save": {
        "dtype": FLOATS, "save_every": int, "max_step_saves_to_keep": int, "push_to_hub": frozenset({False}),
    },
    "datasets": [DATASET], "train": TRAIN, "model": MODEL, "sample": SAMPLE,
    "logging": {"log_every": int, "use_ui_logger": bool},
}  # fmt: skip
CONFIG: Final[Mapping[str, Rule]] = {
    "job": frozenset({"extension"}),
    "config": {"name": str, "process": [PROCESS]},
    "meta": {"name": str, "version": str},
}
NEEDED: Final = {  # without these the toolkit stops, or takes a default of its own that ruins the training
    "": ("type", "training_folder", "sqlite_db_path", "network", "save", "datasets", "train", "model", "sample"),
    "network": ("type", "linear", "linear_alpha"),
    "save": ("dtype", "save_every", "max_step_saves_to_keep"),
    "train": ("steps", "lr", "dtype", "noise_scheduler", "optimizer", "train_unet", "skip_first_sample"),
    "model": ("name_or_path", "arch", "quantize"),
    "sample": ("sampler", "sample_every", "width", "height", "guidance_scale", "sample_steps"),
}


def problems(config: Any) -> list[str]:
    """What is wrong with a whole config, by path; [] for a good one. Never raises."""
    wrong = list(_unfit(config, CONFIG, "config"))
    if wrong:
        return wrong
    processes = config.get("config", {}).get("process", [])
    return [each for process in processes for each in _missing(process)] if processes else ["config.process: missing"]


def _missing(process: Mapping[str, Any]) -> Iterator[str]:
    for section, keys in NEEDED.items():
        given = process.get(section, {}) if section else process
        yield from (f"{section or 'process'}.{key}: missing" for key in keys if key not in given)
    if process.get("train", {}).get("noise_scheduler") != process.get("sample", {}).get("sampler"):
        yield "sample.sampler: must match train.noise_scheduler"


def _unfit(value: Any, rule: Rule, path: str) -> Iterator[str]:
    if isinstance(rule, Mapping):
        if not isinstance(value, Mapping):
            yield f"{path}: not a mapping"
            return
        for key, inner in value.items():
            if key in rule:
                yield from _unfit(inner, rule[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: the toolkit reads no such key"
    elif isinstance(rule, list):
        if not isinstance(value, list):
            yield f"{path}: not a list"
            return
        for n, inner in enumerate(value):
            yield from _unfit(inner, rule[0], f"{path}[{n}]")
    elif not _fits(value, rule):
        yield f"{path}: {value!r} is not allowed"


def _fits(value: Any, rule: Rule) -> bool:
    """Whether a plain value fits. True is no number here, nor is 1 a truth: the toolkit would take either."""
    if isinstance(rule, frozenset):
        return any(type(value) is type(allowed) and value == allowed for allowed in rule)
    return any(type(value) is allowed for allowed in (rule if isinstance(rule, tuple) else (rule,)))
