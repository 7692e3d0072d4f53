"""What a person has sent so far and not yet ordered."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pipeline.domain.dataset import MOST, MOST_BYTES, Finding, Inspection, Picture, joined
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId

MOST_FINDINGS: Final = 100  # the newest are kept: a person reads no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Pictures in the order they came, each once; `findings` tell what was left out on the way."""

    account: AccountId
    pictures: tuple[Picture, ...] = ()
    findings: tuple[Finding, ...] = ()
    version: int = 0
    changed_at: datetime | None = None  # None: nothing was ever sent

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return sum(picture.size for picture in self.pictures)

    def with_found(self, found: Inspection) -> "Draft":
        """Add what was found. Raises UserFault("draft-too-large") when that is more than one set may hold."""
        pictures = joined(self.pictures, found.pictures)
        grown = replace(self, pictures=pictures, findings=(*self.findings, *found.findings)[-MOST_FINDINGS:])
        if len(pictures) > MOST or grown.size > MOST_BYTES:
            raise UserFault("draft-too-large", have=len(pictures), most=MOST)
        return grown

    def without(self, ordinal: int) -> "Draft":
        """Take out picture `ordinal`, counted from 1. Raises UserFault("no-such-picture")."""
        if not 1 <= ordinal <= len(self.pictures):
            raise UserFault("no-such-picture", got=ordinal, have=len(self.pictures))
        return replace(self, pictures=self.pictures[: ordinal - 1] + self.pictures[ordinal:])

    def cleared(self) -> "Draft":
        return replace(self, pictures=(), findings=())
