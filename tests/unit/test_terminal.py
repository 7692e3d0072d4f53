"""The terminal: what a typed line says, and what a card looks like to eyes and to pipes."""

import asyncio
import io
import os
import pty
import re
import termios
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from dataclasses import field as field_of
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bot.platforms.terminal import Terminal, paint
from bot.platforms.terminal.lines import lines_of, parted
from bot.ports import Ear, Said
from notifier.card import Button, Card, Tone
from notifier.ports import Courier, MessageId, Unreachable
from tests.support.virtual import run

QUOTE = Card(
    title="Train ohwx on 12 pictures?",
    lines=("12 pictures are ready.",),
    fields=(("Ceiling", "8,400 points ($0.84)"),),
    buttons=(Button("Start", "start:1"), Button("Change", "change:1"), Button("Cancel", "decline:1")),
)
DONE = Card(title="ohwx is ready", lines=("<lora:ohwx:0.8>", "https://hub.example/ohwx"), tone=Tone.GOOD, final=True)
HOSTILE = "\x1b[2Ja\x1b]52;c;ZXZpbA==\x07b\x1b]8;;http://x\x1b\\c[/x][bold]d\u202ee\x9bf"


def running(step: int) -> Card:
    return Card(
        title="Training ohwx",
        bar=step / 30,
        bar_label=f"{step}/30 steps",
        buttons=(Button("Stop and keep", "stop:k3v9"),),
        tone=Tone.BUSY,
    )


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Pipes:
    """A terminal whose input and output are no terminal."""

    typed: str = ""
    out: io.StringIO = field_of(default_factory=io.StringIO)
    here: Path = Path()

    def __post_init__(self) -> None:
        read, write = os.pipe()
        os.write(write, self.typed.encode())
        os.close(write)
        self.terminal = Terminal(stdin=os.fdopen(read), stdout=self.out, here=self.here)
        self.heard: list[Said] = []

    def play(self, answer: Callable[[Said], Awaitable[Any]] | None = None) -> list[Said]:
        """Hear what was typed to its end."""

        async def hear(said: Said) -> None:
            self.heard.append(said)
            if answer is not None:
                await answer(said)

        run(self.terminal.run(hear))
        return self.heard

    def show(self, *cards: Card) -> str:
        """Show `cards` in one message; what was printed."""

        async def shown() -> None:
            over = None
            for card in cards:
                over = await self.terminal.show(self.terminal.address, card, over)

        run(shown())
        return self.out.getvalue()


def test_a_terminal_is_an_ear_and_a_courier() -> None:
    terminal = Pipes().terminal
    ear: Ear = terminal
    courier: Courier = terminal
    assert ear.name == courier.name == "terminal"


def test_each_line_is_a_remark_of_the_one_person_until_the_input_ends() -> None:
    one, two = Pipes("/help\r\ncafé").play()
    assert (one.text, two.text) == ("/help", "café")
    assert one.identity == "terminal:me"
    assert one.address.platform == "terminal"
    assert one.private


def test_a_number_presses_the_button_it_stands_before_even_when_it_is_typed_ahead() -> None:
    pipes = Pipes("/train ohwx\n1\n9\n")

    async def quote(said: Said) -> None:
        if said.text:
            await pipes.terminal.show(said.address, QUOTE, None)

    train, press, nothing = pipes.play(quote)
    assert "1 Start  2 Change  3 Cancel" in pipes.out.getvalue()
    assert (press.pressed, press.text) == ("start:1", "")
    assert press.message is not None
    assert train.pressed is nothing.pressed is None
    assert nothing.text == "9"


def test_a_number_once_shown_never_means_another_button() -> None:
    pipes = Pipes()
    told = pipes.show(QUOTE, QUOTE) + pipes.show(running(1), running(2)) + pipes.show(QUOTE)
    assert "4 Stop and keep" in told
    assert "5 Start  6 Change  7 Cancel" in told
    assert pipes.terminal.said("1").pressed == "start:1"
    assert pipes.terminal.said("4").pressed == "stop:k3v9"
    assert pipes.terminal.said("1").message != pipes.terminal.said("5").message


def test_a_message_of_an_older_process_is_sent_anew() -> None:
    pipes = Pipes()
    old = MessageId("00000000-1")
    assert run(pipes.terminal.show(pipes.terminal.address, QUOTE, old)) != old
    assert "Train ohwx" in pipes.out.getvalue()


def test_a_pipe_gets_one_block_a_second_and_message_and_each_says_n_of_total() -> None:
    pipes = Pipes()

    async def shown() -> float:
        loop = asyncio.get_running_loop()
        began, over = loop.time(), None
        for step in range(1, 4):
            over = await pipes.terminal.show(pipes.terminal.address, running(step), over)
        await pipes.terminal.show(pipes.terminal.address, DONE, over)
        return loop.time() - began

    assert run(shown()) == pytest.approx(3.0)
    told = pipes.out.getvalue()
    assert [f"{step}/30 steps" in told for step in range(5)] == [False, True, True, True, False]
    assert told.endswith("ohwx is ready\n<lora:ohwx:0.8>\nhttps://hub.example/ohwx\n\n")


def test_a_card_that_only_lost_its_buttons_is_not_printed_again() -> None:
    answered = Card(title=QUOTE.title, lines=QUOTE.lines, fields=QUOTE.fields, final=True)
    assert Pipes().show(QUOTE, answered).count("Train ohwx") == 1


def test_escape_codes_and_markup_print_as_plain_letters() -> None:
    card = Card(title=HOSTILE, lines=(HOSTILE,), fields=((HOSTILE, HOSTILE),), buttons=(Button(HOSTILE, "x:1"),))
    block = Pipes().show(card)
    paper = Console(file=io.StringIO(), force_terminal=True, width=100)
    with paper.capture() as captured:
        paper.print(paint.panel(card, {"x:1": 1}))
    colours = re.compile(r"\x1b\[[0-9;]*m")
    for told in (block, colours.sub("", captured.get())):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", told)
        assert "[/x][bold]d" in told


def test_a_reader_that_left_makes_the_person_unreachable() -> None:
    read, write = os.pipe()
    os.close(read)
    terminal = Terminal(stdin=io.StringIO(), stdout=os.fdopen(write, "w"))
    with pytest.raises(Unreachable):
        run(terminal.show(terminal.address, QUOTE, None))


def test_a_terminal_that_knows_no_unicode_gets_question_marks() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    terminal = Terminal(stdin=io.StringIO(), stdout=out)
    run(terminal.show(terminal.address, Card(title="640 × 480"), None))
    out.seek(0)
    assert out.read() == "640 ? 480\n\n"


def test_a_file_is_sent_by_its_path() -> None:
    pipes = Pipes()
    run(pipes.terminal.send_file(pipes.terminal.address, Path("spool/ohwx.safetensors"), "Your model"))
    assert pipes.out.getvalue() == "Your model\nspool/ohwx.safetensors\n\n"


def test_a_play_can_type_by_itself_and_press_the_first_button() -> None:
    pipes = Pipes()
    run(pipes.terminal.echo("/train ohwx", Path("pictures.zip")))
    pipes.terminal.narrate("No GPU is rented.")
    assert pipes.out.getvalue() == "> /train ohwx pictures.zip\nNo GPU is rented.\n"
    assert pipes.terminal.first_action() is None
    pipes.show(QUOTE)
    assert pipes.terminal.first_action() == "start:1"


@pytest.mark.parametrize(
    ("line", "text", "files"),
    [
        ("/train ohwx steps=30 pics.zip", "/train ohwx steps=30", ["pics.zip"]),
        ("/train ohwx 'my cat.jpg'", "/train ohwx", ["my cat.jpg"]),
        ("/train ohwx my\\ cat.jpg folder", "/train ohwx", ["my cat.jpg", "folder"]),
        ("folder", "", ["folder"]),
        ("pics.zip my cat", "my cat", ["pics.zip"]),
        ("/train folder", "/train folder", []),
        ("/train folder folder", "/train folder", ["folder"]),
        ("/train ./folder", "/train", ["folder"]),
        ("/train ohwx missing.zip", "/train ohwx", ["missing.zip"]),
        ("/train ohwx name=folder", "/train ohwx name=folder", []),
        ("it's either and/or", "it's either and/or", []),
        ("https://example.com/a.zip", "https://example.com/a.zip", []),
        ("/models", "/models", []),
        ("nul\0byte", "nul\0byte", []),
        ("", "", []),
    ],
)
def test_a_word_that_names_a_file_is_an_attachment(line: str, text: str, files: list[str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("pics.zip", "my cat.jpg"):
        (tmp_path / name).touch()
    assert parted(line, tmp_path) == (text, tuple(tmp_path / name for name in files))


def test_an_absolute_path_is_an_attachment_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "pics.zip"
    assert parted(str(file), Path()) == ("", (file,))
    assert parted(f"/train {file} ohwx", Path()) == ("/train ohwx", (file,))


def test_lines_are_whole_whatever_the_chunks() -> None:
    async def read() -> list[str]:
        source, sink = os.pipe()
        lines = lines_of(source)
        os.write(sink, "one\ncaf\u00e9".encode()[:-1])
        found = [await anext(lines)]
        os.write(sink, "\u00e9\r\nlast".encode()[1:])
        os.close(sink)
        return [*found, *[line async for line in lines]]

    assert asyncio.run(read()) == ["one", "café", "last"]


def test_a_cancelled_terminal_ends_at_once_though_nobody_presses_enter() -> None:
    source, sink = os.pipe()
    terminal = Terminal(stdin=os.fdopen(source), stdout=io.StringIO())

    async def hear(said: Said) -> None: ...

    async def cancelled() -> None:
        async with asyncio.timeout(0.05):
            await terminal.run(hear)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    os.close(sink)


def test_a_live_card_is_redrawn_in_place_and_stays_when_it_is_final() -> None:
    out = Tty()
    terminal = Terminal(stdin=io.StringIO(), stdout=out)

    async def shown() -> None:
        over = await terminal.show(terminal.address, running(1), None)
        await terminal.show(terminal.address, running(2), over)
        await terminal.show(terminal.address, Card(title="", lines=("in between",), final=True), None)
        await terminal.show(terminal.address, DONE, over)

    run(shown())
    told = out.getvalue()
    assert told.index("1/30") < told.index("2/30") < told.index("ohwx is ready")
    assert "\x1b[1A\x1b[2K" in told  # up, and the line erased: in place
    after = told[told.rindex("ohwx is ready") :]
    assert "30 steps" not in after
    assert "\x1b[?25h" in told  # the cursor is back


@asynccontextmanager
async def typist(heard: list[Said], screen: bytearray) -> AsyncIterator[tuple[Terminal, Callable[[str], None]]]:
    """A terminal at a real pty, its ear running; and a hand that types."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 100))
    stdin, stdout = os.fdopen(slave, "r"), os.fdopen(os.dup(slave), "w")
    terminal = Terminal(stdin=stdin, stdout=stdout)

    def read() -> None:
        try:
            while chunk := os.read(master, 4096):
                screen.extend(chunk)
                if b"\x1b[6n" in chunk:
                    os.write(master, b"\x1b[1;1R")  # where the cursor is, as a terminal answers
        except OSError:
            return

    threading.Thread(target=read, daemon=True).start()

    async def hear(said: Said) -> None:
        heard.append(said)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(terminal.run(hear))
            yield terminal, lambda text: void(os.write(master, text.encode()))
    finally:
        stdin.close()
        stdout.close()
        os.close(master)


def void(_: object) -> None: ...


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # a pty has no event to wait for
            await asyncio.sleep(0.01)


def test_a_half_typed_line_survives_the_card_being_redrawn_above_it() -> None:
    heard: list[Said] = []
    screen = bytearray()

    async def scene() -> None:
        async with typist(heard, screen) as (terminal, types):
            await until(lambda: b">" in screen)
            types("/sta")
            await until(lambda: b"/sta" in screen)
            over = await terminal.show(terminal.address, running(1), None)
            await until(lambda: b"1/30 steps" in screen)
            drawn = len(screen)
            await terminal.show(terminal.address, running(22), over)
            await until(lambda: len(screen) > drawn)
            await terminal.show(terminal.address, Card(title="", lines=("in between",), final=True), None)
            types("tus\r")
            await until(lambda: bool(heard))
            types("1\r")
            await until(lambda: len(heard) > 1)
            types("\x04")

    asyncio.run(scene())
    assert heard[0].text == "/status"
    assert heard[1].pressed == "stop:k3v9"
    assert b"in between" in screen
    assert b"22/30 steps" in screen[screen.index(b"in between") :]
