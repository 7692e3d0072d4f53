"""/balance and /receipts: points, and where they went."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, assert_never

from bot.talk import phrases
from bot.talk.effects import Effect, Known, Page, Show
from notifier.card import Card
from notifier.words import Words
from pipeline.domain.ledger import Balance, Capture, Deposit, Entry, Hold, Refund, Release
from pipeline.domain.money import Tariff


def balance(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.BALANCE),)


def receipts(_words: Sequence[str], _known: Known) -> tuple[Effect, ...]:
    return (Show(Page.RECEIPTS),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {
    "balance": balance,
    "receipts": receipts,
}


def balance_card(have: Balance, words: Words, tariff: Tariff) -> Card:
    held = ((words.say("chat-balance-held"), words.points(have.held)),) if have.held else ()
    return Card(
        title=words.say("chat-balance"),
        lines=(words.say("chat-balance-hint"),),
        fields=((words.say("chat-balance-available"), phrases.price(have.available, tariff, words)), *held),
        final=True,
    )


def receipts_card(entries: Sequence[Entry], words: Words, now: datetime) -> Card:
    """What moved points, the newest first; what was refused moved none and is no receipt."""
    moved = [entry for entry in entries if entry.ok and entry.points]
    if not moved:
        return Card(title=words.say("chat-receipts"), lines=(words.say("chat-receipts-none"),), final=True)
    rows = tuple((_what(entry, words), _row(entry, words, now)) for entry in moved)
    return Card(title=words.say("chat-receipts"), fields=rows, final=True)


def _what(entry: Entry, words: Words) -> str:
    command = entry.command
    match command:
        case Deposit(source=source):
            known = words.knows(f"chat-source-{source}")
            return words.say(
                f"chat-source-{source}" if known else "chat-receipt-deposit", source=words.foreign(source, 40)
            )
        case Hold(job=job):
            return words.say("chat-receipt-hold", job=job)
        case Capture(hold=hold) | Release(hold=hold):
            return words.say(f"chat-receipt-{command.kind}", job=hold.partition(":")[0])
        case Refund():
            return words.say("chat-receipt-refund")
        case other:
            assert_never(other)


def _row(entry: Entry, words: Words, now: datetime) -> str:
    ago, left = words.span(now - entry.command.at), words.number(entry.balance.available)
    return words.say("chat-receipt-row", points=words.points(entry.points), ago=ago, left=left)
