"""Values to documents and back: the one home of pydantic in the flow, and the list of what we keep."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from pipeline.domain.job import Job
from pipeline.domain.progress import Progress

COLLECTIONS: Final[Mapping[str, tuple[str, ...]]] = {  # name -> its indexed scalars
    "jobs": ("account", "stage", "changed_ms"),
    "progress": ("changed_ms",),
    "accounts": (),  # the ledger's: one document an account
    "entries": ("account", "seq"),
    "identities": ("account",),
    "drafts": ("changed_ms",),
    "models": ("account", "public", "made_ms"),
    "shown": ("job",),
    "shuns": ("until_ms",),
    "settings": (),
}


_JOB: Final = TypeAdapter(Job)
_PROGRESS: Final = TypeAdapter(Progress)


def job_doc(job: Job) -> dict[str, Any]:
    return {**_JOB.dump_python(job, mode="json"), "changed_ms": _ms(job.changed_at)}


def job_from(doc: Mapping[str, Any]) -> Job:
    return _JOB.validate_python({key: value for key, value in doc.items() if key != "changed_ms"})


def progress_doc(progress: Progress) -> dict[str, Any]:
    return {**_PROGRESS.dump_python(progress, mode="json"), "changed_ms": _ms(progress.at)}


def progress_from(doc: Mapping[str, Any]) -> Progress:
    return _PROGRESS.validate_python({key: value for key, value in doc.items() if key not in {"changed_ms", "version"}})


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
