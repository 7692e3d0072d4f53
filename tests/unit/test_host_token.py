"""Which hub token may lie on a box of a stranger: the table of what /api/whoami-v2 can say."""

from typing import Any

import pytest

from pipeline.adapters.host_token import check
from pipeline.domain.faults import OperatorFault

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
