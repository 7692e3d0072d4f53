"""Who a platform says is speaking, and which account of ours that is."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.domain.ids import AccountId, Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One identity. Several may lead to one account. `welcomed`: the welcome points need no more thought."""

    identity: Identity
    account: AccountId
    since: datetime
    welcomed: bool = False
