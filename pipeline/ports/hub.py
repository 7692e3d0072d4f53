"""The hub that base models come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.domain.ids import Sha256
from pipeline.trainers.bases import Base


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a base at the hub. `url` is signed and expires; "" means: small, home downloads and sends it."""

    repo: str
    path: str
    size: int
    sha256: Sha256 | None  # None: not known for small files
    revision: str


class Hub(Protocol):
    """Where base models come from. Uses the operator's token, which never leaves home."""

    async def files(self, base: Base) -> list[RemoteFile]:
        """All files of `base` (its patterns), gate checked by a HEAD of a real file.

        Raises OperatorFault("hub-gated" | "hub-token" | "hub-down", repo=...).
        """

    async def sign(self, file: RemoteFile) -> str:
        """A signed, expiring URL that needs no token, or "" for a small file that the hub serves itself."""

    async def download(self, file: RemoteFile, to: Path) -> None:
        """Bring a small file home (at most 64 MB)."""

    async def judge(self, token: str, base: Base) -> None:
        """Return when `token` may read public gated repos, `base` among them, and nothing else: a box may have it.

        Raises OperatorFault("host-token-wide") when it may do more, OperatorFault("host-token-dead") when the hub
        refuses it or it reads no gated repo, OperatorFault("host-token-gated") when its account has not accepted the
        base's terms; "hub-down" as `files`.
        """

    async def close(self) -> None: ...
