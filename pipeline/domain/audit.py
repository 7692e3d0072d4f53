"""Does the money sum? Every account is lived again from its entries and must come out as it stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.domain.ids import AccountId
from pipeline.domain.ledger import Capture, Deposit, Entry, Refund, State, apply
from pipeline.domain.money import Points


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Sums over accounts. `astray` names those that do not follow from their entries."""

    accounts: int = 0
    deposited: Points = Points(0)
    available: Points = Points(0)
    held: Points = Points(0)
    captured: Points = Points(0)
    refunded: Points = Points(0)
    astray: tuple[AccountId, ...] = ()

    @property
    def total(self) -> int:
        """Points made from nothing (below zero) or lost (above it): 0 when the ledger sums."""
        return self.deposited - self.available - self.held - self.captured + self.refunded

    @property
    def sound(self) -> bool:
        return self.total == 0 and not self.astray

    def __add__(self, other: "Audit") -> "Audit":
        return Audit(
            accounts=self.accounts + other.accounts,
            deposited=Points(self.deposited + other.deposited),
            available=Points(self.available + other.available),
            held=Points(self.held + other.held),
            captured=Points(self.captured + other.captured),
            refunded=Points(self.refunded + other.refunded),
            astray=self.astray + other.astray,
        )


def audited(state: State, entries: Sequence[Entry]) -> Audit:
    """Hold one account against all of its entries, the oldest first."""
    sums = Audit(
        accounts=1,
        deposited=_moved(entries, Deposit),
        available=state.balance.available,
        held=state.balance.held,
        captured=_moved(entries, Capture),
        refunded=_moved(entries, Refund),
    )
    straight = sums.total == 0 and _follows(state, entries)
    return sums if straight else sums + Audit(astray=(state.account,))


def fold(account: AccountId, entries: Iterable[Entry]) -> State:
    """Live an account again from its first entry. Raises ValueError where an entry is not what its command does."""
    state = State(account=account)
    for entry in entries:
        state, again = apply(state, entry.command)
        if again != entry:
            raise ValueError(account, entry.seq)
    return state


def _moved(entries: Iterable[Entry], kind: type[Deposit | Capture | Refund]) -> Points:
    return Points(sum(entry.points for entry in entries if isinstance(entry.command, kind)))


def _follows(state: State, entries: Iterable[Entry]) -> bool:
    try:
        return fold(state.account, entries) == state
    except ValueError:
        return False
