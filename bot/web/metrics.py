"""For the operator's own network: whether we are well, and figures for Prometheus."""

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, ProcessCollector, generate_latest

from pipeline.domain.stage import Stage
from pipeline.flow.records import job_from
from pipeline.ports import Store

PATIENCE: Final = 2.0  # seconds for the store to answer
MOST: Final = 1000
LIVE: Final = tuple(stage.value for stage in Stage if stage is not Stage.DONE)


class Metrics:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, processor time, open files, start
        self._jobs = Gauge("trainstation_jobs", "Jobs that are not over", ["stage"], registry=self._registry)
        self._machines = Gauge("trainstation_machines", "Machines of jobs", registry=self._registry)
        self._condemned = Gauge(
            "trainstation_condemned_machines", "Machines that had to go and have not gone", registry=self._registry
        )
        self._waiting = Gauge(
            "trainstation_uploads_unfinished", "Files on their way in through the page", registry=self._registry
        )

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/healthz", self.health), web.get("/metrics", self.metrics)])
        return app

    async def health(self, _request: web.Request) -> web.Response:
        """200 while the store answers, else 503."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.get("settings", "installation")
        except Exception:  # noqa: BLE001  # whatever it is, we are not well
            return web.Response(status=503, text="the store does not answer\n")
        return web.Response(text="ok\n")

    async def metrics(self, _request: web.Request) -> web.Response:
        jobs = [job_from(doc) for doc in await self._store.find("jobs", among={"stage": LIVE}, limit=MOST)]
        stages = Counter(job.stage for job in jobs)
        for stage in Stage:
            if stage is not Stage.DONE:
                self._jobs.labels(stage=stage.value).set(stages[stage])
        self._machines.set(sum(job.machine is not None for job in jobs))
        self._condemned.set(len(await self._store.find("condemned", limit=MOST)))
        self._waiting.set(len(await self._store.find("uploads", equal={"heard": 0}, limit=MOST)))
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
