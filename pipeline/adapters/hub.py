"""Port Hub: where base models come from.

Reading the hub is three plain requests, so it goes through http.py and not through huggingface_hub: that client is
synchronous and without a timeout, its thread outlives a cancelled await, and it caps no answer. Publishing, where the
protocol is long, does use it (publishers/huggingface.py).
"""

import asyncio
import hashlib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import quote, urljoin, urlsplit

from pydantic import SecretStr

from pipeline.adapters import host_token
from pipeline.adapters.http import Http, Reply, Unanswered, loopback, reads
from pipeline.domain.faults import Fault, OperatorFault
from pipeline.domain.ids import Sha256
from pipeline.ports import Hub, Pace, RemoteFile
from pipeline.trainers.bases import Base, Part

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
SMALL: Final = 64 * 1024 * 1024
HOPS: Final = 3  # a renamed repo, a path the hub keeps elsewhere
_PATH: Final = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")  # it becomes a path on a box
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_LINK: Final = re.compile(
    r"https?://[A-Za-z0-9:/?#\[\]@!$&'()*+,;=%._~-]{1,4000}"
)  # it becomes a line of curl's config


class HfHub:
    """The hub at `endpoint`, read with the operator's token ("" reads what is open to everybody)."""

    def __init__(self, endpoint: str, token: str, *, pace: Pace, http: Http | None = None) -> None:
        """Raises OperatorFault("url-not-https") for a token over plain http."""
        self._http = http or Http(endpoint, bearer=token)
        self._pace = pace
        self._local = loopback(endpoint)
        self._narrow: set[str] = set()  # tokens judged: the hub wants to be asked once a process (facts/publish.md 1.7)

    async def files(self, base: Base) -> list[RemoteFile]:
        """Every file the base's patterns name, the gate of each repo tried with a HEAD of its largest file.

        The listing of a gated repo answers 200 to anybody: only a file tells (facts/publish.md 1.7).
        """
        found: list[RemoteFile] = []
        for part in base.parts:
            files = read_listing(await self._again(part.repo, self._listing(part.repo)), part)
            await self.sign(max(files, key=lambda file: file.size))
            found += files
        return found

    async def sign(self, file: RemoteFile) -> str:
        """Where the hub's redirect leads."""
        return await self._again(file.repo, self._location(file))

    async def download(self, file: RemoteFile, to: Path) -> None:
        """Through a `.part` beside `to`, checked by size and, where it is known, by sha256."""
        part = to.with_name(f"{to.name}.part")
        await self._again(file.repo, self._bring(file, part))
        size, digest = await asyncio.to_thread(_measured, part)
        if size != file.size or (file.sha256 and digest != file.sha256):
            part.unlink()
            raise OperatorFault("hub-down", repo=file.repo, why="differs")
        part.replace(to)

    async def judge(self, token: str, base: Base) -> None:
        """Ask the hub as that token's holder: what it may do, and whether it gets a file of each repo."""
        holder = HfHub(self._http.base, token, pace=self._pace)
        try:
            if token not in self._narrow:
                host_token.check(await holder._again("", holder._identity()))
                self._narrow.add(token)
            await holder.files(base)
        except OperatorFault as fault:
            raise _of_a_host(fault) from None
        finally:
            await holder.close()

    async def close(self) -> None:
        await self._http.close()

    def _identity(self) -> "_Call[Any]":
        async def call() -> Any:
            return _good(await self._http.ask("GET", "/api/whoami-v2"), "").json()

        return call

    def _listing(self, repo: str) -> "_Call[Any]":
        async def call() -> Any:
            reply = _good(await self._follow("GET", f"/api/models/{quote(repo)}", {"blobs": "true"}), repo)
            return reply.json()

        return call

    def _location(self, file: RemoteFile) -> "_Call[str]":
        async def call() -> str:
            reply = await self._follow("HEAD", _resolve(file))
            link = reply.headers.get("location", "")
            if not link:
                _good(reply, file.repo)
                return ""
            return self._harmless(link)

        return call

    def _bring(self, file: RemoteFile, part: Path) -> "_Call[None]":
        async def call() -> None:
            path = _resolve(file)
            for _ in range(HOPS + 1):
                reply = await self._http.save(path, part, cap=min(file.size, SMALL))
                if reply.ok:
                    return
                path = self._inner(reply, path)
                if not path:
                    _good(reply, file.repo)
                    break
            raise Unanswered("unreadable")

        return call

    def _harmless(self, link: str) -> str:
        if not _LINK.fullmatch(link) or not (self._local or link.startswith("https:")):
            raise Unanswered("unreadable")
        return link

    async def _follow(self, method: str, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """Ask, through redirects inside the hub; one that leads out is the answer."""
        for _ in range(HOPS + 1):
            reply = await self._http.ask(method, path, params=params)
            inner = self._inner(reply, path)
            if not inner:
                return reply
            path, params = inner, None  # a redirect brings its own query
        raise Unanswered("unreachable")

    def _inner(self, reply: Reply, path: str) -> str:
        """Where a redirect leads inside the hub, "" when it leads out or is none.

        The hub's own are relative, or lead from one file's page to another (a repo that was renamed).
        """
        link = urlsplit(reply.headers.get("location", ""))
        ours = not link.netloc or (f"{link.scheme}://{link.netloc}" == self._http.base and "/resolve/" in link.path)
        if not 300 <= reply.status < 400 or not link.path or not ours:  # noqa: PLR2004  # HTTP
            return ""
        return urljoin(path, link._replace(scheme="", netloc="").geturl())

    async def _again(self, repo: str, call: "_Call[T]") -> T:
        try:
            return await reads(self._pace)(call)
        except Unanswered as error:
            raise OperatorFault("hub-down", repo=repo, why=error.why) from None


class _Call(Protocol[T_co]):
    async def __call__(self) -> T_co: ...


def read_listing(said: object, part: Part) -> list[RemoteFile]:
    """The files of a repo that `part` wants. Raises OperatorFault: "hub-down" (unreadable), "hub-repo-missing"."""
    try:
        files = list(_wanted(cast("Any", said), part))
    except (TypeError, KeyError, ValueError, AttributeError):
        raise OperatorFault("hub-down", repo=part.repo, why="unreadable") from None
    for pattern in part.patterns:
        if not any(fnmatchcase(file.path, pattern) for file in files):
            raise OperatorFault("hub-repo-missing", repo=part.repo, file=pattern)
    return files


def _wanted(said: Any, part: Part) -> Iterator[RemoteFile]:
    revision = said["sha"]
    if not _COMMIT.fullmatch(revision):
        raise ValueError(revision)
    for each in said["siblings"]:
        path = each["rfilename"]
        if not any(fnmatchcase(path, pattern) for pattern in part.patterns):
            continue
        lfs = each.get("lfs") or {}
        digest, size = lfs.get("sha256") or lfs.get("oid"), lfs.get("size", each.get("size"))
        if not _PATH.fullmatch(path) or ".." in path.split("/") or type(size) is not int or size < 0:
            raise ValueError(path)
        if digest is not None and not _DIGEST.fullmatch(digest):
            raise ValueError(digest)
        yield RemoteFile(repo=part.repo, path=path, size=size, sha256=digest and Sha256(digest), revision=revision)


def refusal(reply: Reply, repo: str) -> Fault:
    """What the hub's no means. Its code counts, then its status; its headline names the wrong cause (facts 1.7)."""
    code, status = reply.headers.get("x-error-code", ""), reply.status
    if status == 401:  # noqa: PLR2004  # HTTP
        return OperatorFault("hub-token", repo=repo)
    if status == 403:  # noqa: PLR2004  # HTTP
        return OperatorFault("hub-gated" if code == "GatedRepo" else "hub-token-scope", repo=repo)
    if status == 404:  # noqa: PLR2004  # HTTP
        return OperatorFault("hub-repo-missing", repo=repo)
    return OperatorFault("hub-down", repo=repo, status=status)


def _good(reply: Reply, repo: str) -> Reply:
    """Return a success. Raises Unanswered for what passes by itself, a fault for what does not."""
    if reply.ok:
        return reply
    if reply.status == 429 or reply.status >= 500 or 300 <= reply.status < 400:  # noqa: PLR2004  # HTTP
        raise Unanswered("busy" if reply.status == 429 else "unreadable")  # noqa: PLR2004  # HTTP
    raise refusal(reply, repo)


def _of_a_host(fault: OperatorFault) -> OperatorFault:
    """What is wrong with the token that a box would get, not with ours."""
    dead = {"hub-token": "host-token-dead", "hub-token-scope": "host-token-dead", "hub-gated": "host-token-gated"}
    return OperatorFault(dead[fault.code], **fault.facts) if fault.code in dead else fault


def _resolve(file: RemoteFile) -> str:
    return f"/{quote(file.repo)}/resolve/{quote(file.revision, safe='')}/{quote(file.path)}"


def _measured(path: Path) -> tuple[int, Sha256]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), Sha256(digest)


class Configured(Protocol):
    """What the program's settings hold for us."""

    hf_endpoint: str
    hf_token: SecretStr | None
    pace: float


def build(settings: object) -> Hub:
    """The hub; without a token it still reads what is open."""
    given = cast("Configured", settings)
    token = given.hf_token.get_secret_value() if given.hf_token else ""
    return HfHub(given.hf_endpoint, token, pace=Pace(given.pace))
