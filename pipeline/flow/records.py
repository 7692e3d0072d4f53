"""Values to documents and back: the one home of pydantic in the flow, and the list of what we keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

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
    "jobs": ("account", "stage", "changed_ms"),
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


_JOB: Final = TypeAdapter(Job)
_PROGRESS: Final = TypeAdapter(Progress)
_QUOTE: Final = TypeAdapter(OpenQuote)
_BOOK: Final = TypeAdapter(Book)
_ENTRY: Final = TypeAdapter(Entry)
_PERSON: Final = TypeAdapter(Person)
_MODEL: Final = TypeAdapter(Model)
_DRAFT: Final = TypeAdapter(Draft)


def job_doc(job: Job) -> dict[str, Any]:
    doc: dict[str, Any] = _JOB.dump_python(job, mode="json")
    return {**doc, "changed_ms": ms(job.changed_at)}


def job_from(doc: Mapping[str, Any]) -> Job:
    return _JOB.validate_python({key: value for key, value in doc.items() if key != "changed_ms"})


def progress_doc(progress: Progress) -> dict[str, Any]:
    doc: dict[str, Any] = _PROGRESS.dump_python(progress, mode="json")
    return {**doc, "changed_ms": ms(progress.at)}


def progress_from(doc: Mapping[str, Any]) -> Progress:
    return _PROGRESS.validate_python({key: value for key, value in doc.items() if key not in {"changed_ms", "version"}})


def quote_doc(open_quote: OpenQuote) -> dict[str, Any]:
    doc: dict[str, Any] = _QUOTE.dump_python(open_quote, mode="json")
    return doc


def quote_from(doc: Mapping[str, Any]) -> OpenQuote:
    return _QUOTE.validate_python({key: value for key, value in doc.items() if key != "version"})


def book_doc(book: Book) -> dict[str, Any]:
    doc: dict[str, Any] = _BOOK.dump_python(book, mode="json")
    return {**doc, "account": book.state.account, "waiting": len(book.outbox)}


def book_from(doc: Mapping[str, Any]) -> Book:
    return _BOOK.validate_python({key: doc[key] for key in ("state", "outbox", "version")})


def entry_doc(entry: Entry) -> dict[str, Any]:
    doc: dict[str, Any] = _ENTRY.dump_python(entry, mode="json")
    return doc


def entry_from(doc: Mapping[str, Any]) -> Entry:
    return _ENTRY.validate_python({key: value for key, value in doc.items() if key != "version"})


def person_doc(person: Person) -> dict[str, Any]:
    doc: dict[str, Any] = _PERSON.dump_python(person, mode="json")
    return doc


def person_from(doc: Mapping[str, Any]) -> Person:
    return _PERSON.validate_python({key: value for key, value in doc.items() if key != "version"})


def model_doc(model: Model) -> dict[str, Any]:
    doc: dict[str, Any] = _MODEL.dump_python(model, mode="json")
    return {**doc, "made_ms": ms(model.made_at)}


def model_from(doc: Mapping[str, Any]) -> Model:
    return _MODEL.validate_python({key: value for key, value in doc.items() if key not in {"made_ms", "version"}})


def draft_doc(draft: Draft) -> dict[str, Any]:
    doc: dict[str, Any] = _DRAFT.dump_python(draft, mode="json")
    return {**doc, "changed_ms": ms(draft.changed_at) if draft.changed_at else 0}


def draft_from(doc: Mapping[str, Any]) -> Draft:
    return _DRAFT.validate_python({key: value for key, value in doc.items() if key != "changed_ms"})


def ms(at: datetime) -> int:
    """Milliseconds since 1970: how times are indexed."""
    return round(at.timestamp() * 1000)
