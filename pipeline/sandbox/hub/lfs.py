"""Git LFS uploads: the batch answer, signed PUTs in one piece or in parts, and the check that they arrived."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from aiohttp import web

from pipeline.sandbox.hub.answers import Refusal
from pipeline.sandbox.hub.desk import Desk
from pipeline.sandbox.hub.repos import CHUNK, pieces

OID: Final = "{oid:[0-9a-f]{64}}"
JSON: Final = "application/vnd.git-lfs+json"


class Lfs:
    """Routes of the LFS protocol and of the storage behind it."""

    def __init__(self, desk: Desk) -> None:
        """`desk` is shared by all routes."""
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        git = "/{owner}/{name}.git/info/lfs/objects"
        return [
            web.post(f"{git}/batch", self.batch),
            web.post(f"{git}/verify", self.verify),
            web.put(f"/storage/{OID}", self.put),
            web.post(f"/api/complete_multipart/{OID}", self.complete),
        ]

    async def batch(self, request: web.Request) -> web.Response:
        repo = self._desk.writer(request)
        said = await request.json()
        if said["operation"] != "upload" or said.get("hash_algo", "sha256") != "sha256":
            raise Refusal(422, "Only uploads by sha256 are offered here")
        in_parts = self._desk.multipart_bytes is not None and "multipart" in said["transfers"]
        objects = [self._offer(repo.id, one, in_parts=in_parts) for one in said["objects"]]
        body = {"transfer": "multipart" if in_parts else "basic", "objects": objects}
        return web.json_response(body, content_type=JSON)

    def _offer(self, repo_id: str, one: Mapping[str, Any], *, in_parts: bool) -> dict[str, Any]:
        oid, size = one["oid"], one["size"]
        said: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
        if not self._desk.shelf.stored(oid):  # no actions: it is here already
            upload = self._parts(oid, size) if in_parts else {"href": self._desk.signed("PUT", f"/storage/{oid}")}
            verify = f"{self._desk.base}/{repo_id}.git/info/lfs/objects/verify"
            said["actions"] = {"upload": upload, "verify": {"href": verify, "header": {"Authorization": "Basic x"}}}
        return said

    def _parts(self, oid: str, size: int) -> dict[str, Any]:
        part = self._desk.multipart_bytes or size
        count = -(-size // part)
        header = {"chunk_size": str(part)}
        for n in range(1, count + 1):
            header[f"{n:05}"] = self._desk.signed("PUT", f"/storage/{oid}", partNumber=str(n))
        return {"href": self._desk.signed("POST", f"/api/complete_multipart/{oid}"), "header": header}

    async def put(self, request: web.Request) -> web.Response:
        self._desk.links.check("PUT", request.path, request.query)
        oid, number = request.match_info["oid"], request.query.get("partNumber")
        path = self._part(oid, number) if number else self._part(oid, "whole")
        sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with _opened(path) as file:
            async for piece in request.content.iter_chunked(CHUNK):
                file.write(piece)
                sha.update(piece)
                md5.update(piece)
        if not number:
            self._keep(path, oid, sha.hexdigest())
        return web.Response(headers={"ETag": f'"{md5.hexdigest()}"'})

    async def complete(self, request: web.Request) -> web.Response:
        self._desk.links.check("POST", request.path, request.query)
        oid, said = request.match_info["oid"], await request.json()
        whole, sha = self._part(oid, "whole"), hashlib.sha256()
        with _opened(whole) as file:
            for one in said["parts"]:
                part = self._part(oid, str(int(one["partNumber"])))
                if not part.exists():
                    raise Refusal(400, "InvalidPart")
                for piece in pieces(part, 0, part.stat().st_size, CHUNK):
                    file.write(piece)
                    sha.update(piece)
                part.unlink()
        self._keep(whole, oid, sha.hexdigest())
        return web.json_response({"success": True})

    async def verify(self, request: web.Request) -> web.Response:
        self._desk.writer(request)
        said = await request.json()
        path = self._desk.shelf.object(said["oid"])
        if not path.exists() or path.stat().st_size != said["size"]:
            raise Refusal(404, f"Object {said['oid']} not found")
        return web.json_response({})

    def _part(self, oid: str, number: str) -> Path:
        return self._desk.shelf.object(f"{oid}.{number}")

    def _keep(self, path: Path, oid: str, digest: str) -> None:
        if digest != oid:
            path.unlink()
            raise Refusal(400, "XAmzContentSHA256Mismatch")
        path.replace(self._desk.shelf.object(oid))


def _opened(path: Path) -> BinaryIO:
    return path.open("wb")
