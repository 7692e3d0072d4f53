"""Where finished models go, and what strangers read about them there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.domain.ids import JobId, Sha256
from pipeline.domain.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is published: files by their name in the repo, and where."""

    job: JobId
    repo: str
    files: Mapping[str, Path]  # an allow-list: nothing else travels
    public: bool
    message: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where it is, and what its files' hashes are there: read back, not remembered."""

    url: str
    revision: str
    sha256: Mapping[str, Sha256]


class Publisher(Protocol):
    """A place models are published to. Every call may be repeated."""

    name: str

    async def claim(self, wanted: str) -> str:
        """Make sure we may write to a repo named after `wanted` (an empty private one is created); its full name.

        A name that exists and holds a model already gets a suffix. OperatorFault("publish-token" | "publish-down").
        """

    async def publish(self, release: Release) -> Receipt: ...

    async def withdraw(self, repo: str) -> None:
        """Remove an empty repo that `claim` made. Idempotent."""


class Scribe(Protocol):
    """Writes what strangers read about a model. Its words live in locales/."""

    def model_card(self, job: Job, *, weights: str, samples: Sequence[str]) -> str:
        """The repo's README.md: front matter and text. `weights` and `samples` are names in the repo."""
