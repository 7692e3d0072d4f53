"""The hub as the composer holds it: start, stop, tokens, and what was published."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from aiohttp import web

from pipeline.sandbox.hub.answers import Refusal
from pipeline.sandbox.hub.api import Api
from pipeline.sandbox.hub.desk import Desk, repo_id
from pipeline.sandbox.hub.files import Files
from pipeline.sandbox.hub.flux import DEV
from pipeline.sandbox.hub.laying import SCALE, Stock, lay
from pipeline.sandbox.hub.lfs import Lfs
from pipeline.sandbox.hub.links import Links
from pipeline.sandbox.hub.people import People, Role, person
from pipeline.sandbox.hub.pipe import Pipe
from pipeline.sandbox.hub.repos import Repo, Shelf
from pipeline.sandbox.hub.stock import STOCK

LINK_LIFE: Final = timedelta(hours=1)
LINK_LEAST: Final = timedelta(minutes=1)  # a client's own slowness does not scale with the sandbox
BODY_MAX: Final = 256 << 20  # a commit carries its small files in base64


class Hub:
    """A Hugging Face hub on a free loopback port, running `speed` times faster than life.

    `folder` keeps repos and objects across restarts. `mbit` is the line of a box in Mbit/s as in life: base models are
    1/`scale` of their size and come at the pace of the real ones. With `multipart_bytes` LFS uploads come in such
    parts. FLUX.1-dev is there from the start, the others from when they are first asked for.
    """

    def __init__(
        self,
        *,
        folder: Path,
        speed: float,
        clock: Callable[[], datetime],
        dice: random.Random,
        mbit: float = 3000,
        multipart_bytes: int | None = None,
        scale: int = SCALE,
    ) -> None:
        """Nothing listens before start()."""
        self._scale = scale
        self._laying = asyncio.Lock()
        self._people = People()
        self._desk = Desk(
            shelf=Shelf(folder),
            people=self._people,
            links=Links(dice.randbytes(32), clock),
            pipe=Pipe(mbit * 1e6 / 8 / scale * speed),
            clock=clock,
            dice=dice,
            link_life=max(LINK_LIFE / speed, LINK_LEAST),
            multipart_bytes=multipart_bytes,
        )
        self._runner: web.AppRunner | None = None

    def add_token(  # the facts of a token
        self,
        token: str,
        user: str,
        *,
        orgs: Sequence[str] = (),
        role: Role = "write",
        gated: bool = True,
        reads_gated: bool | None = None,
        scoped: bool = True,
    ) -> None:
        """Let `token` act as `user`. `gated`: accepted the licences; `reads_gated`: a fine-grained token's switch.

        `scoped`: it has rights over what `user` owns; False: a fine-grained token that may read gated repos only.
        """
        self._people.add(token, person(user, orgs=orgs, role=role, gated=gated, reads_gated=reads_gated, scoped=scoped))

    @property
    def repos(self) -> Mapping[str, Repo]:
        """All repos by id, the built-in base model among them."""
        return self._desk.shelf.repos

    def file(self, repo: str, path: str) -> Path | None:
        """Where the newest version of a file lies on disk (its name there is its sha256), None if it is not there."""
        found = self.repos.get(repo)
        if found is None or path not in found.head.files:
            return None
        return self._desk.shelf.object(found.head.files[path].sha256)

    async def start(self) -> str:
        """Lay the base model, listen, and answer the base URL (no slash at the end)."""
        self._lay(DEV)
        app = web.Application(middlewares=[self._refusals], client_max_size=BODY_MAX)
        for part in (Lfs(self._desk), Api(self._desk), Files(self._desk)):
            app.add_routes(part.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        self._desk.base = await self._listen()
        # storage has an origin of its own, as in life: the client (2.4) follows a redirect that stays on the hub's,
        # and then finds no X-Repo-Commit
        self._desk.store = await self._listen()
        return self._desk.base

    def _lay(self, stock: Stock) -> None:
        base_model = lay(self._desk.shelf, stock, self._scale)
        self._desk.slow |= {entry.sha256 for entry in base_model.head.files.values() if entry.lfs}

    async def _stocked(self, name: str) -> None:
        """Lay a base that is asked for the first time. In a thread: it takes half a second."""
        if name in STOCK and name not in self._desk.shelf.repos:
            async with self._laying:
                await asyncio.to_thread(self._lay, STOCK[name])

    async def _listen(self) -> str:
        assert self._runner is not None
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[-1][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Stop listening; what is on disk stays."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _refusals(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request_id = f"Root=1-{self._desk.key()}"
        try:
            if "owner" in request.match_info:
                await self._stocked(repo_id(request))
            return await handler(request)
        except Refusal as no:
            return no.answer(request_id)
        except web.HTTPException as no:
            if no.status < 400:  # noqa: PLR2004  # a redirect is no refusal
                raise
            return Refusal(no.status, no.reason or "Not found", "EntryNotFound").answer(request_id)
        except (KeyError, ValueError) as error:
            return Refusal(400, f"Bad request: {error}").answer(request_id)
