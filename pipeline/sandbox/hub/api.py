"""/api: repos, who am I, what is in a model, and commits."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from aiohttp import web

from pipeline.sandbox.hub import cards
from pipeline.sandbox.hub.answers import Refusal
from pipeline.sandbox.hub.desk import Desk
from pipeline.sandbox.hub.repos import Commit, Entry, Repo

NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
LFS_BYTES: Final = 10_000_000
LFS_KINDS: Final = ("safetensors", "bin", "pt", "ckpt", "onnx", "zip", "tar", "gz", "npy", "npz")
ATTRIBUTES: Final = "".join(f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in LFS_KINDS).encode()


class Api:
    """Routes below /api."""

    def __init__(self, desk: Desk) -> None:
        """`desk` is shared by all routes."""
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        model = r"/api/models/{owner}/{name}"
        return [
            web.get("/api/whoami-v2", self.whoami),
            web.post("/api/repos/create", self.create),
            web.delete("/api/repos/delete", self.delete),
            web.post("/api/validate-yaml", self.validate),
            web.get(model, self.info),
            web.get(model + "/revision/{rev}", self.info),
            web.get(model + "/auth-check", self.may_read),
            web.get(model + "/auth-check/write", self.may_write),
            web.get(model + "/tree/{rev}", self.tree),
            web.get(model + "/tree/{rev}/{path:.+}", self.tree),
            web.put(model + "/settings", self.settings),
            web.post(model + "/preupload/{rev}", self.preupload),
            web.post(model + "/commit/{rev}", self.commit),
        ]

    async def whoami(self, request: web.Request) -> web.Response:
        return web.json_response(self._desk.known(request).card())

    async def create(self, request: web.Request) -> web.Response:
        said = await request.json()
        repo_id = f"{self._desk.owner(request, said.get('organization'))}/{said['name']}"
        url = f"{self._desk.base}/{repo_id}"
        if not NAME.fullmatch(said["name"]):
            raise Refusal(400, f"Invalid repo name: {said['name']}")
        if repo_id in self._desk.shelf.repos:
            raise Refusal(409, "You already created this model repo", url=url)
        repo = Repo(repo_id, self._desk.key(), private=_private(said))
        attributes = self._desk.shelf.entry(self._desk.shelf.put(ATTRIBUTES), lfs=False)
        self._desk.shelf.commit(repo, "initial commit", {".gitattributes": attributes}, self._now())
        return web.json_response({"url": url, "name": repo_id, "id": repo.key, "type": "model"})

    async def delete(self, request: web.Request) -> web.Response:
        said = await request.json()
        repo_id = f"{self._desk.owner(request, said.get('organization'))}/{said['name']}"
        if repo_id not in self._desk.shelf.repos:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        self._desk.shelf.drop(repo_id)
        return web.Response(text="OK")

    async def validate(self, request: web.Request) -> web.Response:
        wrong = cards.complaints((await request.json())["content"])
        body = {"errors": [{"message": message} for message in wrong], "warnings": []}
        return web.json_response(body, status=400 if wrong else 200)

    async def info(self, request: web.Request) -> web.Response:
        _, repo = self._desk.reader(request)
        commit = repo.at(request.match_info.get("rev", "main"))
        blobs = request.query.get("blobs", "").lower() == "true"
        return web.json_response(
            {
                "_id": repo.key, "id": repo.id, "modelId": repo.id, "author": repo.namespace, "sha": commit.oid,
                "lastModified": commit.date, "createdAt": repo.commits[0].date, "private": repo.private,
                "gated": "auto" if repo.gated else False, "disabled": False, "tags": [], "downloads": 0, "likes": 0,
                "usedStorage": sum(entry.size for entry in commit.files.values()),
                "siblings": [_sibling(path, entry, blobs=blobs) for path, entry in commit.files.items()],
            }
        )  # fmt: skip

    async def may_read(self, request: web.Request) -> web.Response:
        person, repo = self._desk.reader(request)
        self._desk.people.check_content(person, repo)
        return web.json_response({})

    async def may_write(self, request: web.Request) -> web.Response:
        self._desk.writer(request)
        return web.json_response({})

    async def tree(self, request: web.Request) -> web.Response:
        _, repo = self._desk.reader(request)
        commit = repo.at(request.match_info["rev"])
        recursive = request.query.get("recursive", "").lower() == "true"
        below = PurePosixPath(request.match_info.get("path", ""))
        return web.json_response(list(_tree(commit, below, recursive=recursive)))

    async def settings(self, request: web.Request) -> web.Response:
        repo = self._desk.writer(request)
        said = await request.json()
        if "private" in said or "visibility" in said:
            repo.private = _private(said)
        if "gated" in said:
            repo.gated = bool(said["gated"])
        self._desk.shelf.keep(repo)
        return web.json_response({"private": repo.private, "gated": "auto" if repo.gated else False})

    async def preupload(self, request: web.Request) -> web.Response:
        repo = self._desk.writer(request)
        head = repo.at(request.match_info["rev"])
        files = [_advice(one, head.files) for one in (await request.json())["files"]]
        return web.json_response({"files": files, "commitOid": head.oid})

    async def commit(self, request: web.Request) -> web.Response:
        repo = self._desk.writer(request)
        head = repo.at(request.match_info["rev"])
        lines = [json.loads(line) for line in (await request.text()).splitlines() if line.strip()]
        said = lines[0]["value"]
        if said.get("parentCommit", head.oid) != head.oid:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines[1:]:
            self._apply(files, line["key"], line["value"])
        made = self._desk.shelf.commit(repo, said["summary"], files, self._now())
        url = f"{self._desk.base}/{repo.id}/commit/{made.oid}"
        return web.json_response({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})

    def _apply(self, files: dict[str, Entry], kind: str, value: Mapping[str, Any]) -> None:
        shelf, path = self._desk.shelf, value["path"]
        if kind == "file":
            files[path] = shelf.entry(shelf.put(base64.b64decode(value["content"])), lfs=False)
        elif kind == "lfsFile":
            if not re.fullmatch("[0-9a-f]{64}", value["oid"]) or not shelf.stored(value["oid"]):
                raise Refusal(400, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = shelf.entry(value["oid"], lfs=True)
        elif kind == "deletedFile":
            if files.pop(path, None) is None:
                raise Refusal(404, f"Entry not found: {path}", "EntryNotFound")
        elif kind == "deletedFolder":
            inside = [name for name in files if name.startswith(path.rstrip("/") + "/")]
            for name in inside:
                del files[name]
        else:
            raise Refusal(400, f"Unknown operation: {kind}")

    def _now(self) -> str:
        return self._desk.clock().strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _private(said: Mapping[str, Any]) -> bool:
    """Old clients say `private`, new ones `visibility`."""
    return bool(said.get("private", said.get("visibility") == "private"))


def _lfs_fields(entry: Entry, name: str) -> dict[str, Any]:
    return {name: entry.sha256, "size": entry.size, "pointerSize": len(entry.pointer())}


def _sibling(path: str, entry: Entry, *, blobs: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"rfilename": path}
    if blobs:
        said |= {"size": entry.size, "blobId": entry.oid}
        if entry.lfs:
            said["lfs"] = _lfs_fields(entry, "sha256")
    return said


def _tree(commit: Commit, below: PurePosixPath, *, recursive: bool) -> Iterator[dict[str, Any]]:
    """Folders first met, then files, below one folder. Raises Refusal(404) where there is nothing."""
    inside = {path: entry for path, entry in sorted(commit.files.items()) if PurePosixPath(path).is_relative_to(below)}
    if not inside:
        raise Refusal(404, f"{below} does not exist", "EntryNotFound")
    folders = {parent for path in inside for parent in PurePosixPath(path).parents if below in parent.parents}
    for folder in sorted(folders):
        if recursive or folder.parent == below:
            yield {"type": "directory", "oid": commit.oid, "size": 0, "path": str(folder)}
    for path, entry in inside.items():
        if recursive or PurePosixPath(path).parent == below:
            lfs = {"lfs": _lfs_fields(entry, "oid")} if entry.lfs else {}
            yield {"type": "file", "oid": entry.oid, "size": entry.size, "path": path, **lfs}


def _advice(one: Mapping[str, Any], there: Mapping[str, Entry]) -> dict[str, Any]:
    """How to upload a file, and what is there now: that is how unchanged ones are skipped."""
    path = one["path"]
    large = one["size"] > LFS_BYTES or path.rpartition(".")[2] in LFS_KINDS or _binary(one.get("sample", ""))
    said = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
    return {**said, "oid": there[path].etag} if path in there else said


def _binary(sample: str) -> bool:
    """Text is UTF-8 without NUL; the sample may cut a letter in two at its end."""
    content = base64.b64decode(sample)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(content) - 3
    return b"\0" in content
