"""Tokens, the people behind them, and who may read or write what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.sandbox.hub.answers import Refusal, bad_credentials, no_repo, no_rights
from pipeline.sandbox.hub.repos import Repo

Role = Literal["read", "write", "fineGrained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One token's owner. `gated`: the licence was accepted; `reads_gated`: a fine-grained token's own switch for it.

    A fine-grained token without `scoped` has no right over what its owner has.
    """

    name: str
    orgs: tuple[str, ...] = ()
    role: Role = "write"
    gated: bool = True
    reads_gated: bool = True
    scoped: bool = True

    def owns(self, namespace: str) -> bool:
        return self.scoped and (namespace == self.name or namespace in self.orgs)

    def may_write(self, namespace: str) -> bool:
        return self.role != "read" and self.owns(namespace)

    def card(self) -> dict[str, Any]:
        """What /api/whoami-v2 says."""
        token: dict[str, Any] = {"displayName": "sandbox", "role": self.role}
        if self.role == "fineGrained":
            scopes = [("user", self.name), *(("org", org) for org in self.orgs)] if self.scoped else []
            token["fineGrained"] = {
                "canReadGatedRepos": self.reads_gated,
                "global": [],
                "scoped": [
                    {
                        "entity": {"_id": name, "type": kind, "name": name},
                        "permissions": ["repo.content.read", "repo.write"],
                    }
                    for kind, name in scopes
                ],
            }
        return {
            "type": "user", "id": self.name, "name": self.name, "fullname": self.name,
            "email": None, "canPay": False, "isPro": False,
            "orgs": [{"type": "org", "name": org, "id": org, "roleInOrg": "write"} for org in self.orgs],
            "auth": {"type": "access_token", "accessToken": token},
        }  # fmt: skip


class People:
    """The door: finds out who asks, and refuses in the hub's words."""

    def __init__(self) -> None:
        """Nobody is known yet."""
        self._by_token: dict[str, Person] = {}

    def add(self, token: str, person: Person) -> None:
        self._by_token[token] = person

    def asking(self, authorization: str) -> Person | None:
        """Find the person; None without a token. Raises Refusal(401) on a token nobody has."""
        if not authorization:
            return None
        token = authorization.removeprefix("Bearer ").strip()
        if token not in self._by_token:
            raise bad_credentials()
        return self._by_token[token]

    def stranger_or(self, authorization: str) -> Person | None:
        """As `asking`, but a wrong token counts as none: reading tells it so in other words."""
        try:
            return self.asking(authorization)
        except Refusal:
            return None

    def writer(self, authorization: str, namespace: str) -> Person:
        """Who asks, if they may write there. Raises Refusal 401 or 403."""
        person = self.asking(authorization)
        if person is None:
            raise Refusal(401, "Invalid username or password.")
        if not person.may_write(namespace):
            raise no_rights(namespace)
        return person

    def check_visible(self, person: Person | None, repo: Repo | None) -> Repo:
        """Metadata: private repos exist for their owners only; gated ones for everyone. Raises Refusal 401 or 404."""
        if repo is None or (repo.private and not (person and person.owns(repo.namespace))):
            raise no_repo(known=person is not None)
        return repo

    def check_content(self, person: Person | None, repo: Repo) -> None:
        """Files of a gated repo. Raises Refusal 401 or 403, as captured (hf-transcript, scenarios 38-41)."""
        if not repo.gated or (person and person.owns(repo.namespace)):
            return
        restricted = f"Access to model {repo.id} is restricted"
        if person is None:
            need = "You must have access to it and be authenticated to access it. Please log in."
            raise Refusal(401, f"{restricted}. {need}", "GatedRepo")
        if not person.gated:
            ask = f"Visit https://huggingface.co/{repo.id} to ask for access."
            raise Refusal(403, f"{restricted} and you are not in the authorized list. {ask}", "GatedRepo")
        if person.role == "fineGrained" and not person.reads_gated:
            switch = "Please enable access to public gated repositories in your fine-grained token settings"
            raise Refusal(403, f"{switch} to view this repository.")


def person(  # the facts of a token
    name: str,
    *,
    orgs: Sequence[str] = (),
    role: Role = "write",
    gated: bool = True,
    reads_gated: bool | None = None,
    scoped: bool = True,
) -> Person:
    """A Person; the token's switch follows the licence unless said otherwise."""
    switch = gated if reads_gated is None else reads_gated
    return Person(name=name, orgs=tuple(orgs), role=role, gated=gated, reads_gated=switch, scoped=scoped)
