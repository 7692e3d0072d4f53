"""Settings: every mistake at once, no secret printed."""

# ruff: noqa: TID251  # this test is about the environment

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.settings import BadSettings, Settings, load


@contextmanager
def environment(tmp_path: Path, given: Mapping[str, str]) -> Iterator[None]:
    """Exactly `given`, in an empty folder, put back afterwards."""
    before, folder = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(given)
    os.chdir(tmp_path)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)


def test_every_mistake_is_in_one_message_and_no_secret_in_it(tmp_path: Path) -> None:
    wrong = {
        "PACE": "-1", "MIN_GPU_FRAC": "7", "PLATFORMS": "pager", "VAST_URL": "http://market.example",
        "BOOT_TRIES": "many", "HF_TOKEN": "hf_very_secret", "VAST_API_KEY": "vast_very_secret",
    }  # fmt: skip
    with environment(tmp_path, wrong), pytest.raises(BadSettings) as caught:
        load()
    said = str(caught.value)
    assert len(said.splitlines()) == 5
    for name in ("PACE", "MIN_GPU_FRAC", "PLATFORMS", "VAST_URL", "BOOT_TRIES"):
        assert name in said
    assert "very_secret" not in said


def test_what_is_needed_and_not_set_is_named(tmp_path: Path) -> None:
    with environment(tmp_path, {}), pytest.raises(BadSettings, match="VAST_API_KEY: is not set\nHF_TOKEN: is not set"):
        load(("vast_api_key", "hf_token"))


def test_a_secret_may_come_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("from-a-file\n")
    with environment(tmp_path, {"VAST_API_KEY_FILE": str(secret)}):
        settings = load(("vast_api_key",))
    assert settings.vast_api_key is not None
    assert settings.vast_api_key.get_secret_value() == "from-a-file"
    assert settings.secrets == ("from-a-file",)
    assert "from-a-file" not in repr(settings)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with environment(tmp_path, {"HF_TOKEN_FILE": "/nowhere"}), pytest.raises(BadSettings, match="NAME_FILE"):
        load()


def test_a_dotenv_beside_it_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PACE=0.5\nBOOT_TRIES=3\nLABEL_PREFIX=\n")
    with environment(tmp_path, {"BOOT_TRIES": "4"}):
        settings = load()
    assert (settings.pace, settings.boot_tries, settings.label_prefix) == (0.5, 4, "")


def test_plain_http_is_for_this_machine_only(tmp_path: Path) -> None:
    with environment(tmp_path, {"VAST_URL": "http://127.0.0.1:8801/", "HF_ENDPOINT": "http://localhost:1"}):
        assert load().vast_url == "http://127.0.0.1:8801"


def test_every_setting_stands_in_the_example_with_its_default() -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    for name in Settings.model_fields:
        assert f"\n#{name.upper()}=" in example or f"\n{name.upper()}=" in example, name
