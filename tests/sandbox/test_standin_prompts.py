"""Sample prompts as the stand-in reads them: the trigger first, then the flags, as the real toolkit does."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.domain.recipe import Recipe
from pipeline.sandbox.toolkit.standin.samples import Shot, shot
from pipeline.trainers.recipe_config import prompts
from tests.sandbox.standin_box import Box


def run(folder: Path, trigger: str, *asked: str, **sample: Any) -> tuple[Box, int]:
    """Two steps and the samples of the last."""
    box = Box(folder)
    sample |= {"prompts": list(asked), "sample_every": 100, "width": 128, "height": 64, "neg": ""}
    config = box.config(train={"steps": 2, "skip_first_sample": True}, sample=sample, trigger_word=trigger)
    return box, box.run(str(config))


@pytest.mark.parametrize("trigger", ["ab--w", "ab--steps", "ab--cfg"])
def test_a_trigger_that_holds_a_flag_crashes_the_samples_of_a_training_that_is_paid(
    tmp_path: Path, trigger: str
) -> None:
    box, code = run(tmp_path, trigger, "a bear", "[trigger] in a cafe")
    assert code == 1
    assert re.search(r"Error running job: (invalid literal for int|could not convert string to float)", box.said())
    assert (box.job / "j1.safetensors").exists()
    assert not list(box.job.glob("samples/*")), "the whole round is read before the first is painted"
    assert box.row()["status"] == "error"


def test_prompts_as_we_write_them_are_painted_with_no_flag(tmp_path: Path) -> None:
    order = Recipe(trigger="my-cat")
    order.check()
    box, code = run(tmp_path, order.trigger, *prompts(4, ["a --w 9 dog", "-[trigger]-", "--n", "[[name]] --"]))
    assert code == 0, box.said()
    sizes = set()
    for path in box.job.glob("samples/*.jpg"):
        with Image.open(path) as picture:
            sizes.add(picture.size)
    assert sizes == {(128, 64)}


@pytest.mark.parametrize(
    ("prompt", "seen"),
    [
        ("a [trigger] ", Shot("a ohwx", "ugly", 1, (512, 256))),
        ("[name] by day", Shot("ohwx by day", "ugly", 1, (512, 256))),
        ("a cat --w 100 --h 40 --d 7", Shot("a cat", "ugly", 7, (96, 64))),
        ("a cat --d 7 --seed 8 --n a dog, in rain", Shot("a cat", "a dog, in rain", 8, (512, 256))),
        ("a cat --steps 9 --cfg 2.5 --ev 1,2.5 --nonsense at all", Shot("a cat", "ugly", 1, (512, 256))),
        ("a -- cat", Shot("a", "ugly", 1, (512, 256))),
        ("well-known - a cat", Shot("well-known - a cat", "ugly", 1, (512, 256))),
    ],
)
def test_flags_are_read_as_the_toolkit_reads_them(prompt: str, seen: Shot) -> None:
    assert shot(prompt, "ugly", 1, (512, 256), "ohwx") == seen


@pytest.mark.parametrize("prompt", ["a --w", "a --w 9.5", "a --seed x", "a --cfg high", "a --ev 1,,2", "a --s--s 4"])
def test_a_flag_whose_value_is_no_number_raises(prompt: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        shot(prompt, "", 1, (512, 256), "ohwx")
