"""The trainer's config: what a person typed is data in it, and every key is one the toolkit reads."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.ids import JobId
from pipeline.domain.recipe import Preset, Recipe
from pipeline.trainers import aitoolkit
from pipeline.trainers.bases import BASES, Base

JOB = JobId("k3v9q0000000")
BASE = BASES["flux1-dev"]
HOSTILE = '${HF_TOKEN} --w 9999 [name] "x","evil":"1" <lora:x:1>'


def config(
    recipe: Recipe, captions: tuple[str, ...] = (), *, base: Base = BASE, vram_mb: int = 24_564, lower: int = 0
) -> str:
    return aitoolkit.config(JOB, recipe, base, "/home/box", vram_mb=vram_mb, captions=captions, lower=lower)


def toolkit_reads(text: str, environ: dict[str, str]) -> dict[str, Any]:
    """The toolkit's own rules: `${X}` from the environment, in the text (unknown aborts); `[name]` in the config."""
    replaced = re.sub(r"\$\{(.+?)\}", lambda match: environ[match[1]], text)
    name = json.loads(replaced)["config"]["name"]
    whole: dict[str, Any] = json.loads(replaced.replace("[name]", name))
    return whole


def process(read: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = read["config"]["process"][0]
    return found


def test_the_name_is_the_job_s_and_never_the_attempt_s() -> None:
    assert toolkit_reads(config(Recipe(trigger="tok")), {})["config"]["name"] == JOB


def test_a_hostile_caption_gives_no_variable_no_flag_and_no_key() -> None:
    read = process(toolkit_reads(config(Recipe(trigger="tok"), (HOSTILE,)), {}))
    prompt = read["sample"]["prompts"][0]
    assert "${" not in prompt
    assert "--" not in prompt
    assert "evil" not in read["sample"]


@given(st.lists(st.text(max_size=300), max_size=6))
def test_any_caption_passes_the_toolkit_s_replace_and_parse_unchanged(captions: list[str]) -> None:
    text = config(Recipe(trigger="tok"), tuple(captions))
    assert process(toolkit_reads(text, {})) == process(json.loads(text))


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_no_base_lets_a_hostile_caption_into_any_key_but_the_prompts(base: Base) -> None:
    for preset in Preset:
        plain = process(json.loads(config(Recipe(trigger="tok", preset=preset), base=base)))
        hostile = process(toolkit_reads(config(Recipe(trigger="tok", preset=preset), (HOSTILE,), base=base), {}))
        del plain["sample"]["prompts"]
        del hostile["sample"]["prompts"]
        assert hostile == plain


def test_exactly_four_samples_of_the_last_step_for_any_number_of_steps() -> None:
    for steps in (10, 11, 20_000):
        read = process(json.loads(config(Recipe(trigger="tok", steps=steps), ("one",))))
        assert read["sample"]["sample_every"] > steps
        assert (read["train"]["skip_first_sample"], len(read["sample"]["prompts"])) == (True, 4)


def test_rounds_between_come_only_where_asked_for_and_the_last_step_has_its_own() -> None:
    read = process(json.loads(config(Recipe(trigger="tok", steps=1000, samples_every=250))))
    assert (read["sample"]["sample_every"], len(read["sample"]["prompts"])) == (250, 4)
    assert Recipe(trigger="tok", steps=1000, samples_every=250).rounds == 4
    assert Recipe(trigger="tok", steps=1001, samples_every=250).rounds == 5
    assert Recipe(trigger="tok", steps=1000).rounds == 1


@given(st.lists(st.text(min_size=1, max_size=400), max_size=4))
def test_a_person_s_own_prompts_come_first_and_hold_no_instruction_to_the_toolkit(prompts: list[str]) -> None:
    order = Recipe(trigger="tok", prompts=(*prompts[:3], HOSTILE))
    text = config(order, ("a caption",))
    read = process(toolkit_reads(text, {}))
    assert read == process(json.loads(text))
    assert len(read["sample"]["prompts"]) == 4
    for prompt in read["sample"]["prompts"]:
        assert not any(word in prompt for word in ("${", "[name]", "--"))


def test_no_samples_switches_sampling_off() -> None:
    read = process(json.loads(config(Recipe(trigger="tok", samples=0))))
    assert (read["train"]["disable_sampling"], read["sample"]["prompts"]) == (True, [])


def test_fewer_captions_than_samples_are_filled_with_ours() -> None:
    assert len(set(aitoolkit.prompts(4, ["a cat", "a cat", "a dog"]))) == 4


def test_the_log_does_not_begin_with_the_job_s_name() -> None:
    assert not aitoolkit.LOG.startswith(JOB)


def test_a_preset_has_prompts_of_its_own_and_its_part_of_the_captions_dropped() -> None:
    seen = set()
    for preset in Preset:
        read = process(json.loads(config(Recipe(trigger="tok", preset=preset))))
        assert all("[trigger]" in prompt for prompt in read["sample"]["prompts"])
        assert 0 < read["datasets"][0]["caption_dropout_rate"] < 0.5
        seen.update(read["sample"]["prompts"])
    assert len(seen) == 4 * len(Preset)


def test_the_gpu_that_was_rented_decides_how_memory_is_spent() -> None:
    def spent(vram_mb: int, lower: int = 0) -> tuple[bool, bool, bool]:
        read = process(json.loads(config(Recipe(trigger="tok"), vram_mb=vram_mb, lower=lower)))
        dataset, train = read["datasets"][0], read["train"]
        return read["model"]["low_vram"], train["cache_text_embeddings"], dataset["cache_text_embeddings"]

    assert spent(48_000) == (False, False, False)
    assert spent(24_564) == (True, False, False)
    assert spent(24_564, lower=1) == (True, True, True)


def test_a_distilled_base_trains_on_its_adapter_from_the_folder_it_was_fetched_to() -> None:
    model = process(json.loads(config(Recipe(trigger="tok"), base=BASES["flux1-schnell"])))["model"]
    here = f"/home/box/ts/{JOB}"
    assert model["name_or_path"] == f"{here}/base"
    assert model["assistant_lora_path"] == f"{here}/assistant/pytorch_lora_weights.safetensors"
    assert "assistant_lora_path" not in process(json.loads(config(Recipe(trigger="tok"))))["model"]


def test_where_nothing_was_fetched_the_base_and_its_adapter_are_named_as_the_hub_has_them() -> None:
    row = BASES["zimage-turbo"]
    text = aitoolkit.config(JOB, Recipe(trigger="tok"), row, "/home/box", vram_mb=24_564, captions=(), at_hub=True)
    model = process(json.loads(text))["model"]
    assert (model["name_or_path"], model["assistant_lora_path"].count("/")) == ("Tongyi-MAI/Z-Image-Turbo", 2)


def test_each_base_is_sampled_with_its_own_guidance_and_steps() -> None:
    def sampled(base: str) -> tuple[float, int]:
        sample = process(json.loads(config(Recipe(trigger="tok"), base=BASES[base])))["sample"]
        return sample["guidance_scale"], sample["sample_steps"]

    assert (sampled("flux1-dev"), sampled("flux1-schnell"), sampled("zimage-turbo")) == ((4, 20), (1, 4), (1, 9))
