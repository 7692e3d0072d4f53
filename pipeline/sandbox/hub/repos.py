"""Repos on disk: objects named by their sha256, and one JSON per repo with its whole history of commits."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from pipeline.sandbox.hub.answers import Refusal

CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of one commit. `oid` is git's name for it: of the content, or of the LFS pointer."""

    sha256: str
    size: int
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid

    def pointer(self) -> bytes:
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()


@dataclass(frozen=True, slots=True)
class Commit:
    """A state of the repo; `files` by path."""

    oid: str
    title: str
    date: str
    files: Mapping[str, Entry]


@dataclass(slots=True)
class Repo:
    """One model repo. The newest commit is the last one."""

    id: str
    key: str
    private: bool
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return self.id.partition("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        """Find a commit by branch or oid. Raises Refusal(404, RevisionNotFound)."""
        if revision == "main":
            return self.head
        found = next((commit for commit in self.commits if commit.oid == revision), None)
        if found is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found


class Shelf:
    """All repos and all objects below one folder; what was published survives a restart."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, making it where needed."""
        self._objects, self._repos = folder / "objects", folder / "repos"
        for path in (self._objects, self._repos):
            path.mkdir(parents=True, exist_ok=True)
        self.repos: dict[str, Repo] = {repo.id: repo for repo in map(_read, self._repos.glob("*.json"))}

    def object(self, sha256: str) -> Path:
        return self._objects / sha256

    def stored(self, sha256: str) -> bool:
        return self.object(sha256).exists()

    def put(self, content: bytes) -> str:
        """Keep bytes; answers their sha256."""
        digest = hashlib.sha256(content).hexdigest()
        if not self.stored(digest):
            self.object(digest).write_bytes(content)
        return digest

    def keep(self, repo: Repo) -> None:
        self.repos[repo.id] = repo
        path = self._repos / f"{repo.id.replace('/', '--')}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(repo)), "utf-8")
        fresh.replace(path)

    def drop(self, repo_id: str) -> None:
        """Forget a repo; its objects stay, as LFS objects do."""
        del self.repos[repo_id]
        (self._repos / f"{repo_id.replace('/', '--')}.json").unlink(missing_ok=True)

    def commit(self, repo: Repo, title: str, files: Mapping[str, Entry], date: str) -> Commit:
        """Add a state to the repo's history. Raises Refusal(400) on a path that leaves the repo."""
        for path in files:
            parts = PurePosixPath(path).parts
            if not parts or path.startswith("/") or ".." in parts or ".git" in parts or "\0" in path:
                raise Refusal(400, f"Invalid path in repo: {path!r}")
        parent = repo.commits[-1].oid if repo.commits else ""
        listing = "".join(f"{path} {entry.oid}\n" for path, entry in sorted(files.items()))
        said = f"{parent}\n{repo.key}\n{title}\n{date}\n{listing}"
        commit = Commit(hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest(), title, date, dict(files))
        repo.commits.append(commit)
        self.keep(repo)
        return commit

    def entry(self, sha256: str, *, lfs: bool) -> Entry:
        """Describe a stored object."""
        path = self.object(sha256)
        size = path.stat().st_size
        content = Entry(sha256, size, "", lfs=True).pointer() if lfs else path.read_bytes()
        return Entry(sha256, size, _git_name(content), lfs)


def _git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _read(path: Path) -> Repo:
    said = json.loads(path.read_text("utf-8"))
    commits = [_commit(one) for one in said.pop("commits")]
    return Repo(**said, commits=commits)


def _commit(said: dict[str, str]) -> Commit:
    files: Mapping[str, dict[str, str]] = said.pop("files")  # type: ignore[assignment]  # JSON of our own
    return Commit(**said, files={name: Entry(**one) for name, one in files.items()})  # type: ignore[arg-type]  # as above


def pieces(path: Path, start: int, end: int, size: int) -> Iterator[bytes]:
    """Read [start, end) of a file in pieces of `size` bytes."""
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0:
            piece = file.read(min(size, left))
            if not piece:
                return
            left -= len(piece)
            yield piece
