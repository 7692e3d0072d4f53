"""The workshop: files of strangers are opened in a child process with nothing to steal and nothing to break.

Each call is one child (`workshop_child/`): empty environment, own session, limits, a deadline, one answer under a cap.
It writes into a scratch folder beside the target; here its answer is checked like any other stranger's, and only then
do files move to where they belong. A child that was killed leaves nothing.
"""

import asyncio
import errno
import json
import re
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
from pipeline.adapters.workshop_child import LIMIT_HIT, MOST_CAPTION
from pipeline.domain.dataset import MOST_BYTES, Finding, Inspection, Manifest, Picture
from pipeline.domain.faults import Blame, Fact, Fault, HostFault, OperatorFault, UserFault
from pipeline.domain.ids import Sha256
from pipeline.domain.job import Pack
from pipeline.domain.text import clean, line
from pipeline.ports import Demand, Proof

MB: Final = 1024**2
MOST_ANSWER: Final = 32 * MB  # a thousand pictures, each with a caption of a thousand escaped letters
MOST_COMPLAINT: Final = 8 * 1024  # of stderr
PACKAGES: Final = Path(__file__).resolve().parents[2]  # where `pipeline` lies
CHILD: Final = Path(__file__).resolve().parent / "workshop_child" / "__main__.py"
MOST_WEIGHED: Final = 5000  # files of a folder
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_CODE: Final = re.compile(r"[a-z-]{1,40}")
_FAULTS: Final[Mapping[str, type[Fault]]] = {
    Blame.USER.value: UserFault,
    Blame.OPERATOR.value: OperatorFault,
    Blame.HOST.value: HostFault,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one child may use: seconds on the wall and on the processor, bytes of address space, bytes in one file."""

    seconds: float
    memory: int = 1024 * MB
    file: int = 64 * MB


class _Died(Exception):
    """The child was stopped by a limit, a signal or its deadline."""


class _Lied(Exception):
    """The child's answer is none."""


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
                inspection = _inspection(answer, scratch)
            except (_Died, _Lied):
                raise UserFault("archive-hostile") from None
            for picture in inspection.pictures:
                name = f"{picture.sha256}.jpg"
                (scratch / name).replace(into / name)
        return inspection

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
            sha256, size = _whole(answer, target)
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
                sha256, size = _whole(answer[:2], target)
                step, ups = int(answer[2]), _hash(answer[3])
            except (_Died, _Lied, IndexError, TypeError, ValueError):
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
                _sized(await self._ask("optimizer", request, bounds, reads=(source,), writes=(scratch,)), target)
                target.replace(into)
            except (_Died, _Lied, OSError):
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
            except (_Died, _Lied, KeyError, TypeError):
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
            except (_Died, _Lied, FileNotFoundError):
                raise HostFault("samples-broken") from None
        return into

    async def _ask_ours(
        self, task: str, request: Mapping[str, Any], bounds: Bounds, *, reads: Sequence[Path], writes: Sequence[Path]
    ) -> Any:
        """Ask for work on files of our own: there is nobody but us to blame."""
        try:
            return await self._ask(task, request, bounds, reads=reads, writes=writes)
        except (_Died, _Lied):
            raise OperatorFault("workshop-died", task=task) from None

    async def _ask(
        self, task: str, request: Mapping[str, Any], bounds: Bounds, *, reads: Sequence[Path], writes: Sequence[Path]
    ) -> Any:
        """Run one child for one task; what it answered.

        Raises the Fault it tells, _Died, _Lied; RuntimeError for a bug of ours.
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
        return _answer(ended.out)


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


def _answer(said: bytes) -> Any:
    """What the child did. Raises the Fault it told, _Lied when it is no answer of ours."""
    try:
        answer = json.loads(said)
        if "done" in answer:
            return answer["done"]
        blame, code, facts = answer["fault"]
        kind, told = _FAULTS[blame], _facts(facts)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        raise _Lied from None
    if not _CODE.fullmatch(code):
        raise _Lied
    raise kind(code, **told)


def _facts(facts: Mapping[str, Any]) -> dict[str, Fact]:
    return {
        line(name, 40): value if isinstance(value, int | float) else line(value, 200) for name, value in facts.items()
    }


def _inspection(answer: Any, scratch: Path) -> Inspection:
    """Take the child's word only for what can be seen in `scratch`."""
    try:
        pictures = tuple(_picture(scratch, *said) for said in answer["pictures"])
        findings = tuple(
            Finding(_plain_code(code), line(name), _facts(facts)) for code, name, facts in answer["findings"]
        )
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        raise _Lied from None
    return Inspection(pictures, findings)


def _picture(scratch: Path, sha256: str, width: int, height: int, size: int, caption: str, name: str) -> Picture:
    if not _HASH.fullmatch(sha256) or (scratch / f"{sha256}.jpg").lstat().st_size != size:
        raise ValueError(sha256)
    return Picture(
        sha256=Sha256(sha256),
        width=int(width),
        height=int(height),
        size=size,
        caption=clean(caption, MOST_CAPTION),
        name=line(name),
    )


def _plain_code(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise ValueError(code)
    return code


def _sized(said: Any, target: Path) -> None:
    if target.lstat().st_size != said:
        raise _Lied


def _hash(said: Any) -> Sha256:
    if not isinstance(said, str) or not _HASH.fullmatch(said):
        raise _Lied
    return Sha256(said)


def _whole(answer: Any, target: Path) -> tuple[Sha256, int]:
    """Check that the file is there as told; its hash and size."""
    try:
        sha256, size = answer
        if not _HASH.fullmatch(sha256) or target.lstat().st_size != size:
            raise _Lied
    except (ValueError, TypeError, OSError):
        raise _Lied from None
    return Sha256(sha256), size
