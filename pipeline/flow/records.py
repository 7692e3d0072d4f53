"""Values to documents and back: the one home of pydantic in the flow, and the list of what we keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from pipeline.domain.dataset import Manifest
from pipeline.domain.job import Job
from pipeline.domain.progress import Progress
from pipeline.domain.quote import Quote
from pipeline.domain.recipe import Recipe

COLLECTIONS: Final[Mapping[str, tuple[str, ...]]] = {  # name -> its indexed scalars
    "jobs": ("account", "stage", "changed_ms"),
    "progress": ("changed_ms",),
    "accounts": (),  # the ledger's: one document an account
    "entries": ("account", "seq"),
    "identities": ("account",),
    "drafts": ("changed_ms",),
    "quotes": (),
    "models": ("account", "public", "made_ms"),
    "shown": ("job",),
    "shuns": ("until_ms",),
    "settings": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuote:
    """The newest quote of an account: what its Start button means."""

    digest: str
    recipe: Recipe
    manifest: Manifest
    quote: Quote
    at: datetime


_JOB: Final = TypeAdapter(Job)
_PROGRESS: Final = TypeAdapter(Progress)
_QUOTE: Final = TypeAdapter(OpenQuote)


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


def ms(at: datetime) -> int:
    """Milliseconds since 1970: how times are indexed."""
    return round(at.timestamp() * 1000)
