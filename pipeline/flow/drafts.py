"""Drafts in the store: one an account, changed by whoever comes, without losing a picture of anybody."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.domain.dataset import Inspection
from pipeline.domain.draft import Draft
from pipeline.domain.ids import AccountId
from pipeline.flow.records import draft_doc, draft_from
from pipeline.ports import Clock, Store

__all__ = ["Draft", "Drafts"]


class Drafts:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def get(self, account: AccountId) -> Draft:
        """The draft of `account`; an empty one when there is none."""
        doc = await self._store.get("drafts", account)
        return draft_from(doc) if doc else Draft(account=account)

    async def add(self, account: AccountId, found: Inspection) -> Draft:
        """Add pictures, each once. Raises UserFault("draft-too-large") and adds none when they are too many."""
        return await self._change(account, lambda draft: draft.with_found(found))

    async def drop(self, account: AccountId, ordinal: int) -> Draft:
        """Take out picture `ordinal`, counted from 1. Raises UserFault("no-such-picture")."""
        return await self._change(account, lambda draft: draft.without(ordinal))

    async def clear(self, account: AccountId) -> Draft:
        return await self._change(account, Draft.cleared)

    async def _change(self, account: AccountId, change: Callable[[Draft], Draft]) -> Draft:
        """Whoever loses a race starts again from what the winner left."""
        while True:
            draft = await self.get(account)
            changed = replace(change(draft), changed_at=self._clock.now())
            if draft.changed_at is None:
                if await self._store.create("drafts", account, draft_doc(changed)):
                    return changed
            elif await self._store.cas("drafts", account, draft.version, draft_doc(changed)):
                return replace(changed, version=draft.version + 1)
