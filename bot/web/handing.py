"""From the inbox to the desk: whole files become remarks of their person, as if the chat itself had brought them."""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

import structlog

from bot.ports import Hear, Said
from bot.web.inbox import Inbox, Upload
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address
from pipeline.flow.nursery import Nursery

TOGETHER: Final = 10  # files of one remark: the chat counts them all with one edit, and the count still moves

log = structlog.get_logger()
Whose = tuple[Identity, Address]


class Handing:
    """One remark of a person at a time. What arrives meanwhile goes into the next: chats cannot be edited quicker."""

    def __init__(self, inbox: Inbox, hear: Hear, tasks: Nursery) -> None:
        self._inbox, self._hear, self._tasks = inbox, hear, tasks
        self._ready: defaultdict[Whose, deque[Upload]] = defaultdict(deque)
        self._in_hand: set[str] = set()
        self._at_it: set[Whose] = set()

    def bring(self, upload: Upload) -> None:
        """Hand `upload` over, soon, and once however often this is called."""
        if upload.heard or upload.id in self._in_hand:
            return
        whose = upload.identity, upload.address
        self._in_hand.add(upload.id)
        self._ready[whose].append(upload)
        if whose not in self._at_it:
            self._at_it.add(whose)
            self._tasks.start(self._all_of(whose), "web-handing")

    async def left_over(self) -> None:
        """What another life of this program took and did not hand over."""
        for upload in await self._inbox.whole():
            self.bring(upload)

    async def _all_of(self, whose: Whose) -> None:
        try:
            while self._ready[whose]:
                batch = [self._ready[whose].popleft() for _ in range(min(TOGETHER, len(self._ready[whose])))]
                await self._hand_over(whose, batch)
                self._in_hand.difference_update(upload.id for upload in batch)
        finally:
            self._at_it.discard(whose)
            del self._ready[whose]

    async def _hand_over(self, whose: Whose, batch: Sequence[Upload]) -> None:
        """One remark. A file that is gone was heard since its row was read."""
        identity, address = whose
        there = [upload for upload in batch if self._inbox.here(upload) == upload.size]
        if there:
            files = tuple(map(self._inbox.path, there))
            await self._hear(Said(identity=identity, address=address, attachments=files))
            await self._inbox.heard(there)
            log.info("web-handed-over", identity=identity, files=len(there))
