"""Weights too large for a chat, by a signed link. Whatever is wrong with a link, the answer is the same."""

import asyncio
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from bot.web.gate import Gate, Patience, TooMany, hung_up
from bot.web.links import Links
from pipeline.domain.job import Job


class Downloads:
    def __init__(self, links: Links, spool: Path, gate: Gate, patience: Patience) -> None:
        self._links, self._spool, self._gate, self._patience = links, spool.resolve(), gate, patience

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/model/{token}", self.model)]

    async def model(self, request: web.Request) -> web.StreamResponse:
        """Stream the weights. Resumable: a range is answered with that range."""
        job = await self._links.paid_job(request.match_info["token"])
        file = self._file(job) if job else None
        if job is None or job.artifact is None or file is None or not await asyncio.to_thread(file.is_file):
            raise web.HTTPNotFound
        answer = _Once(file)
        answer.content_type = "application/octet-stream"
        answer.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{job.slug or job.recipe.slug}.safetensors"'
        try:
            with self._gate.through(str(job.id)):
                seconds = max(self._patience.download, job.artifact.size / self._patience.slowest)
                async with asyncio.timeout(seconds):
                    await answer.prepare(request)
        except TooMany:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "10"}) from None
        except (TimeoutError, ConnectionError):
            return hung_up(request)
        return answer

    def _file(self, job: Job) -> Path | None:
        file = (self._spool / job.artifact.file).resolve() if job.artifact else None
        return file if file is not None and file.is_relative_to(self._spool) else None


class _Once(web.FileResponse):
    """Sent by the handler, under its limits. aiohttp prepares again what a handler returns."""

    _sent = False

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        if self._sent:
            return None
        self._sent = True
        return await super().prepare(request)
