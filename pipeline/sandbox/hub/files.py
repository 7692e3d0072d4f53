"""Downloads: small files from the hub itself, LFS files by a signed address that curl can resume."""

import re
from typing import Final

from aiohttp import web

from pipeline.sandbox.hub.answers import Refusal
from pipeline.sandbox.hub.desk import Desk
from pipeline.sandbox.hub.repos import CHUNK, Commit, Entry, pieces

RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


class Files:
    """/resolve and the store behind it."""

    def __init__(self, desk: Desk) -> None:
        """`desk` is shared by all routes."""
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [  # aiohttp answers HEAD by the same handler
            web.get("/{owner}/{name}/resolve/{rev}/{path:.+}", self.resolve),
            web.get("/cdn/{sha:[0-9a-f]{64}}", self.cdn),
        ]

    async def resolve(self, request: web.Request) -> web.Response:
        person, repo = self._desk.reader(request)
        self._desk.people.check_content(person, repo)
        commit = repo.at(request.match_info["rev"])
        path = request.match_info["path"]
        if path not in commit.files:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        entry = commit.files[path]
        if entry.lfs:
            return self._redirect(path, commit, entry)
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{entry.etag}"', "Accept-Ranges": "bytes"}
        return web.Response(body=self._desk.shelf.object(entry.sha256).read_bytes(), headers=headers)

    def _redirect(self, path: str, commit: Commit, entry: Entry) -> web.Response:
        name = path.rpartition("/")[2]
        location = self._desk.signed("GET", f"/cdn/{entry.sha256}", filename=name)
        headers = {
            "Location": location,
            "X-Repo-Commit": commit.oid,
            "ETag": f'"{entry.etag}"',
            "X-Linked-ETag": f'"{entry.sha256}"',
            "X-Linked-Size": str(entry.size),
            "X-Xet-Hash": entry.sha256[::-1],  # some 64 hex digits; clients here run with Xet off
        }
        return web.Response(status=302, headers=headers)

    async def cdn(self, request: web.Request) -> web.StreamResponse:
        """Serve an object without a token: the signature is the right to it."""
        self._desk.links.check(request.method, request.path, request.query)
        sha = request.match_info["sha"]
        path = self._desk.shelf.object(sha)
        if not path.exists():
            raise Refusal(404, "NoSuchKey")
        start, end, status = _wanted(request.headers.get("Range", ""), path.stat().st_size)
        answer = web.StreamResponse(status=status, headers={"ETag": f'"{sha}"', "Accept-Ranges": "bytes"})
        answer.content_length = end - start
        if status == 206:  # noqa: PLR2004  # Partial Content
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{path.stat().st_size}"
        await answer.prepare(request)
        if request.method == "GET":
            slow = sha in self._desk.slow
            for piece in pieces(path, start, end, self._desk.pipe.piece if slow else CHUNK):
                if slow:
                    await self._desk.pipe.pass_through(len(piece))
                await answer.write(piece)
        return answer


def _wanted(asked: str, size: int) -> tuple[int, int, int]:
    """Read a Range header: start, end, status. Raises Refusal(416) beyond the end."""
    found = RANGE.fullmatch(asked)
    if not found:
        return 0, size, 200
    start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if start >= end:
        raise Refusal(416, "InvalidRange")
    return start, end, 206
