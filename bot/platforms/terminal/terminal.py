"""The terminal's ear and mouth: lines become remarks, cards become panels, buttons become numbers."""

import asyncio
import secrets
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

from bot.platforms.terminal import paint
from bot.platforms.terminal.lines import parted
from bot.platforms.terminal.screens import ECHO, screen_of
from bot.ports import Grounds, Hear, Said
from notifier.card import Card, Tone
from notifier.ports import MessageId
from pipeline.domain.ids import Identity
from pipeline.domain.job import Address

REMEMBERED: Final = 200  # messages that can still be edited, and whose numbers still press something
ME: Final = Identity("terminal:me")
REST: Final = 1.0  # seconds between two blocks of one message in a pipe


class Terminal:
    """One person at one keyboard. Ear and Courier."""

    name = "terminal"

    def __init__(
        self,
        *,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        identity: Identity = ME,
        locale: str = "en",
        here: Path | None = None,
        rest: float = REST,
    ) -> None:
        self._screen = screen_of(stdin or sys.stdin, stdout or sys.stdout, rest)
        self._here = here or Path()
        self.identity = identity
        self.address = Address(self.name, identity.partition(":")[2], locale)
        self._session = secrets.token_hex(4)  # an older process's messages are not ours to edit
        self._cards: OrderedDict[MessageId, Card] = OrderedDict()
        self._live: OrderedDict[MessageId, None] = OrderedDict()
        self._choices: dict[int, tuple[MessageId, str]] = {}  # a number means one button for the whole session
        self._messages = 0
        self._numbers = 0

    # --- ear

    async def run(self, hear: Hear, grounds: Grounds | None = None) -> None:  # noqa: ARG002  # it needs none
        """Hear each line until the input ends: one after the other, so that "1" can follow the card it answers."""
        heard: asyncio.Queue[str | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(heard))  # the prompt stays while a remark is being answered
                while (line := await heard.get()) is not None:
                    await hear(self.said(line))
        finally:
            self.close()

    def said(self, line: str) -> Said:
        """What a typed line says: the number of a button, or words and the files they name."""
        word = line.strip()
        if word.isdecimal() and (choice := self._choices.get(int(word[:9]))):
            message, action = choice
            return Said(identity=self.identity, address=self.address, pressed=action, message=message)
        text, files = parted(word, self._here)
        return Said(identity=self.identity, address=self.address, text=text, attachments=files)

    async def _listen(self, heard: asyncio.Queue[str | None]) -> None:
        async for line in self._screen.lines():
            await heard.put(line)
        await heard.put(None)

    # --- mouth

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:  # noqa: ARG002  # one address
        """Courier.show. A running job's card stays at the foot of the screen until it is final; others are printed."""
        message = over if over is not None and over in self._cards else self._fresh()
        before, self._cards[message] = self._cards.get(message), card
        was_live = message in self._live
        if not card.final and (was_live or card.tone is Tone.BUSY):
            self._live[message] = None
            await self._redraw(message)
            return message
        if was_live:
            del self._live[message]
            await self._redraw(message)
        if was_live or before is None or _says_more(card, before):
            await self._screen.post(message, card, self._numbered(message, card))
        return message

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        """Courier.send_file: the file is on this machine already, so its path is enough."""
        await self.show(to, Card(title="", lines=(caption, str(file)), final=True), None)
        return True

    # --- for a play that types by itself

    async def echo(self, text: str, *files: Path) -> None:
        """Print what a person would have typed."""
        self._screen.note(f"{ECHO}{' '.join([text, *map(str, files)])}", "bold")
        await asyncio.sleep(0)

    def narrate(self, text: str) -> None:
        """Print what is nobody's message."""
        self._screen.note(text, "italic")

    def first_action(self) -> str | None:
        """What the first button of the newest card with buttons does."""
        return next((card.buttons[0].action for card in reversed(self._cards.values()) if card.buttons), None)

    def close(self) -> None:
        """Leave the screen as it was found."""
        self._screen.close()

    async def _redraw(self, changed: MessageId) -> None:
        cards = {message: self._cards[message] for message in self._live}
        live = {message: (card, self._numbered(message, card)) for message, card in cards.items()}
        await self._screen.live(live, changed)

    def _fresh(self) -> MessageId:
        self._messages += 1
        while len(self._cards) >= REMEMBERED:
            old, _ = self._cards.popitem(last=False)
            self._live.pop(old, None)
            self._choices = {number: choice for number, choice in self._choices.items() if choice[0] != old}
        return MessageId(f"{self._session}-{self._messages}")

    def _numbered(self, message: MessageId, card: Card) -> paint.Numbers:
        """Give each new button of `message` the next number; a number once shown never means another button."""
        known: dict[str, int] = {action: number for number, (at, action) in self._choices.items() if at == message}
        for button in card.buttons:
            if button.action not in known:
                self._numbers += 1
                known[button.action] = self._numbers
                self._choices[self._numbers] = (message, button.action)
        return known


def _says_more(card: Card, before: Card) -> bool:
    """Tell whether an edit is worth printing again. Buttons that went away are not."""
    new = set(card.buttons) - set(before.buttons)
    return bool(new) or replace(card, buttons=(), tone=before.tone, final=before.final) != replace(before, buttons=())
