"""One remark being answered, and what is true of the house that answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.ports import Pages, Said
from notifier.ports import Courier
from notifier.words import Words
from pipeline.domain.catalogue import Model
from pipeline.domain.ids import AccountId, Identity
from pipeline.domain.money import Tariff
from pipeline.domain.recipe import Publish
from pipeline.ports import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What is true of this house and shows in its answers."""

    spool: Path = Path()
    tariff: Tariff = field(default_factory=Tariff)
    publish: Publish = Publish.HF
    simulated: bool = False
    pace: Pace = field(default_factory=Pace)
    operators: frozenset[Identity] = frozenset()
    pages: Pages | None = None  # None: no PUBLIC_URL
    silent: float = 3.0  # seconds that a person waits without being told for what


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One remark being answered."""

    said: Said
    account: AccountId
    words: Words
    courier: Courier

    def seen(self, found: Sequence[Model]) -> list[Model]:
        """Those of `found` that may be shown where this was asked."""
        return [model for model in found if self.said.private or model.public]
