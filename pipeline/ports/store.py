"""The store: documents by collection and id, written by compare-and-set."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Doc = Mapping[str, Any]  # JSON: str, int, float, bool, None, list, dict


class Store(Protocol):
    """Documents by collection and id. Correct without transactions over several of them.

    `COLLECTIONS` in pipeline/flow/records.py declares each collection's indexed scalars.
    Raises OperatorFault("store-down") when it cannot answer.
    """

    async def get(self, coll: str, key: str) -> dict[str, Any] | None: ...

    async def create(self, coll: str, key: str, doc: Doc) -> bool:
        """Store `doc` at version 0. False: the key exists, nothing was written."""

    async def cas(self, coll: str, key: str, version: int, doc: Doc) -> bool:
        """Replace the document at exactly `version` by `doc` at `version + 1`. False: it was not there at that version.

        The adapter keeps the version in the document's own "version" field.
        """

    async def find(
        self,
        coll: str,
        *,
        equal: Mapping[str, str | int] | None = None,
        among: Mapping[str, Sequence[str | int]] | None = None,
        below: Mapping[str, str | int] | None = None,
        above: Mapping[str, str | int] | None = None,
        order: str = "",
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Documents whose declared scalars fit; `order` is a field, "-field" for descending. Bounds are exclusive."""

    async def delete(self, coll: str, key: str) -> None: ...

    async def close(self) -> None: ...
