"""What was acknowledged is stored before it is handled, so that a killed process owes nobody an answer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.ports import Store

COLL: Final = "inbox"
STALE: Final = timedelta(days=1)  # nobody waits for an answer any more
TRIES: Final = 3  # a remark that kills us must not do so for ever


@dataclass(frozen=True, slots=True)
class File:
    """An attachment as Discord told of it."""

    name: str
    url: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What one interaction said, in values that can be kept."""

    id: int  # Discord's, of the interaction
    user: int
    chat: str  # a Place
    locale: str
    text: str = ""
    pressed: str | None = None
    message: str | None = None  # a Spot
    files: tuple[File, ...] = ()
    app: int = 0  # whose interaction it is, and its token: what was promised is answered where it was promised
    token: str = field(default="", repr=False)
    room: int = 0  # bytes a file of the answer may have
    tries: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        return f"discord:{self.id}"


class Inbox:
    """Remarks in hand, by the interaction they came in."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, remark: Remark, at: datetime) -> None:
        await self._store.create(COLL, remark.key, _doc(remark, at))

    async def drop(self, remark: Remark) -> None:
        await self._store.delete(COLL, remark.key)

    async def left(self, now: datetime) -> list[tuple[Remark, float]]:
        """What an earlier process acknowledged and did not answer, the oldest first; counted as tried once more.

        Each with its age in seconds.
        """
        found = []
        for doc in await self._store.find(COLL, equal={"platform": "discord"}, order="at_ms", limit=500):
            remark = _remark(doc["remark"])
            if doc["at_ms"] < _ms(now - STALE) or remark.tries >= TRIES:
                await self.drop(remark)
                continue
            again = {**doc, "remark": {**doc["remark"], "tries": remark.tries + 1}}
            if await self._store.cas(COLL, remark.key, doc["version"], again):
                found.append((remark, max(0.0, (_ms(now) - doc["at_ms"]) / 1000)))
        return found


def _doc(remark: Remark, at: datetime) -> dict[str, Any]:
    return {"platform": "discord", "at_ms": _ms(at), "remark": asdict(remark)}


def _remark(doc: Mapping[str, Any]) -> Remark:
    return Remark(**{**doc, "files": tuple(File(**file) for file in doc["files"])})


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
