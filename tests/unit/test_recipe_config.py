"""Sample prompts and captions: a person's text is data to the trainer, and the trigger is in each prompt once."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.ids import JobId
from pipeline.domain.recipe import TRIGGER, Recipe
from pipeline.sandbox.toolkit.standin import config as toolkit
from pipeline.sandbox.toolkit.standin import samples
from pipeline.trainers.bases import BASES
from pipeline.trainers.recipe_config import config, harmless, nameless, prompts

SIZE: Final = (1024, 1024)
PARTS: Final = (*"[]-${}", "name", "trigger", "[name]", "[trigger]", "--w", " 9", "HOME", "\uff3b", "\uff0d")
hostile = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=30).map("".join)
triggers = (
    st.lists(st.text("aZ_9", min_size=1, max_size=5), min_size=1, max_size=4).map("-".join).filter(TRIGGER.fullmatch)
)


def painted(prompt: str, trigger: str) -> samples.Shot:
    """A prompt read by the trainer's own rules."""
    return samples.shot(prompt, "", 42, SIZE, trigger)


@given(hostile, triggers)
def test_no_text_is_more_than_text_to_the_toolkit(text: str, trigger: str) -> None:
    plain = harmless(text)
    assert painted(plain, trigger) == samples.Shot(plain.replace("[trigger]", trigger), "", 42, SIZE)
    assert "${" not in plain
    assert harmless(plain) == plain


@given(texts=st.lists(hostile, max_size=5), trigger=triggers)
def test_a_whole_config_of_hostile_prompts_and_captions_is_painted_word_for_word(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], trigger: str
) -> None:
    order = Recipe(trigger=trigger, prompts=tuple(texts[:2]))
    written = config(JobId("k3v9q0000000"), order, BASES["flux1-dev"], "/root", vram_mb=24_564, captions=texts[2:])
    asked = json.loads(written)["config"]["process"][0]["sample"]["prompts"]
    file = tmp_path_factory.getbasetemp() / "config.json"
    file.write_text(written, "utf-8")
    job = toolkit.read(str(file), {}, None)
    plan = toolkit.plan(job.name, job.processes[0])
    shots = [samples.shot(prompt, plan.sampling.negative, 42, SIZE, plan.trigger) for prompt in plan.sampling.prompts]
    assert [shot.words for shot in shots] == [prompt.replace("[trigger]", trigger) for prompt in asked]
    assert {(shot.negative, shot.seed, shot.size) for shot in shots} == {("", 42, SIZE)}


@given(hostile, triggers)
def test_in_a_caption_the_toolkit_finds_the_trigger_where_it_was_meant_and_nowhere_else(
    text: str, trigger: str
) -> None:
    caption = nameless(text)
    assert caption.replace("[name]", trigger) == caption
    assert caption.count("[trigger]") == text.count("[trigger]")
    assert caption.replace("(name)", "[name]") == text.replace("(name)", "[name]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[name]]", "[(name)]"), ("[na[name]me]", "[na(name)me]"), ("a ---w 9", "a -w 9"), ("$${HOME}", "$$ {HOME}"),
        ("[[trigger]]", "[[trigger]]"), ("\uff3bname\uff3d", "(name)"), ("[na--me]", "[na-me]"),
    ],
)  # fmt: skip
def test_what_acts_is_replaced_so_that_nothing_else_can_form(text: str, told: str) -> None:
    assert harmless(text) == told


@pytest.mark.parametrize(
    ("caption", "prompt"),
    [
        ("ohwx in a street", "ohwx in a street"), ("a street, (ohwx)", "a street, (ohwx)"), ("by ohwx.", "by ohwx."),
        ("a [trigger] street", "a [trigger] street"), ("a street", "[trigger] a street"),
        ("an ohwxian street", "[trigger] an ohwxian street"), ("ohwx-like street", "[trigger] ohwx-like street"),
        ("Ohwx in a street", "[trigger] Ohwx in a street"),
    ],
)  # fmt: skip
def test_the_trigger_is_added_only_to_a_caption_that_does_not_have_it_as_a_word(caption: str, prompt: str) -> None:
    assert prompts(1, [caption], trigger="ohwx") == [prompt]
    written = config(
        JobId("k3v9q0000000"), Recipe(trigger="ohwx"), BASES["flux1-dev"], "/root", vram_mb=24_564, captions=[caption]
    )  # fmt: skip
    assert json.loads(written)["config"]["process"][0]["sample"]["prompts"][0] == prompt
