"""Who a platform says is speaking, and which account of ours that is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.domain.ids import AccountId, Identity


class Room(StrEnum):
    """Where a person wants a training to be told, on platforms where others read along."""

    DM = "dm"  # to them alone, with a pointer where they ordered
    HERE = "here"  # where they ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One identity. Several may lead to one account. `welcomed`: the welcome points need no more thought."""

    identity: Identity
    account: AccountId
    since: datetime
    welcomed: bool = False
    room: Room = Room.DM
