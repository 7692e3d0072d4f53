"""A trained model as the catalogue knows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from pipeline.domain.ids import AccountId, JobId, Sha256, Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. `url` is where people find it, `samples` and `sheet` are files in the spool, `size` is in bytes."""

    slug: Slug
    account: AccountId
    job: JobId
    trigger: str
    base: str
    name: str
    url: str
    repo: str
    public: bool
    sha256: Sha256
    size: int
    step: int
    steps: int
    incomplete: bool
    made_at: datetime
    samples: tuple[str, ...] = ()
    sheet: str = ""
    pictures: int = 0
    rank: int = 0
    lr: float = 0.0


def names(wanted: Slug) -> Iterator[Slug]:
    """The names to try for a model, in order: `wanted`, `wanted-2`, `wanted-3` ..."""
    yield wanted
    yield from (Slug(f"{wanted}-{n}") for n in count(2))
