"""The workshop: files of strangers are opened in a child process with nothing to steal and nothing to break.

Each call is one child (`workshop_child/`): empty environment, own session, limits, a deadline, one answer under a cap.
It writes into a scratch folder beside the target; here its answer is checked like any other stranger's, and only then
do files move to where they belong. A child that was killed leaves nothing.
"""

import asyncio
import errno
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pipeline.adapters import cage
from pipeline.adapters.workshop_answers import Lied, hashed, inspection, sized, told, whole
from pipeline.adapters.workshop_child import LIMIT_HIT
from pipeline.domain.dataset import MOST_BYTES, Inspection, Manifest
from pipeline.domain.faults import HostFault, OperatorFault, UserFault
from pipeline.domain.job import Pack
from pipeline.domain.text import clean
from pipeline.ports import Demand, Proof

MB: Final = 1024**2
MOST_ANSWER: Final = 32 * MB  # a thousand pictures, each with a caption of a thousand escaped letters
MOST_COMPLAINT: Final = 8 * 1024  # of stderr
PACKAGES: Final = Path(__file__).resolve().parents[2]  # where `pipeline` lies
CHILD: Final = Path(__file__).resolve().parent / "workshop_child" / "__main__.py"
MOST_WEIGHED: Final = 5000  # files of a folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one child may use: seconds on the wall and on the processor, bytes of address space, bytes in one file."""

    seconds: float
    memory: int = 1024 * MB
    file: int = 64 * MB


class _Died(Exception):
    """The child was stopped by a limit, a signal or its deadline."""


class ChildWorkshop:
    """The port Workshop. `spool` is the folder that Pack.file is relative to; at most `hands` children run at once."""

    def __init__(self, spool: Path, *, hands: int = 2, child: Path = CHILD, patience: float = 1.0) -> None:
        self._spool = spool
        self._hands = asyncio.Semaphore(hands)
        self._child = child
        self._patience = patience  # a factor on every deadline

    async def inspect(self, source: Path, into: Path) -> Inspection:
        """See the port. Also UserFault("archive-encrypted" | "archive-too-big" | "dataset-too-large").

        Pictures are kept upright, in sRGB, on white, at most 2048² pixels large. The deadline grows with what was sent.
        """
        bounds = Bounds(seconds=60 + _weight(source) / MB, memory=2048 * MB)
        with _scratch(into) as scratch:
            request = {"source": str(source), "into": str(scratch)}
            try:
                answer = await self._ask("inspect", request, bounds, reads=(source,), writes=(scratch,))
                seen = inspection(answer, scratch)
            except (_Died, Lied):
                raise UserFault("archive-hostile") from None
            for picture in seen.pictures:
                name = f"{picture.sha256}.jpg"
                (scratch / name).replace(into / name)
        return seen

    async def pack(self, manifest: Manifest, pictures: Path, into: Path) -> Pack:
        """See the port. `into` is the tarball's path, in the spool.

        Raises OperatorFault("spool-damaged") when a picture is gone or is no longer what it was.
        """
        most = manifest.size + (8 * 1024 * (len(manifest.pictures) + 1))
        bounds = Bounds(seconds=30 + most / (10 * MB), file=most + MB)
        with _scratch(into.parent) as scratch:
            target = scratch / "made"
            request = {
                "manifest": [[picture.sha256, picture.caption] for picture in manifest.pictures],
                "pictures": str(pictures),
                "target": str(target),
            }
            answer = await self._ask_ours("pack", request, bounds, reads=(pictures,), writes=(scratch,))
            sha256, size = whole(answer, target)
            target.replace(into)
        return Pack(file=into.relative_to(self._spool).as_posix(), sha256=sha256, size=size)

    async def prove(self, weights: Path, demand: Demand, into: Path) -> Proof:
        """See the port. `into` is the path of the rewritten file; `step` is 0 when the trainer wrote none."""
        size = _weight(weights)
        bounds = Bounds(seconds=30 + size / (10 * MB), file=size + 8 * MB)
        with _scratch(into.parent) as scratch:
            target = scratch / "made"
            request = {"source": str(weights), "demand": _spelled(demand), "target": str(target)}
            try:
                answer = await self._ask("prove", request, bounds, reads=(weights,), writes=(scratch,))
                sha256, size = whole(answer[:2], target)
                step, ups = int(answer[2]), hashed(answer[3])
            except (_Died, Lied, IndexError, TypeError, ValueError):
                raise HostFault("weights-file") from None
            target.replace(into)
        return Proof(sha256=sha256, size=size, step=step, ups=ups)

    async def optimizer(self, source: Path, into: Path) -> None:
        """See the port. `into` is the path of the rewritten file."""
        size = _weight(source)
        bounds = Bounds(seconds=30 + size / (10 * MB), file=size + 16 * MB)
        with _scratch(into.parent) as scratch:
            target = scratch / "made"
            request = {"source": str(source), "target": str(target)}
            try:
                sized(await self._ask("optimizer", request, bounds, reads=(source,), writes=(scratch,)), target)
                target.replace(into)
            except (_Died, Lied, OSError):
                raise HostFault("optimizer-refused", why="malformed") from None

    async def samples(self, pictures: Sequence[Path], into: Path) -> list[Path]:
        """See the port: each becomes `into/<its stem>.jpg`, in their order."""
        bounds = Bounds(seconds=10 + 5 * len(pictures))
        with _scratch(into) as scratch:
            targets = {str(scratch / f"{n}.jpg"): into / f"{picture.stem}.jpg" for n, picture in enumerate(pictures)}
            request = {"pairs": list(zip(map(str, pictures), targets, strict=True))}
            try:
                answer = await self._ask("samples", request, bounds, reads=pictures, writes=(scratch,))
                made = [(Path(name), targets[name]) for name in answer]
            except (_Died, Lied, KeyError, TypeError):
                raise HostFault("samples-broken") from None
            for here, there in made:
                here.replace(there)
        return [there for _, there in made]

    async def sheet(self, pictures: Sequence[Path], into: Path) -> Path:
        """See the port. `into` is the JPEG's path."""
        bounds = Bounds(seconds=10 + 5 * len(pictures))
        with _scratch(into.parent) as scratch:
            target = scratch / "made"
            request = {"sources": [str(picture) for picture in pictures], "target": str(target)}
            try:
                await self._ask("sheet", request, bounds, reads=pictures, writes=(scratch,))
                target.replace(into)
            except (_Died, Lied, FileNotFoundError):
                raise HostFault("samples-broken") from None
        return into

    async def _ask_ours(
        self, task: str, request: Mapping[str, Any], bounds: Bounds, *, reads: Sequence[Path], writes: Sequence[Path]
    ) -> Any:
        """Ask for work on files of our own: there is nobody but us to blame."""
        try:
            return await self._ask(task, request, bounds, reads=reads, writes=writes)
        except (_Died, Lied):
            raise OperatorFault("workshop-died", task=task) from None

    async def _ask(
        self, task: str, request: Mapping[str, Any], bounds: Bounds, *, reads: Sequence[Path], writes: Sequence[Path]
    ) -> Any:
        """Run one child for one task; what it answered.

        Raises the Fault it tells, _Died, Lied; RuntimeError for a bug of ours.
        """
        order = {
            "task": task,
            "bounds": asdict(bounds),
            "reads": [str(path) for path in reads],
            "writes": [str(path) for path in writes],
            **request,
        }
        argv = (sys.executable, "-I", "-X", "utf8", str(self._child), str(PACKAGES))
        seconds = bounds.seconds * self._patience
        async with self._hands:
            ended = await cage.run(argv, json.dumps(order).encode(), seconds=seconds, most=MOST_ANSWER)
        if ended.code < 0 or ended.code == LIMIT_HIT:
            raise _Died
        if ended.code:
            raise RuntimeError(f"the workshop's child failed at {task}: {clean(ended.complaint, MOST_COMPLAINT)}")
        return told(ended.out)


@contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """Give a folder on the same disk as the target, gone afterwards with all that is left in it.

    Raises OperatorFault("disk-full").
    """
    folder = None
    try:
        beside.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=".workshop-", dir=beside))
        yield folder
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OperatorFault("disk-full") from None
        raise
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _weight(path: Path) -> int:
    """Bytes of a file, or of the files in a folder, for a deadline; 0 when there is none."""
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return min(MOST_BYTES, sum(file.lstat().st_size for file in islice(path.rglob("*"), MOST_WEIGHED)))


def _spelled(demand: Demand) -> dict[str, Any]:
    return {
        "modules": dict(demand.modules),
        "prefix": demand.prefix,
        "rank": demand.rank,
        "dtype": demand.dtype,
        "metadata": dict(demand.metadata),
        "halves": demand.halves,
        "alpha": demand.alpha,
    }
