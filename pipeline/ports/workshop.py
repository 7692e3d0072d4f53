"""Files of strangers: brought home, opened, packed and proved where they can harm nothing."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.domain.dataset import Inspection, Manifest
from pipeline.domain.ids import Sha256
from pipeline.domain.job import Pack
from pipeline.trainers.bases import PEFT


@dataclass(frozen=True, slots=True)
class Proof:
    """Weights that were proved and rewritten with our metadata only. `step` is what the original said.

    `ups` is the sha256 of the up halves alone, whatever the file says around them: every training step moves them.
    """

    sha256: Sha256
    size: int
    step: int
    ups: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the weights must be."""

    modules: Mapping[str, tuple[int, int]]  # name -> (in, out)
    prefix: str
    rank: int
    dtype: str  # "BF16"
    metadata: Mapping[str, str]  # ours, written into the file
    halves: tuple[str, str] = PEFT  # how the keys of a pair end: down, up
    alpha: int | None = None  # of every pair, under ".alpha"; None: there is no such key


class Workshop(Protocol):
    """Files of strangers, opened in a child process with an empty environment, limits and a deadline."""

    async def inspect(self, source: Path, into: Path) -> Inspection:
        """Open a zip, a folder or one picture; keep each usable picture in `into` as `<sha256>.jpg`.

        Raises UserFault("not-an-archive" | "archive-hostile" | "archive-empty" | "file-missing") when refused whole.
        """

    async def pack(self, manifest: Manifest, pictures: Path, into: Path) -> Pack:
        """Write the tarball `into`: 0001.jpg, 0001.txt... No name, EXIF or time is in it: same manifest, same bytes."""

    async def prove(self, weights: Path, demand: Demand, into: Path) -> Proof:
        """Check weights and rewrite them to `into`. Raises HostFault("weights-<what>") (facts/loading.md 6)."""

    async def optimizer(self, source: Path, into: Path) -> None:
        """Rewrite a box's optimizer.pt to `into`, looked at opcode by opcode, never loaded.

        Raises HostFault("optimizer-refused") when it is malformed, or names anything but a tensor's own parts.
        """

    async def samples(self, pictures: Sequence[Path], into: Path) -> list[Path]:
        """Decode and re-encode samples; refused ones are left out."""

    async def sheet(self, pictures: Sequence[Path], into: Path) -> Path:
        """One contact sheet of `pictures`."""


class Fetcher(Protocol):
    """Brings home what a person points at."""

    def fetched(self, url: str) -> AbstractAsyncContextManager[Path]:
        """The file behind `url`, for as long as the block lasts.

        Raises UserFault("link-refused" | "link-unreachable" | "link-missing" | "link-closed" | "link-page" |
        "link-slow" | "link-too-big"): an address we do not ask, nobody there, nothing there, not for us, a page instead
        of a file, too slow, more than a draft holds.
        """
