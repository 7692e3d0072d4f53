"""Three kinds of screen: a prompt with the live card above it, a live card alone, and plain lines for a pipe."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from rich import live
from rich.console import Console, Group, RenderableType

from bot.platforms.terminal import paint
from bot.platforms.terminal.lines import lines_of
from notifier.card import Card
from notifier.ports import MessageId, Unreachable
from pipeline.domain.text import clean

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

ECHO: Final = "> "  # before what is typed

Live = Mapping[MessageId, tuple[Card, paint.Numbers]]  # by message


class Screen(Protocol):
    """Where cards appear. Numbers are those of the card's buttons."""

    async def post(self, message: MessageId, card: Card, numbers: paint.Numbers, /) -> None:
        """Print `card` for good."""

    async def live(self, cards: Live, changed: MessageId, /) -> None:
        """Keep `cards` (the newest last) in sight, redrawn in place; `changed` is the one that did."""

    def note(self, line: str, style: str = "", /) -> None:
        """Print one line of nobody's message, while nobody types."""

    def lines(self) -> AsyncIterator[str]:
        """What is typed, until the end of the input."""

    def close(self) -> None: ...


class Pipe:
    """No terminal: each change is a block of plain lines, at most one every `rest` seconds and message."""

    def __init__(self, stdin: TextIO, stdout: TextIO, rest: float) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._rest = rest
        self._printed: dict[MessageId, float] = {}  # message -> loop time

    async def post(self, message: MessageId, card: Card, numbers: paint.Numbers) -> None:
        now = asyncio.get_running_loop().time()
        self._printed = {one: at for one, at in self._printed.items() if at + self._rest > now}
        due = self._printed.get(message, now - self._rest) + self._rest
        self._printed[message] = max(now, due)
        await asyncio.sleep(max(0.0, due - now))
        self._write(f"{paint.block(card, numbers)}\n\n")

    async def live(self, cards: Live, changed: MessageId) -> None:
        if changed in cards:
            await self.post(changed, *cards[changed])

    def note(self, line: str, _style: str = "") -> None:
        self._write(f"{clean(line, paint.MOST)}\n")

    def lines(self) -> AsyncIterator[str]:
        return lines_of(self._stdin.fileno())

    def close(self) -> None:
        """Every block was flushed as it was written."""

    def _write(self, text: str) -> None:
        encoding = self._stdout.encoding or "utf-8"
        try:
            self._stdout.write(
                text.encode(encoding, "replace").decode(encoding)
            )  # a C locale must not end a job's news
            self._stdout.flush()
        except OSError as gone:  # nobody holds the other end
            raise Unreachable from gone


class Display:
    """A terminal nobody types into: the live cards stay at its foot."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin = stdin
        whole = Console(file=stdout, highlight=False, markup=False)
        self._console = Console(file=stdout, highlight=False, markup=False, width=_width(whole))
        self._live: live.Live | None = None

    async def post(self, _message: MessageId, card: Card, numbers: paint.Numbers) -> None:
        self._console.print(paint.panel(card, numbers), width=_width(self._console))

    async def live(self, cards: Live, _changed: MessageId) -> None:
        if not cards:
            self.close()
            return
        if self._live is None:
            self._live = live.Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_stack(cards, self._console), refresh=True)

    def note(self, line: str, style: str = "") -> None:
        self._console.print(paint.plain(line, style))

    def lines(self) -> AsyncIterator[str]:
        return lines_of(self._stdin.fileno())

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class Prompt:
    """A terminal somebody types into: the live cards are part of the prompt, so a half-typed line survives them."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._console = Console(file=stdout, highlight=False, markup=False)
        self._foot = ""
        self._session: PromptSession[str] | None = None

    async def post(self, _message: MessageId, card: Card, numbers: paint.Numbers) -> None:
        await self._above(paint.panel(card, numbers))

    async def live(self, cards: Live, _changed: MessageId) -> None:
        self._foot = self._painted(_stack(cards, self._console)) if cards else ""
        if self._session is not None:
            self._session.app.invalidate()

    def note(self, line: str, style: str = "") -> None:
        self._console.print(paint.plain(line, style))

    async def lines(self) -> AsyncIterator[str]:
        self._session = session = self._open()
        while True:
            try:
                line = await session.prompt_async()
            except (EOFError, KeyboardInterrupt):
                return
            if line.strip():
                self.note(f"{ECHO}{line}", "bold")
                yield line

    def close(self) -> None:
        """The prompt erases itself when its task ends."""

    def _open(self) -> PromptSession[str]:
        from prompt_toolkit import ANSI, PromptSession  # noqa: PLC0415  # 0.15 s that only a real terminal pays for
        from prompt_toolkit.input import create_input  # noqa: PLC0415  # as above
        from prompt_toolkit.output import create_output  # noqa: PLC0415  # as above

        return PromptSession(
            lambda: ANSI(f"{self._foot}{ECHO}"),
            erase_when_done=True,
            input=create_input(self._stdin),
            output=create_output(self._stdout),
        )

    async def _above(self, part: RenderableType) -> None:
        from prompt_toolkit.application import in_terminal  # noqa: PLC0415  # as above

        async with in_terminal():
            self._console.print(part, width=_width(self._console))

    def _painted(self, part: RenderableType) -> str:
        """`part` as text with colour codes: what a prompt can hold."""
        paper = Console(
            file=io.StringIO(), force_terminal=True, color_system="standard" if self._console.color_system else None,
            width=_width(self._console), highlight=False, markup=False, legacy_windows=False,
        )  # fmt: skip
        with paper.capture() as captured:
            paper.print(part)
        return captured.get()


def screen_of(stdin: TextIO, stdout: TextIO, rest: float) -> Screen:
    """The best screen these two can be."""
    if not stdout.isatty():
        return Pipe(stdin, stdout, rest)
    return Prompt(stdin, stdout) if stdin.isatty() else Display(stdin, stdout)


def _stack(cards: Live, console: Console) -> RenderableType:
    """The newest card whole, the others as a line each: a prompt taller than its window cannot be drawn."""
    *others, newest = cards.values()
    rows = [paint.summary(card) for card, _ in others][-max(0, console.height // 4) :]
    return Group(*rows, paint.panel(*newest))


def _width(console: Console) -> int:
    return min(console.width, paint.WIDEST)
