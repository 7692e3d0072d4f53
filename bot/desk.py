"""The desk: hears what was said, lets the dialogue decide, carries it out through the office, answers with cards."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar, assert_never
from weakref import WeakValueDictionary

import structlog

from bot import errands, pages
from bot.ports import Office, Said
from bot.talk import dataset, dialogue, hello, phrases, train
from bot.talk.effects import (
    AddToDraft,
    Aside,
    AskQuote,
    BringLink,
    Choose,
    ClearDraft,
    Decline,
    Deliver,
    DropPicture,
    Effect,
    Grant,
    Known,
    MakeWish,
    Refuse,
    Show,
    ShowSamples,
    Submit,
    Take,
    Tell,
)
from bot.visit import Premises, Visit
from notifier.card import Card, Tone
from notifier.ports import Courier, MessageId, Unreachable
from notifier.words import Words
from pipeline.domain.faults import Blame, Fault, UserFault
from pipeline.domain.ids import AccountId, JobId
from pipeline.domain.recipe import Recipe
from pipeline.ports import Clock

REMEMBERED: Final = 500  # counts and quotes we could still edit; an older one is simply answered anew
FRESH: Final = 10.0  # seconds; a job older than this was not started by this press

__all__ = ["Desk", "Premises"]

log = structlog.get_logger()
Room = tuple[str, str]  # a platform's chat: one person may be heard there in two languages
K = TypeVar("K")
V = TypeVar("V")


@dataclass(eq=False)
class _Line:
    """Remarks of one chat that want to say how many pictures there are."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Desk:
    """Answers people. What it remembers may be lost: which message counts pictures, and the quotes it could edit."""

    def __init__(
        self,
        office: Office,
        couriers: Mapping[str, Courier],
        words: Callable[[str], Words],
        clock: Clock,
        premises: Premises | None = None,
    ) -> None:
        self._office = office
        self._couriers = couriers
        self._words = words
        self._clock = clock
        self._premises = premises or Premises()
        self._counts: OrderedDict[Room, MessageId] = OrderedDict()
        self._quotes: OrderedDict[tuple[AccountId, str], Card] = OrderedDict()
        self._counting: WeakValueDictionary[Room, _Line] = WeakValueDictionary()

    async def hear(self, said: Said) -> None:
        """Answer `said`. Never raises: what goes wrong on our side is logged and told as one kind sentence."""
        try:
            await self._guarded(said)
        except Unreachable:
            log.info("desk.unreachable", identity=said.identity)
        except Exception:  # whatever it was, the next remark must still be heard
            log.exception("desk.mute", identity=said.identity)

    async def _guarded(self, said: Said) -> None:
        words = self._words(said.address.locale)
        try:
            await self._answer(said, words)
        except Unreachable:
            raise
        except Fault as fault:
            if fault.blame is not Blame.USER:
                log.warning("desk.fault", code=fault.code, blame=fault.blame, identity=said.identity)
            await self._regret(said, words.fault(fault))
        except Exception:
            log.exception("desk.bug", identity=said.identity)
            await self._regret(said, words.reason(Blame.BUG, "bug", {}))

    async def _regret(self, said: Said, why: str) -> None:
        self._counts.pop(_room(said), None)
        await self._couriers[said.address.platform].show(said.address, phrases.sentence(why, Tone.BAD), None)

    async def _answer(self, said: Said, words: Words) -> None:
        account = await self._office.account(said.identity)
        visit = Visit(said=said, account=account, words=words, courier=self._couriers[said.address.platform])
        last = await self._office.last_recipe(visit.account)
        for effect in dialogue.answer(visit.said, self._known(said, last)):
            card = await self._carry_out(visit, effect)
            if card is not None:
                await self._show(visit, card)

    def _known(self, said: Said, last: Recipe | None) -> Known:
        return Known(last=last, publish=self._premises.publish, operator=said.identity in self._premises.operators)

    async def _show(self, visit: Visit, card: Card, over: MessageId | None = None) -> MessageId:
        self._counts.pop(_room(visit.said), None)  # the next picture is counted below what was said since
        return await visit.courier.show(visit.said.address, card, over)

    async def _carry_out(self, visit: Visit, effect: Effect) -> Card | None:  # noqa: C901, PLR0911, PLR0912  # one case for each effect
        """Do `effect`; the card it is answered with, if it was not answered already."""
        words, office = visit.words, self._office
        match effect:
            case Tell(key, facts):
                return phrases.sentence(words.say(key, **phrases.plain(facts, words)))
            case Aside(name):
                return hello.aside_card(words, name)
            case Refuse(code, facts):
                raise UserFault(code, **facts)
            case Show(page, of):
                return await pages.page(visit, page, of, office, self._premises, self._clock.now())
            case AddToDraft(files, count):
                return await self._add(visit, files, count=count)
            case BringLink():
                await self._bring(visit, effect)
                return None
            case DropPicture(number):
                return dataset.draft_card(await office.drop(visit.account, number), words)
            case ClearDraft():
                return dataset.draft_card(await office.clear(visit.account), words)
            case AskQuote():
                return await self._quote(visit, effect)
            case Submit(digest):
                return await self._submit(visit, digest)
            case Decline(digest):
                return await self._decline(visit, digest)
            case MakeWish():
                return await self._wish(visit, effect)
            case Deliver(job):
                return await errands.deliver(visit, JobId(job), office, self._premises)
            case Take():
                await errands.take(visit, effect, office)
                return None
            case ShowSamples(job):
                return await errands.samples(visit, JobId(job), office, self._premises)
            case Grant():
                return await errands.grant(visit, effect, office, self._clock.now())
            case Choose(room):
                await office.choose(visit.said.identity, room)
                return None
            case other:
                assert_never(other)

    # --- pictures

    async def _add(self, visit: Visit, files: tuple[Path, ...], *, count: bool) -> Card | None:
        """Put each file into the draft. One that is refused does not keep the others out."""
        refused: list[UserFault] = []
        for file in files:
            try:
                await self._office.add(visit.account, file)
            except UserFault as fault:
                refused.append(fault)
        if refused and (not count or len(refused) == len(files)):
            raise refused[0]
        for refusal in refused:
            await self._regret(visit.said, visit.words.fault(refusal))
        if count:
            await self._count(visit)
        return None

    async def _bring(self, visit: Visit, effect: BringLink) -> None:
        self._counts.pop(_room(visit.said), None)  # while it is fetched, something may be said
        await errands.bring(visit, effect.url, self._office, self._premises)
        if effect.count:
            await self._count(visit)

    async def _count(self, visit: Visit) -> None:
        """Say how many there are, in the message that said so before if nothing was said since."""
        room = _room(visit.said)
        line = self._counting.setdefault(room, _Line())
        line.waiting += 1
        async with line.lock:  # an album arrives as many remarks at once
            line.waiting -= 1
            if line.waiting:  # whoever is behind us counts our pictures, too
                return
            draft = await self._office.draft(visit.account)
            card = dataset.counted_card(draft, visit.words)
            _remember(self._counts, room, await self._show(visit, card, self._counts.get(room)))

    # --- quotes

    async def _quote(self, visit: Visit, effect: AskQuote) -> Card:
        offered = await self._office.quote(visit.account, effect.recipe)
        first = not await self._office.jobs(visit.account, 1)
        card = train.quote_card(offered, visit.words, self._premises.tariff, first=first, pace=self._premises.pace)
        _remember(self._quotes, (visit.account, offered.digest), card)
        return card

    async def _submit(self, visit: Visit, digest: str) -> Card | None:
        """Start the quoted job. Its first message is the live one, which the relay sends: we say nothing more."""
        room = await self._office.room(visit.said.identity)
        job = await self._office.submit(visit.account, replace(visit.said.address, room=room), digest)
        quote = self._quotes.get((visit.account, digest))  # None: this process did not send it
        closed = train.answered(quote) if quote else phrases.sentence(visit.words.say("chat-started"))
        if visit.said.message is not None and closed != quote:
            _remember(self._quotes, (visit.account, digest), closed)
            await self._show(visit, closed, visit.said.message)
        if (self._clock.now() - job.created_at).total_seconds() > FRESH:
            return phrases.sentence(visit.words.say("chat-already-started"))
        return None

    async def _decline(self, visit: Visit, digest: str) -> Card | None:
        words = visit.words
        if any(train.is_of(job, digest) and not job.over for job in await self._office.jobs(visit.account)):
            return phrases.sentence(words.say("chat-already-started"))
        self._quotes.pop((visit.account, digest), None)
        await self._show(visit, phrases.sentence(words.say("chat-declined")), visit.said.message)
        return None

    # --- trainings, models, points

    async def _wish(self, visit: Visit, effect: MakeWish) -> Card | None:
        named = JobId(effect.job) if effect.job else None
        job = await self._office.wish(visit.account, effect.wish, named, visit.said.id)
        if not effect.aloud:
            return None
        return phrases.sentence(visit.words.say(f"chat-wish-{effect.wish}", slug=job.slug or job.recipe.slug))


def _room(said: Said) -> Room:
    return said.address.platform, said.address.chat


def _remember(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep `value`; the oldest goes when there are too many."""
    kept[key] = value
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
