"""Discord's mouth: a card is the answer to the interaction in hand, or else a message by the bot's own token."""

import asyncio
import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import discord
import structlog

from bot.platforms.discord.face import Face, face
from bot.platforms.discord.hearing import Listener
from bot.platforms.discord.ink import ink
from bot.platforms.discord.people import People
from bot.platforms.discord.reply import BROKEN, Expired, answering
from bot.platforms.discord.rhythm import Rhythm
from bot.platforms.discord.where import Kind, Place, Spot
from bot.ports import Grounds
from notifier.card import Card
from notifier.ports import Later, MessageId, Unreachable
from pipeline.domain.account import Room
from pipeline.domain.job import Address

PICTURES: Final = 2000  # messages whose picture we remember
EPOCH: Final = 1_420_070_400.0  # Discord's own: its numbers count milliseconds from here
LAUNCH: Final = 1_700_000_000.0  # nothing of ours is older; a number that says so is no time
FILE_MOST: Final = 10 * 2**20  # bytes that a bot may send anywhere
LINE: Final = 1500  # letters of a plain message

log = structlog.get_logger()


class Mouth:
    """Shows cards. Raises Unreachable, Later; discord.py's errors where trying again may help."""

    def __init__(self, client: Listener, grounds: Grounds, people: People) -> None:
        self._client, self._grounds, self._people = client, grounds, people
        self._rhythm = Rhythm(grounds.pace)
        self._pictures: OrderedDict[Spot, str] = OrderedDict()

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        """As Courier.show. A live message is sent by the bot's token; what answers somebody, by their interaction's."""
        place, spot = Place.read(to.chat), Spot.read(over) if over else None
        reply = answering.get() if to.room is None else None
        if reply is not None:
            try:
                return (await reply.show(face(card, card.picture), spot)).id
            except Expired:
                log.info("discord-expired", chat=to.chat)
        self._client.brake.check(_now())
        if spot is not None and not spot.hidden:
            return (await self._over(to, place, card, spot)).id
        return (await self._first(to, place, card)).id

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        """As Courier.send_file: to its person alone."""
        reply, said = answering.get(), ink(caption, LINE)
        if reply is not None:
            try:
                return await reply.file(file, said)
            except Expired:
                log.info("discord-expired", chat=to.chat)
        if (await asyncio.to_thread(file.stat)).st_size > FILE_MOST:
            return False
        place = Place.read(to.chat)
        room = place.channel if place.kind is Kind.DM else await self._people.room(place.user)
        await self._send(room, {"content": said, "file": discord.File(file)})
        return True

    # --- over a message

    async def _over(self, to: Address, place: Place, card: Card, spot: Spot) -> Spot:
        """Edit `spot` into `card`, at its pace. A message that is gone is sent anew."""
        shared = place.shared and spot.channel == place.channel
        if to.room is not None:
            await self._turn(spot, card, shared=shared)
        drawn = _drawn(card, shared=shared)
        picture = _picture(drawn)
        await self._client.brake.turn()
        message = self._client.get_partial_messageable(spot.channel).get_partial_message(spot.number)
        try:
            await message.edit(**drawn.edited(keep_picture=self._pictures.get(spot) == picture))
        except discord.NotFound:
            return await self._first(to, place, card, anew=True)
        except discord.Forbidden as error:
            if not shared:
                raise Unreachable from error
            return await self._private(place.user, card, anew=True)  # we were put out of that channel, not of their DM
        self._shown(spot, card, picture)
        return spot

    async def _turn(self, spot: Spot, card: Card, *, shared: bool) -> None:
        """Wait for the moment of `card`. Raises Later when something newer should be shown then."""
        wait = self._rhythm.wait(spot, card, _now(), self._age(spot), shared=shared)
        if wait <= 0:
            return
        if not card.final:
            raise Later(wait)
        await asyncio.sleep(wait)

    def _age(self, spot: Spot) -> float:
        """Seconds since `spot` was sent, as its number tells; 0 where that is no time."""
        born = (spot.number >> 22) / 1000 + EPOCH
        return max(0.0, self._grounds.clock.now().timestamp() - born) if born > LAUNCH else 0.0

    # --- a new message

    async def _first(self, to: Address, place: Place, card: Card, *, anew: bool = False) -> Spot:
        """Send `card` where its person wants it."""
        if place.kind is Kind.DM:
            return await self._sent(place.channel, card, shared=False, anew=anew)
        if place.kind is Kind.CHANNEL and (to.room is Room.HERE or not place.user):
            try:
                return await self._in_channel(place, card, anew=anew)
            except Unreachable:
                return await self._private(place.user, card, anew=anew)
        try:
            spot = await self._private(place.user, card, anew=anew)
        except Unreachable:
            if place.kind is not Kind.CHANNEL or to.room is None:  # an answer to one person is not for a channel's eyes
                raise
            return await self._in_channel(place, card, anew=anew, instead=to.locale)
        if to.room is Room.DM and place.kind is Kind.CHANNEL and not anew and not card.final:
            await self._point(to, place, card, spot)
        return spot

    async def _private(self, user: int, card: Card, *, anew: bool) -> Spot:
        room = await self._people.room(user)
        try:
            return await self._sent(room, card, shared=False, anew=anew)
        except Unreachable:
            await self._people.close(user)
            raise

    async def _in_channel(self, place: Place, card: Card, *, anew: bool, instead: str = "") -> Spot:
        """Send it where others read it; `instead`: of a DM that was refused, which is said once, in that language."""
        extra: dict[str, Any] = {}
        if instead:
            extra = {"content": await self._refusal(place.user, instead), "allowed_mentions": _only(place.user)}
        return await self._sent(place.channel, card, shared=True, anew=anew, **extra)

    async def _refusal(self, user: int, locale: str) -> str:
        """A mention, and why it is here: the latter once."""
        if not await self._people.tell(user):
            return f"<@{user}>"
        return f"<@{user}> {ink(self._grounds.words(locale).say('discord-dm-closed'), LINE)}"

    async def _point(self, to: Address, place: Place, card: Card, spot: Spot) -> None:
        """Say in the channel where the training is told. A channel we cannot write to is no reason to stop."""
        words = self._grounds.words(to.locale)
        link = f"https://discord.com/channels/@me/{spot.channel}/{spot.number}"
        said = f"<@{place.user}> {ink(words.say('discord-pointer', title=card.title), LINE)} {link}"
        try:
            await self._send(place.channel, {"content": said, "suppress_embeds": True})
        except (Unreachable, discord.HTTPException, *BROKEN) as error:  # the live message is there, and is noted
            log.info("discord-no-pointer", channel=place.channel, error=type(error).__name__)

    async def _sent(self, channel: int, card: Card, *, shared: bool, anew: bool, **extra: Any) -> Spot:
        drawn = _drawn(card, shared=shared)
        nonce = _nonce(channel, card) if not anew else None
        message = await self._send(channel, {**drawn.sent(), **extra, **({"nonce": nonce} if nonce else {})})
        spot = Spot(channel, message.id)
        self._shown(spot, card, _picture(drawn))
        return spot

    async def _send(self, channel: int, parts: dict[str, Any]) -> discord.Message:
        await self._client.brake.turn()
        try:
            return await self._client.get_partial_messageable(channel).send(**parts)
        except (discord.Forbidden, discord.NotFound) as error:
            log.info("discord-refused", channel=channel, code=error.code)
            raise Unreachable from error

    def _shown(self, spot: Spot, card: Card, picture: str) -> None:
        self._rhythm.shown(spot, card, _now())
        self._pictures[spot] = picture
        while len(self._pictures) > PICTURES:
            self._pictures.popitem(last=False)


def _drawn(card: Card, *, shared: bool) -> Face:
    """A person's samples are seen by others only when they put them there."""
    return face(card, picture=card.picture if card.shared or not shared else None)


def _picture(drawn: Face) -> str:
    """What tells one picture from another; "" for none."""
    if drawn.picture is None:
        return ""
    stat = drawn.picture.stat()
    return f"{drawn.picture}:{stat.st_size}:{stat.st_mtime_ns}"


def _nonce(channel: int, card: Card) -> str | None:
    """The same live card is sent once, though we die before we know that it was (Discord compares for minutes)."""
    job = next((button.action for button in card.buttons), "")
    if card.final or not job:
        return None
    return hashlib.sha256(f"{channel}:{job}:{card.title}".encode()).hexdigest()[:25]


def _only(user: int) -> discord.AllowedMentions:
    return discord.AllowedMentions(everyone=False, roles=False, users=[discord.Object(user)])


def _now() -> float:
    return asyncio.get_running_loop().time()
