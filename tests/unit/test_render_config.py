"""render-config: what a job would send, without a job."""

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bot.cli import render
from bot.talk import options
from pipeline.domain.recipe import Recipe
from pipeline.trainers.bases import BASES
from pipeline.trainers.schema import problems

EVERYTHING = {
    "steps": "500", "base": "flux1-schnell", "preset": "style", "name": "mine-ohwx", "rank": "8", "lr": "2e-4",
    "resolution": "512,768", "save_every": "100", "samples": "2", "samples_every": "200", "captions": "none",
    "publish": "private", "region": "se",
    "gpu": "RTX_4090", "max_price": "0.5",
}  # fmt: skip


def rendered(*argv: str) -> Any:
    app = typer.Typer()
    render.register(app)
    return CliRunner().invoke(app, list(argv))


def flags(typed: dict[str, str]) -> list[str]:
    return [word for key, value in typed.items() for word in (f"--{key.replace('_', '-')}", value)]


def test_every_recipe_option_is_a_flag_and_reaches_the_config() -> None:
    assert EVERYTHING.keys() == options.written(Recipe(trigger="ohwx")).keys()
    done = rendered("ohwx", *flags(EVERYTHING))
    assert done.exit_code == 0, done.output
    whole = json.loads(done.stdout)
    process = whole["config"]["process"][0]
    assert problems(whole) == []
    assert (process["train"]["steps"], process["network"]["linear"], process["train"]["lr"]) == (500, 8, 2e-4)
    assert (process["datasets"][0]["resolution"], process["save"]["save_every"]) == ([512, 768], 100)
    assert (len(process["sample"]["prompts"]), process["sample"]["sample_every"]) == (2, 200)
    assert process["model"]["assistant_lora_path"]


@pytest.mark.parametrize("base", BASES)
def test_every_base_renders_at_the_hub_and_as_fetched(base: str) -> None:
    for place in ((), ("--at-hub",)):
        assert problems(json.loads(rendered("ohwx", "--base", base, *place).stdout)) == []


def test_captions_become_prompts_and_the_card_s_memory_counts() -> None:
    own = rendered("ohwx", "--caption", "a cat", "--prompt", "a fox", "--captions", "none")
    assert json.loads(own.stdout)["config"]["process"][0]["sample"]["prompts"][0] == "[trigger] a fox"
    done = rendered("ohwx", "--caption", "a cat", "--caption", "a --w 9 dog", "--vram", "48000")
    process = json.loads(done.stdout)["config"]["process"][0]
    assert process["sample"]["prompts"][:2] == ["[trigger] a cat", "[trigger] a -w 9 dog"]
    assert process["model"]["low_vram"] is False
    lower = json.loads(rendered("ohwx", "--vram", "48000", "--lower", "1").stdout)
    assert lower["config"]["process"][0]["model"]["low_vram"] is True


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--steps", "9"], "steps must be from 10 to 20,000"),
        (["--preset", "cat"], "preset can be subject"),
        (["--base", "flux9"], "flux1-dev"),
    ],
)
def test_a_mistake_is_told_as_in_the_chat_on_stderr_with_code_2(typed: list[str], told: str) -> None:
    done = rendered("ohwx", *typed)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


HOMES = ("relative", "", "/x/my_LoRA", "/a_cn/b", "/my_t2i", "/a b", "/x[1]", "/x*", "/r\n")
JOBS = ("a_cn", "x*", "../../e", "", "a b", "job", "K3V9Q0000000", "k3v9q0000000x", "a-bcdefghijk")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        *(("--home", home, "no home that a training could resume in") for home in HOMES),
        *(("--job", job, "is no job’s id") for job in JOBS),
    ],
)
def test_a_home_or_a_job_s_id_with_which_the_trainer_could_not_resume_is_refused(
    option: str, value: str, told: str
) -> None:
    done = rendered("ohwx", option, value)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_home_and_a_job_of_ours_are_where_the_config_puts_things() -> None:
    whole = json.loads(rendered("ohwx", "--home", "/box-1", "--job", "abcdefgh1234").stdout)
    assert whole["config"]["name"] == "abcdefgh1234"
    assert whole["config"]["process"][0]["training_folder"] == "/box-1/ts/abcdefgh1234/out"


@pytest.mark.parametrize(("typed", "got"), [("0", "0"), ("-3", "-3"), ("0.000001", "0.000001"), ("200", "200")])
def test_a_price_out_of_bounds_is_told_as_it_was_typed(typed: str, got: str) -> None:
    done = rendered("ohwx", "--max-price", typed)
    assert done.exit_code == 2
    assert done.stderr == f"out-of-bounds: max_price must be from 0.01 to 100; you gave {got}.\n"


@pytest.mark.parametrize("typed", ["cheap", "nan", "inf"])
def test_a_price_that_is_no_number_is_told_as_in_the_chat(typed: str) -> None:
    assert f"max_price needs a number, and “{typed}” is none." in rendered("ohwx", "--max-price", typed).stderr
