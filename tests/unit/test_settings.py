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


def test_a_platform_with_a_token_is_on_and_one_without_is_off(tmp_path: Path) -> None:
    with environment(tmp_path, {"DISCORD_TOKEN": "t"}):
        assert load().spoken == ("discord",)
    with environment(tmp_path, {"DISCORD_TOKEN": "t", "TELEGRAM_TOKEN": "t", "PLATFORMS": "telegram"}):
        assert load().spoken == ("telegram",)
    with environment(tmp_path, {"PLATFORMS": "telegram"}), pytest.raises(BadSettings, match="needs TELEGRAM_TOKEN"):
        load()


@pytest.mark.parametrize("operators", ["@ann", "telegram:ann", "7", "terminal:me"])
def test_an_operator_is_an_id_and_never_a_name(tmp_path: Path, operators: str) -> None:
    with environment(tmp_path, {"OPERATORS": operators}), pytest.raises(BadSettings, match="OPERATORS"):
        load()
    with environment(tmp_path, {"OPERATORS": "telegram:7, discord:7"}):
        assert load().operators == ("telegram:7", "discord:7")


def test_a_token_goes_nowhere_unencrypted_but_to_a_local_server(tmp_path: Path) -> None:
    bare = {"TELEGRAM_API_URL": "http://bots.example:8081"}
    with environment(tmp_path, bare), pytest.raises(BadSettings, match="TELEGRAM_API_URL: must be https"):
        load()
    with environment(tmp_path, {**bare, "TELEGRAM_LOCAL_DIR": str(tmp_path)}):
        assert load().telegram_api_url == "http://bots.example:8081"
    with environment(tmp_path, {"DISCORD_GATEWAY_URL": "ws://gw.example"}), pytest.raises(BadSettings, match="wss"):
        load()


def test_a_webhook_without_pages_or_with_a_weak_secret_is_refused(tmp_path: Path) -> None:
    long = "a" * 32
    with environment(tmp_path, {"TELEGRAM_WEBHOOK_SECRET": long}), pytest.raises(BadSettings, match="PUBLIC_URL"):
        load()
    known = {"PUBLIC_URL": "https://bot.example", "TELEGRAM_WEBHOOK_SECRET": "short"}
    with environment(tmp_path, known), pytest.raises(BadSettings, match="16 to 256"):
        load()
