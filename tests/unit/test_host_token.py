"""Which hub token may lie on a box of a stranger: the table of what /api/whoami-v2 can say."""

import subprocess
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.adapters.host_token import check
from pipeline.domain.faults import OperatorFault
from pipeline.settings import Settings
from pipeline.trainers.aitoolkit import trusted

USER = {"_id": "1", "type": "user", "name": "box"}
NARROW: dict[str, Any] = {"canReadGatedRepos": True, "global": [], "scoped": []}


def whoami(role: Any = "fineGrained", **rights: Any) -> dict[str, Any]:
    token: dict[str, Any] = {"displayName": "box", "role": role}
    if role == "fineGrained":
        token["fineGrained"] = NARROW | rights
    return {"name": "box", "auth": {"type": "access_token", "accessToken": token}}


def may(*permissions: str, kind: str = "user") -> list[dict[str, Any]]:
    return [{"entity": USER | {"type": kind}, "permissions": list(permissions)}]


@pytest.mark.parametrize("said", [whoami(), whoami(scoped=may()), whoami(scoped=may() + may(kind="org"))])
def test_a_token_that_reads_gated_repos_and_nothing_else_passes(said: object) -> None:
    check(said)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (whoami("read"), "host-token-wide"),
        (whoami("write"), "host-token-wide"),
        (whoami("god"), "host-token-wide"),
        (whoami(scoped=may("repo.write")), "host-token-wide"),
        (whoami(scoped=may("repo.content.read")), "host-token-wide"),  # private repos are content, too
        (whoami(scoped=may() + may("repo.write", kind="org")), "host-token-wide"),
        (whoami(scoped=[{"entity": USER}]), "host-token-wide"),
        (whoami(scoped=["*"]), "host-token-wide"),
        (whoami(scoped="all"), "host-token-wide"),
        (whoami(**{"global": ["inference.serverless.write"]}), "host-token-wide"),
        (whoami(canDoWhatNobodyKnowsYet=True), "host-token-wide"),
        (whoami(canReadGatedRepos=False), "host-token-dead"),
        (whoami(canReadGatedRepos="yes"), "host-token-dead"),
        (whoami(canReadGatedRepos=False, scoped=may("repo.write")), "host-token-wide"),
        ({"name": "box", "auth": {"accessToken": {"role": "fineGrained"}}}, "hub-down"),
        ({"name": "box"}, "hub-down"),
        (["box"], "hub-down"),
        (None, "hub-down"),
    ],
)
def test_any_other_token_is_refused(said: object, code: str) -> None:
    with pytest.raises(OperatorFault) as caught:
        check(said)
    assert caught.value.code == code


def test_the_setting_reaches_the_house_and_the_redactor_and_no_repr() -> None:
    settings = Settings(_env_file=None, hf_host_token=SecretStr("hf_box"))
    house = settings.house("ts")
    assert (house.host_token, house.hub) == ("hf_box", "")
    assert settings.secrets == ("hf_box",)
    assert "hf_box" not in repr(house) + repr(settings)
    assert Settings(_env_file=None).house("ts").host_token == ""
    assert Settings(_env_file=None, hf_endpoint="https://hub.example/").house("ts").hub == "https://hub.example"


def test_no_token_says_anything_to_the_shell_that_sources_it() -> None:
    odd = "hf_'\"; touch $HOME `id` \\ #"
    env = trusted(odd, "https://hub.example/a'b")
    said = subprocess.run(
        ["/bin/sh", "-c", 'set -a; eval "$1"; printenv HF_TOKEN HF_ENDPOINT', "sh", env],
        check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert said.stdout.splitlines() == [odd, "https://hub.example/a'b"]
