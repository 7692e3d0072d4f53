"""The web server: the upload page, model files and webhooks on one port, health and metrics on another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from aiohttp import hdrs, web

from bot.ports import Hear
from bot.web.downloads import Downloads
from bot.web.gate import Crowd, Gate, Handler, Patience, from_here, hung_up, in_time, origin_of, with_headers
from bot.web.handing import Handing
from bot.web.inbox import Inbox
from bot.web.links import Links
from bot.web.metrics import Metrics
from bot.web.page import Page
from bot.web.upload import Desklet
from notifier.words import Words
from pipeline.flow.nursery import nursery
from pipeline.ports import Clock, Store

SWEEP: Final = 600.0  # seconds
MOST_BODY: Final = 1024 * 1024  # of a webhook

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the pages are. Binds are host:port."""

    public_url: str | None  # None: no pages
    bind: str = "127.0.0.1:8080"
    metrics_bind: str = "127.0.0.1:9090"
    telegram: str = field(default="", repr=False)  # the bot's token: it proves who opened a Mini App
    patience: Patience = field(default_factory=Patience)
    crowd: Crowd = field(default_factory=Crowd)


class Web:
    """Serves while its context is open. `port` and `metrics_port` are 0 until then."""

    def __init__(
        self, site: Site, links: Links, inbox: Inbox, *, store: Store, clock: Clock, spool: Path,
        words: Callable[[str], Words] = Words,
    ) -> None:  # fmt: skip
        self._site, self._links, self._inbox = site, links, inbox
        self._store, self._clock, self._spool, self._words = store, clock, spool, words
        self._mounted: dict[str, Handler] = {}
        self.port = self.metrics_port = 0

    def mount(self, path: str, handler: Handler) -> None:
        """Answer POST `path` with `handler`, from now on. It proves itself who sent what: no page's rule applies."""
        self._mounted[path] = handler

    @asynccontextmanager
    async def serving(self, hear: Hear) -> AsyncIterator[None]:
        """Serve. Raises OSError when the port of the pages cannot be had; without one for metrics we go on."""
        async with AsyncExitStack() as stack:
            try:
                self.metrics_port = await self._bound(
                    stack, web.AppRunner(Metrics(self._store).app(), access_log=None), self._site.metrics_bind
                )
            except OSError as error:
                log.warning("metrics-off", bind=self._site.metrics_bind, why=error.strerror)
            if self._site.public_url is not None:
                tasks = await stack.enter_async_context(nursery())
                handing = Handing(self._inbox, hear, tasks)
                await handing.left_over()
                self.port = await self._bound(stack, self._runner(self._site.public_url, handing), self._site.bind)
                tasks.start(self._sweeping(), "web-sweep")
                log.info("web-open", at=self._site.public_url, port=self.port)
            yield

    async def _bound(self, stack: AsyncExitStack, runner: web.AppRunner, bind: str) -> int:
        host, _, port = bind.rpartition(":")
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        return int(runner.addresses[0][1])

    def _runner(self, public_url: str, handing: Handing) -> web.AppRunner:
        patience = self._site.patience
        return web.AppRunner(
            self._app(public_url, handing),
            access_log=None,  # paths of ours hold tokens
            keepalive_timeout=patience.keepalive,
            lingering_time=patience.linger,
            shutdown_timeout=patience.shutdown,
            auto_decompress=False,  # a small body stays small
        )

    def _app(self, public_url: str, handing: Handing) -> web.Application:
        """Three rooms: what browsers write to, what they only read, what other servers call."""
        gate = Gate(self._site.crowd)
        desk = Desklet(
            self._links, self._inbox, handing, gate, self._clock,
            cookie="__Host-upload" if public_url.startswith("https:") else "upload", telegram=self._site.telegram,
        )  # fmt: skip
        upload = web.Application(middlewares=[from_here(origin_of(public_url)), in_time(self._site.patience)])
        upload.add_routes([*Page(self._words, self._inbox.limits).routes(), *desk.routes()])
        app = web.Application(client_max_size=MOST_BODY)
        app.on_response_prepare.append(with_headers(framed=bool(self._site.telegram)))
        app.add_subapp("/upload", upload)
        app.add_routes(Downloads(self._links, self._spool, gate, self._site.patience).routes())
        app.add_routes([web.route("*", "/{path:.*}", self._called)])
        return app

    async def _called(self, request: web.Request) -> web.StreamResponse:
        """A webhook: its body must come in time; how long its handler thinks is its own affair."""
        handler = self._mounted.get(request.path) if request.method == hdrs.METH_POST else None
        if handler is None:
            raise web.HTTPNotFound
        try:
            async with asyncio.timeout(self._site.patience.request):
                await request.read()
        except (TimeoutError, ConnectionError):
            return hung_up(request)
        return await handler(request)

    async def _sweeping(self) -> None:
        while True:
            now = self._clock.now()
            await self._inbox.sweep(now)
            await self._links.sweep(now)
            await asyncio.sleep(SWEEP)
