"""Trained models, each under a name of its own."""

from dataclasses import replace
from typing import Final

from pipeline.domain.catalogue import Model, names
from pipeline.domain.ids import AccountId, JobId, Slug
from pipeline.flow.records import model_doc, model_from
from pipeline.ports import Store

MOST: Final = 1000  # models of one person in a list


class Catalogue:
    """A name belongs to who created its document first: the store arbitrates, nothing else."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reserve(self, slug: Slug, job: JobId) -> Slug:
        """Keep `slug`, or the next free name after it, for `job`: two jobs of one name never meet in one repo."""
        for name in names(slug):
            if await self._store.create("slugs", name, {"job": job}):
                return name
            there = await self._store.get("slugs", name)
            if there is not None and there["job"] == job:
                return name
        raise AssertionError  # names never end

    async def free(self, slug: Slug, job: JobId) -> None:
        """Give a name back that nothing was made under."""
        there = await self._store.get("slugs", slug)
        if there is not None and there["job"] == job:
            await self._store.delete("slugs", slug)

    async def add(self, model: Model, replaces: JobId | None = None) -> Model:
        """Enter `model` in the place of the one that job `replaces` made; else under its slug, or the next free name.

        The same job twice is the same model.
        """
        known = await self.by_job(model.job)
        if known is not None:
            return known
        if replaces is not None and (old := await self.by_job(replaces)) is not None:
            return await self._changed(old.slug, model, replaces)
        for slug in names(model.slug):
            named = replace(model, slug=slug)
            if await self._store.create("models", slug, model_doc(named)):
                return named
            there = await self.get(slug)
            if there is not None and there.job == model.job:  # a racing twin of ours
                return there
        raise AssertionError  # names never end

    async def _changed(self, slug: Slug, model: Model, replaces: JobId) -> Model:
        """The model under `slug`, once it is `model`: whoever else changes it meanwhile is overwritten by nobody."""
        while (doc := await self._store.get("models", slug)) is not None and doc["job"] == replaces:
            named = replace(model, slug=slug, public=model_from(doc).public)
            if await self._store.cas("models", slug, doc["version"], model_doc(named)):
                return named
        return model_from(doc) if doc is not None else await self.add(model)

    async def get(self, slug: Slug) -> Model | None:
        doc = await self._store.get("models", slug)
        return model_from(doc) if doc else None

    async def of(self, account: AccountId) -> list[Model]:
        """All models of `account`, newest first."""
        docs = await self._store.find("models", equal={"account": account}, order="-made_ms", limit=MOST)
        return [model_from(doc) for doc in docs]

    async def public(self, limit: int) -> list[Model]:
        """The newest `limit` models that everybody may see."""
        docs = await self._store.find("models", equal={"public": True}, order="-made_ms", limit=limit)
        return [model_from(doc) for doc in docs]

    async def by_job(self, job: JobId) -> Model | None:
        docs = await self._store.find("models", equal={"job": job}, limit=1)
        return model_from(docs[0]) if docs else None
