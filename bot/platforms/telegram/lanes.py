"""Who is heard when: one person's words in order, persons side by side; a slow file holds up no button."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

FILES, ALL_FILES = 3, 8  # fetched at once: of one person, of all
FULL: Final = 1000  # remarks in hand; more stay with Telegram


class _Person:
    """The lanes of one person; gone when nothing of theirs is in hand."""

    __slots__ = ("__weakref__", "buttons", "fetches", "files", "words")

    def __init__(self) -> None:
        self.words = asyncio.Lock()
        self.buttons = asyncio.Lock()
        self.fetches = asyncio.Semaphore(FILES)
        self.files: set[asyncio.Event] = set()  # one for each that is not in the draft yet


class Place:
    """One remark's place among those of its person."""

    def __init__(self, person: _Person, fetches: asyncio.Semaphore, files: bool) -> None:
        self._person, self._fetches = person, fetches
        self._before = tuple(person.files)
        self._settled = asyncio.Event() if files else None
        if self._settled is not None:
            person.files.add(self._settled)

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[None]:
        async with self._person.fetches, self._fetches:
            yield

    @asynccontextmanager
    async def button(self) -> AsyncIterator[None]:
        """Buttons wait for buttons alone."""
        async with self._person.buttons:
            yield

    @asynccontextmanager
    async def words(self, *, after_files: bool) -> AsyncIterator[None]:
        """`after_files`: what this is about are the files sent before it, so they come first."""
        if after_files:
            for file in self._before:
                await file.wait()
        async with self._person.words:
            yield

    def settle(self) -> None:
        """Its files are where they belong, or never will be."""
        if self._settled is not None:
            self._settled.set()
            self._person.files.discard(self._settled)


class Lanes:
    """Runs the work of each remark as a task of `group`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._people: WeakValueDictionary[int, _Person] = WeakValueDictionary()
        self._fetches = asyncio.Semaphore(ALL_FILES)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, person: int, work: Callable[[Place], Awaitable[None]], *, files: bool) -> None:
        """Begin `work`, which never raises. Its place is behind everything of `person` that was started before."""
        place = Place(self._people.setdefault(person, _Person()), self._fetches, files)

        async def at_work() -> None:
            try:
                await work(place)
            finally:
                place.settle()

        task = self._group.create_task(at_work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def room(self) -> None:
        """Wait while too much is in hand."""
        while len(self._tasks) >= FULL:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def drain(self, seconds: float) -> None:
        """Let what is in hand be answered, for at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
