"""A recipe as the toolkit's config (facts/aitoolkit.md 5). Values in, text out; every key is one of schema.py."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.domain.ids import JobId
from pipeline.domain.recipe import Preset, Recipe
from pipeline.domain.text import line
from pipeline.trainers.bases import HOME, Base, Rung
from pipeline.trainers.box import folder

PROMPTS: Final[Mapping[Preset, Sequence[str]]] = {  # where there are too few captions
    Preset.SUBJECT: (
        "[trigger], a portrait in soft window light",
        "[trigger] in a busy street at dusk",
        "[trigger], close-up, plain background",
        "[trigger] outdoors on a bright morning",
    ),
    Preset.STYLE: (
        "a lighthouse on a cliff, [trigger]",
        "a bowl of fruit on a wooden table, [trigger]",
        "an old man reading in a train, [trigger]",
        "a city seen from a hill at night, [trigger]",
    ),
    Preset.CHARACTER: (
        "[trigger], full body, standing, plain background",
        "[trigger], head and shoulders, looking at the viewer",
        "[trigger] running through a forest",
        "[trigger] sitting at a table in a cafe",
    ),
}
DROPOUT: Final[Mapping[Preset, float]] = {  # part of the steps that see no caption
    Preset.SUBJECT: 0.05,
    Preset.STYLE: 0.1,  # a style must also show where the prompt says nothing of it
    Preset.CHARACTER: 0.05,
}


def config(
    job: JobId,
    recipe: Recipe,
    base: Base,
    home: str,
    *,
    vram_mb: int,
    captions: Sequence[str],
    lower: int = 0,
    at_hub: bool = False,
) -> str:
    """The trainer's config as JSON. `home` is the login's absolute home on the box, `vram_mb` its GPU's memory.

    The name is the job's, never the attempt's: resume looks for it. `lower` goes down the base's ladder where memory
    did not do. `at_hub`: the base by hub id, for whom nothing was fetched. `${` is written so that the toolkit's own
    replacement of variables never sees it (facts 9b.2).
    """
    here, rung = f"{home}/{folder(job)}", base.rung(vram_mb, lower)
    process: dict[str, Any] = {
        "type": "diffusion_trainer",
        "training_folder": f"{here}/out",
        "sqlite_db_path": f"{here}/job.db",
        "trigger_word": recipe.trigger,
        "performance_log_every": 10,
        "network": {"type": "lora", "linear": recipe.rank, "linear_alpha": recipe.rank},
        "save": {
            "dtype": "bf16", "save_every": recipe.save_every, "max_step_saves_to_keep": 4, "push_to_hub": False,
        },
        "datasets": [_dataset(recipe, rung, here)],
        "train": _train(recipe, base, rung),
        "model": _model(base, rung, "" if at_hub else here),
        "sample": _sample(recipe, base, captions),
        "logging": {"log_every": 1, "use_ui_logger": True},
    }  # fmt: skip
    whole = {"job": "extension", "config": {"name": job, "process": [process]}, "meta": {"name": job, "version": "1.0"}}
    return json.dumps(whole, ensure_ascii=True, indent=1).replace("${", "\\u0024{")


def _dataset(recipe: Recipe, rung: Rung, here: str) -> dict[str, Any]:
    return {
        "folder_path": f"{here}/dataset", "caption_ext": "txt", "caption_dropout_rate": DROPOUT[recipe.preset],
        "cache_latents_to_disk": True, "cache_text_embeddings": rung.cache_text, "resolution": list(recipe.resolution),
    }  # fmt: skip


def _train(recipe: Recipe, base: Base, rung: Rung) -> dict[str, Any]:
    train = {
        "batch_size": 1, "steps": recipe.steps, "gradient_accumulation": 1, "train_unet": True,
        "train_text_encoder": False, "gradient_checkpointing": True, "noise_scheduler": base.scheduler,
        "optimizer": "adamw8bit", "lr": float(recipe.lr), "ema_config": {"use_ema": True, "ema_decay": 0.99},
        "dtype": "bf16", "skip_first_sample": True, "disable_sampling": recipe.samples == 0,
        "cache_text_embeddings": rung.cache_text,
    }  # fmt: skip
    return train | ({"timestep_type": base.timestep} if base.timestep else {})


def _model(base: Base, rung: Rung, here: str) -> dict[str, Any]:
    """Where the base lies: below `here`, or at the hub when that is ""."""
    model = {
        "name_or_path": f"{here}/{HOME}" if here else base.parts[0].repo,
        "arch": base.arch, "quantize": base.quantize, "low_vram": rung.low_vram,
    }  # fmt: skip
    if base.assistant:
        model["assistant_lora_path"] = f"{here}/{base.assistant}" if here else base.assistant_at_hub
    return model


def _sample(recipe: Recipe, base: Base, captions: Sequence[str]) -> dict[str, Any]:
    """Exactly one round at the last step; others only where asked for, else `sample_every` lies beyond (facts 9b.8)."""
    own = [*recipe.prompts, *captions]
    return {
        "sampler": base.scheduler, "sample_every": recipe.samples_every or recipe.steps + 1,
        "width": 1024, "height": 1024,
        "prompts": prompts(recipe.samples, own, recipe.preset, recipe.trigger),
        "neg": "", "seed": 42, "walk_seed": True,
        "guidance_scale": base.guidance, "sample_steps": base.sample_steps,
    }  # fmt: skip


def prompts(
    count: int, captions: Sequence[str], preset: Preset = Preset.SUBJECT, trigger: str = "[trigger]"
) -> list[str]:
    """`count` sample prompts from a person's texts, the preset's where there are fewer different ones.

    A person's text is data here: `[name]`, `${X}` and `--flags` mean something to the toolkit and are taken apart;
    `[trigger]` is meant. In a prompt the toolkit replaces it but never adds it (facts 5.3), so it is added here to
    one that does not have `trigger` as a word.
    """
    own = [text for text in dict.fromkeys(map(harmless, captions)) if text]
    word = re.compile(rf"(?<![\w-]){re.escape(trigger)}(?![\w-])")
    chosen = [text if "[trigger]" in text or word.search(text) else f"[trigger] {text}" for text in own[:count]]
    return (chosen + list(PROMPTS[preset]))[:count]


def harmless(text: str) -> str:
    """`text` as one line that holds no instruction to the toolkit. Once is enough: what it changes forms no other."""
    return re.sub(r"-{2,}", "-", nameless(line(text, 400)).replace("${", "$ {")).strip()


def nameless(text: str) -> str:
    """`text` without `[name]`, which the toolkit replaces by a word of its own: the job's id, the trigger (facts 5.3).

    A pair of other brackets in its place, never nothing: from what is left of a removal the next one could form.
    """
    return text.replace("[name]", "(name)")
