"""Values to documents and back: the one home of pydantic in the flow, and the list of what we keep."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from pipeline.domain.account import Person
from pipeline.domain.catalogue import Model
from pipeline.domain.dataset import Manifest
from pipeline.domain.draft import Draft
from pipeline.domain.job import Job
from pipeline.domain.ledger import Entry, State
from pipeline.domain.progress import Progress
from pipeline.domain.quote import Quote
from pipeline.domain.recipe import Recipe

COLLECTIONS: Final[Mapping[str, tuple[str, ...]]] = {  # name -> its indexed scalars
    "jobs": ("account", "stage", "changed_ms", "of"),
    "progress": ("changed_ms",),
    "accounts": ("account", "waiting"),  # the ledger's: one document an account; waiting: entries in its outbox
    "entries": ("account", "seq"),
    "identities": ("account",),
    "drafts": ("changed_ms",),
    "quotes": (),
    "slugs": (),
    "models": ("job", "account", "public", "made_ms"),
    "shown": ("job",),
    "shuns": ("until_ms",),
    "speeds": ("kind", "changed_ms"),
    "leases": ("open", "until_ms"),  # operators' machines; open: not read to be gone
    "condemned": (),  # machines that had to go and have not gone yet, by instance
    "settings": (),
    "inbox": ("platform", "at_ms"),  # what a platform acknowledged and we have not answered yet
    "links": ("until_ms",),  # upload links that were opened
    "uploads": ("identity", "heard", "at_ms"),  # files on their way in through the page
    "platforms": (),  # what a platform remembers: a menu's hash, a migrated chat
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuote:
    """The newest quote of an account: what its Start button means."""

    digest: str
    recipe: Recipe
    manifest: Manifest
    quote: Quote
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """An account's points as stored: their state, and the newest entries. `version` None: not stored yet."""

    state: State
    outbox: tuple[Entry, ...] = ()
    version: int | None = None


def ms(at: datetime) -> int:
    """Milliseconds since 1970: how times are indexed."""
    return round(at.timestamp() * 1000)


T = TypeVar("T")


def _codec(
    kind: type[T], index: Callable[[T], Mapping[str, str | int]] = lambda _: {}
) -> tuple[Callable[[T], dict[str, Any]], Callable[[Mapping[str, Any]], T]]:
    """How a value becomes a document, with the scalars it is found by beside it, and comes back out of it."""
    adapter, own = TypeAdapter(kind), {field.name for field in fields(kind)}  # type: ignore[arg-type]  # all are dataclasses

    def doc(value: T) -> dict[str, Any]:
        return {**adapter.dump_python(value, mode="json"), **index(value)}

    def value(doc: Mapping[str, Any]) -> T:
        return adapter.validate_python({key: doc[key] for key in own & doc.keys()})

    return doc, value


job_doc, job_from = _codec(Job, lambda job: {"changed_ms": ms(job.changed_at)})
progress_doc, progress_from = _codec(Progress, lambda progress: {"changed_ms": ms(progress.at)})
quote_doc, quote_from = _codec(OpenQuote)
book_doc, book_from = _codec(Book, lambda book: {"account": book.state.account, "waiting": len(book.outbox)})
entry_doc, entry_from = _codec(Entry)
person_doc, person_from = _codec(Person)
model_doc, model_from = _codec(Model, lambda model: {"made_ms": ms(model.made_at)})
draft_doc, draft_from = _codec(Draft, lambda draft: {"changed_ms": ms(draft.changed_at) if draft.changed_at else 0})
