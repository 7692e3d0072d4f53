"""/train: an order becomes a price, the price becomes a card with Start, Change and Cancel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bot.talk import options, phrases
from bot.talk.effects import AskQuote, BringLink, Decline, Effect, Known, Submit, Tell
from notifier.card import Button, Card, Tone
from notifier.words import Words
from pipeline.domain.job import Job
from pipeline.domain.money import Tariff
from pipeline.domain.recipe import Captions, Recipe
from pipeline.ports import Pace

if TYPE_CHECKING:
    from pipeline.flow.intake import Offered

LIFE: Final = Pace()


def order(words: Sequence[str], known: Known) -> tuple[Effect, ...]:
    """A link alone, before any order, is pictures like those of a message."""
    url, words = options.link(words)
    if url and not words and known.last is None:
        return (BringLink(url),)
    asked = AskQuote(options.recipe(words, known))
    return (BringLink(url, count=False), asked) if url else (asked,)


def start(digest: str, _known: Known) -> tuple[Effect, ...]:
    return (Submit(digest),)


def change(_digest: str, known: Known) -> tuple[Effect, ...]:
    """Say how to alter the order. The draft and the options stay as they are: /train without a trigger changes them."""
    return (Tell("chat-change", {"last": options.spelled(known.last)}) if known.last else Tell("chat-button-gone"),)


def decline(digest: str, _known: Known) -> tuple[Effect, ...]:
    return (Decline(digest),)


COMMANDS: Final[Mapping[str, Callable[[Sequence[str], Known], tuple[Effect, ...]]]] = {"train": order}
BUTTONS: Final[Mapping[str, Callable[[str, Known], tuple[Effect, ...]]]] = {
    "start": start,
    "change": change,
    "decline": decline,
}


def quote_card(offered: "Offered", words: Words, tariff: Tariff, *, first: bool, pace: Pace = LIFE) -> Card:
    """Price, pictures and what is wrong with them. Its first button starts the job.

    `first`: this person never ordered before, so the card also says where the pictures go.
    """
    quote, balance = offered.quote, offered.balance
    short = balance.available < quote.ceiling
    return Card(
        title=words.say("chat-quote", slug=offered.slug, count=len(offered.manifest.pictures)),
        lines=(
            words.say("chat-quote-pictures", count=len(offered.manifest.pictures)),
            *phrases.found(offered.findings, words),
            *_uncaptioned(offered, words),
            words.say("chat-quote-promise"),
            *([words.say("chat-quote-copied")] if first else []),
            *([words.say("chat-quote-short", missing=words.points(_missing(offered)))] if short else []),
        ),
        fields=(
            (words.say("chat-quote-price"), phrases.price(quote.points, tariff, words)),
            (words.say("chat-quote-ceiling"), phrases.price(quote.ceiling, tariff, words)),
            (
                words.say("chat-quote-start"),
                words.say("chat-quote-in", time=words.duration(pace.seconds(quote.start_seconds))),
            ),
            (
                words.say("chat-quote-finish"),
                words.say("chat-quote-in", time=words.duration(pace.seconds(quote.seconds))),
            ),
            (words.say("chat-quote-balance"), words.points(max(0, balance.available - quote.points))),
            (words.say("chat-quote-options"), _options(offered.recipe, words)),
        ),
        buttons=(
            Button(words.say("chat-button-start"), f"start:{offered.digest}"),
            Button(words.say("chat-button-change"), f"change:{offered.digest}"),
            Button(words.say("chat-button-decline"), f"decline:{offered.digest}"),
        ),
        tone=Tone.BAD if short else Tone.PLAIN,
    )


def _uncaptioned(offered: "Offered", words: Words) -> tuple[str, ...]:
    """What is trained beside pictures without a caption: nothing here writes any, and that is said."""
    bare = len(offered.manifest.pictures) - len(offered.manifest.captions)
    if offered.recipe.captions is Captions.NONE:
        return (words.say("chat-quote-captions-none"),) if offered.manifest.captions else ()
    if offered.recipe.captions is Captions.AUTO and bare:
        return (words.say("chat-quote-captions-auto", count=bare),)
    return ()


def answered(quote: Card) -> Card:
    """The quote once somebody said yes or no to it: the same words, no buttons."""
    return replace(quote, buttons=(), tone=Tone.PLAIN, final=True)


def is_of(job: Job, digest: str) -> bool:
    """Tell whether `job` came from the quote with that digest."""
    return job.quote.digest(job.manifest.digest, job.recipe.digest) == digest


def _missing(offered: "Offered") -> int:
    return offered.quote.ceiling - offered.balance.available


def _options(recipe: Recipe, words: Words) -> str:
    return words.say(
        "chat-quote-recipe",
        base=recipe.base,
        steps=words.number(recipe.steps),
        rank=recipe.rank,
        lr=f"{recipe.lr:g}",
        resolution="/".join(map(str, recipe.resolution)),
        samples=recipe.samples,
        publish=words.say(f"chat-publish-{recipe.publish}"),
    )
