"""The model card: what strangers read at the hub. Its front matter is JSON values, which every YAML reads right."""

import json
from collections.abc import Sequence
from typing import Any

from notifier.words import Words
from pipeline.domain.job import Job
from pipeline.trainers.bases import base


class CardWriter:
    """The port Scribe. Nothing typed by a person is in a card but the trigger and the name, which are plain letters."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def model_card(self, job: Job, *, weights: str, samples: Sequence[str]) -> str:
        return f"{_front(job, samples)}\n{self._body(job, weights, samples)}"

    def _body(self, job: Job, weights: str, samples: Sequence[str]) -> str:
        row, recipe, words = base(job.recipe.base), job.recipe, self._words
        step = job.artifact.step if job.artifact else 0
        parts = [f"# {job.recipe.name or job.recipe.trigger}"]
        if samples:
            parts.append("<Gallery />")
        parts.append(words.say("card-about", base=row.title, pictures=len(job.manifest.pictures)))
        if job.incomplete:
            parts.append(words.say("card-incomplete", step=words.number(step), steps=words.number(recipe.steps)))
        parts += [
            f"## {words.say('card-trigger-title')}\n\n{words.say('card-trigger', trigger=recipe.trigger)}",
            f"## {words.say('card-use-title')}\n\n{_snippet(job, weights)}\n\n{words.say('card-comfy', file=weights)}",
            f"## {words.say('card-training-title')}\n\n"
            + words.say(
                "card-training", base=row.title, pictures=len(job.manifest.pictures), step=words.number(step),
                rank=recipe.rank, lr=f"{recipe.lr:g}",
            ),
            words.say("card-licence", licence=row.license_name or row.license),
        ]  # fmt: skip
        return "\n\n".join(parts) + "\n"


def _front(job: Job, samples: Sequence[str]) -> str:
    row = base(job.recipe.base)
    data: dict[str, Any] = {
        "base_model": row.card_base,
        "base_model_relation": "adapter",
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "license": row.license,
        "tags": ["text-to-image", "lora", "diffusers", row.arch, "template:diffusion-lora"],
        "instance_prompt": job.recipe.trigger,
    }
    if row.license_name:
        data |= {"license_name": row.license_name, "license_link": row.license_link}
    if samples:
        data["widget"] = [{"text": job.recipe.trigger, "output": {"url": sample}} for sample in samples]
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in data.items()), "---", ""])


def _snippet(job: Job, weights: str) -> str:
    return f"""```python
import torch
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("{base(job.recipe.base).card_base}", torch_dtype=torch.bfloat16)
pipe.load_lora_weights("{job.repo}", weight_name="{weights}")
image = pipe("{job.recipe.trigger}").images[0]
```"""
