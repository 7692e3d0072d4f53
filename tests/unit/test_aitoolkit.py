"""The trainer's config: what a person typed is data in it, and every key is one the toolkit reads."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.ids import JobId
from pipeline.domain.recipe import Recipe
from pipeline.trainers import aitoolkit
from pipeline.trainers.bases import BASES

JOB = JobId("k3v9q0000000")
BASE = BASES["flux1-dev"]
HOSTILE = '${HF_TOKEN} --w 9999 [name] "x","evil":"1" <lora:x:1>'


def config(recipe: Recipe, captions: tuple[str, ...] = ()) -> str:
    return aitoolkit.config(JOB, recipe, BASE, "/root", vram_mb=24_564, captions=captions)


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


def test_exactly_four_samples_of_the_last_step_for_any_number_of_steps() -> None:
    for steps in (10, 11, 20_000):
        read = process(json.loads(config(Recipe(trigger="tok", steps=steps), ("one",))))
        assert read["sample"]["sample_every"] > steps
        assert (read["train"]["skip_first_sample"], len(read["sample"]["prompts"])) == (True, 4)


def test_no_samples_switches_sampling_off() -> None:
    read = process(json.loads(config(Recipe(trigger="tok", samples=0))))
    assert (read["train"]["disable_sampling"], read["sample"]["prompts"]) == (True, [])


def test_fewer_captions_than_samples_are_filled_with_ours() -> None:
    assert len(set(aitoolkit.prompts(4, ["a cat", "a cat", "a dog"]))) == 4


def test_the_log_does_not_begin_with_the_job_s_name() -> None:
    assert not aitoolkit.LOG.startswith(JOB)


def test_a_flux_lora_of_rank_16_is_172_mb() -> None:
    assert (len(BASE.modules), BASE.elements_per_rank) == (494, 5_369_856)
    assert abs(BASE.lora_bytes(16) - 171_970_000) < 1_000_000
