"""Which message we edited, and what it said last: ours to remember, never the pipeline's."""

from dataclasses import asdict, dataclass, replace
from typing import Final

from notifier.ports import MessageId
from pipeline.domain.ids import JobId
from pipeline.ports import Store

COLL: Final = "shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What a job's person sees. `version` is the store's; None: nothing is kept yet."""

    job: JobId
    message: MessageId | None = None
    digest: str = ""  # of the card last shown
    news: int = 0  # the last one in it
    final: bool = False  # nothing more will be shown
    unreachable: bool = False
    version: int | None = None


class Shown:
    """One document a job. One relay writes it; a stranger's write is overwritten, as the newer truth of a screen."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, job: JobId) -> Showing:
        doc = await self._store.get(COLL, job)
        if doc is None:
            return Showing(job=job)
        return Showing(
            job=job,
            message=MessageId(doc["message"]) if doc["message"] else None,
            digest=doc["digest"],
            news=doc["news"],
            final=doc["final"],
            unreachable=doc["unreachable"],
            version=doc["version"],
        )

    async def keep(self, showing: Showing) -> Showing:
        """Store `showing`, whatever is there by now; returns it with its new version."""
        while True:
            doc = {name: value for name, value in asdict(showing).items() if name != "version"}
            if showing.version is None:
                if await self._store.create(COLL, showing.job, doc):
                    return replace(showing, version=0)
            elif await self._store.cas(COLL, showing.job, showing.version, doc):
                return replace(showing, version=showing.version + 1)
            showing = replace(showing, version=(await self.of(showing.job)).version)
