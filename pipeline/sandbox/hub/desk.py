"""What every route of the hub needs, in one hand."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

from pipeline.sandbox.hub.answers import Refusal
from pipeline.sandbox.hub.links import Links
from pipeline.sandbox.hub.people import People, Person
from pipeline.sandbox.hub.pipe import Pipe
from pipeline.sandbox.hub.repos import Repo, Shelf


@dataclass(slots=True, kw_only=True)
class Desk:
    """`base`, `store`: two origins. `slow`: objects that come through `pipe`. `multipart_bytes`: None for one PUT."""

    shelf: Shelf
    people: People
    links: Links
    pipe: Pipe
    clock: Callable[[], datetime]
    dice: random.Random
    link_life: timedelta
    multipart_bytes: int | None
    base: str = ""
    store: str = ""
    slow: set[str] = field(default_factory=set)

    def key(self) -> str:
        """Make an id as the hub's: 24 hex digits."""
        return f"{self.dice.getrandbits(96):024x}"

    def signed(self, method: str, path: str, **values: str) -> str:
        return self.store + self.links.sign(method, path, self.link_life, **values)

    def reader(self, request: web.Request) -> tuple[Person | None, Repo]:
        """Who asks, and the repo if they may know of it. Raises Refusal 401 or 404."""
        person = self.people.stranger_or(_authorization(request))
        return person, self.people.check_visible(person, self.shelf.repos.get(repo_id(request)))

    def writer(self, request: web.Request) -> Repo:
        """The repo of the address, for somebody who may write to it. Raises Refusal 401, 403 or 404."""
        _, repo = self.reader(request)
        self.people.writer(_authorization(request), repo.namespace)
        return repo

    def owner(self, request: web.Request, namespace: str | None) -> str:
        """The namespace to create or delete in: the asker's own, or one they may write. Raises Refusal 401 or 403."""
        asking = self.people.asking(_authorization(request))
        wanted = namespace or (asking.name if asking else "")
        self.people.writer(_authorization(request), wanted)
        return wanted

    def known(self, request: web.Request) -> Person:
        """Who asks. Raises Refusal 401."""
        asking = self.people.asking(_authorization(request))
        if asking is None:
            raise Refusal(401, "Invalid username or password.")
        return asking


def repo_id(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['name']}"


def _authorization(request: web.Request) -> str:
    return request.headers.get("Authorization", "")
