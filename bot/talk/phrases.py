"""Bits that several answers share: a sentence as a card, a price in points and dollars, a list of findings."""

from collections.abc import Mapping, Sequence
from typing import Final

from notifier.card import Card, Tone
from notifier.words import Words
from pipeline.domain.dataset import Finding
from pipeline.domain.faults import Fact
from pipeline.domain.money import Points, Tariff

FINDINGS: Final = 5  # the newest, named; the rest is counted


def sentence(text: str, tone: Tone = Tone.PLAIN) -> Card:
    return Card(title="", lines=(text,), tone=tone, final=True)


def plain(facts: Mapping[str, Fact], words: Words) -> Mapping[str, Fact]:
    """`facts` for a sentence: words among them came from somebody else."""
    return {name: words.foreign(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}


def price(points: Points, tariff: Tariff, words: Words) -> str:
    """Points and what they are worth, in one breath."""
    return words.say("chat-price", points=words.points(points), usd=words.usd(tariff.usd(points)))


def found(findings: Sequence[Finding], words: Words) -> tuple[str, ...]:
    """What is wrong with pictures: one paragraph, a line each; () when nothing is."""
    if not findings:
        return ()
    named = [f"• {words.finding(finding)}" for finding in findings[-FINDINGS:]]
    more = len(findings) - len(named)
    rest = [words.say("chat-findings-more", count=more)] if more else []
    return ("\n".join([words.say("chat-findings", count=len(findings)), *named, *rest]),)
