"""Cards as Telegram's HTML, read back by a parser that is as strict as Telegram's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.telegram import pen
from notifier.card import Card, Tone
from notifier.words import Words
from pipeline.domain.dataset import Finding
from tests.support.telegram.markup import Entity, read, units

SAID = Words("en", strict=True, marked=True)
HOSTILE = (
    "@durov", "t.me/x", "https://evil.example/a", "/cancel", "/start@other", "#tag", "<b>x</b>", "</code>", "&lt;b&gt;",
    "a@b.co", "*_`[x](http://y.de)",
    "\u2069@durov\u2068", "tg://resolve?domain=x", "\u202egpj.exe", "<a href='x'>", "$x",
)  # fmt: skip


def seen(card: Card, most: int = pen.TEXT) -> tuple[str, tuple[Entity, ...]]:
    return read(pen.html(card, most), "HTML")


def named(name: str) -> Card:
    """A card with somebody's name wherever one may be."""
    return Card(
        title=SAID.foreign(name),
        lines=(
            SAID.say("chat-draft-picture", ordinal=1, size="1 × 1", name=SAID.foreign(name)),
            SAID.finding(Finding("broken-picture", name)),
        ),
        fields=((SAID.foreign(name), SAID.foreign(name)),),
        bar=0.5,
        bar_label="1/2 steps",
    )  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_give_harmless_names_entities(name: str) -> None:
    _, marks = seen(named(name))
    _, plain = seen(named("harmless"))
    assert [mark.type for mark in marks] == [mark.type for mark in plain]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_name_gives_harmless_names_entities(name: str) -> None:
    _, marks = seen(named(f"x{name}x"))
    _, plain = seen(named("xx"))
    assert [mark.type for mark in marks] == [mark.type for mark in plain]


@given(
    st.lists(st.text(max_size=3000), max_size=6), st.text(max_size=300), st.sampled_from([pen.TEXT, pen.CAPTION]),
    st.lists(st.tuples(st.text(max_size=50), st.text(max_size=500)), max_size=20), st.booleans(),
)  # fmt: skip
def test_whatever_a_card_holds_it_parses_and_fits(
    lines: list[str], title: str, most: int, fields: list[tuple[str, str]], foreign: bool
) -> None:
    said = [SAID.foreign(line, 3000) if foreign else line for line in lines]
    card = Card(title=title, lines=tuple(said), fields=tuple(fields), bar=0.3, bar_label="3/10 steps", tone=Tone.BAD)
    text, _ = read(pen.html(card, most), "HTML")
    assert units(text) <= most


def test_what_is_too_long_is_cut_between_words_and_says_so() -> None:
    text, _ = seen(Card(title="Title", lines=("word " * 2000,)))
    assert text.endswith("word…")
    assert 4000 < units(text) <= 4096


def test_length_is_counted_after_the_markup_and_in_utf_16() -> None:
    whole = Card(title="", lines=("<&>" * 1365,))
    assert units(seen(whole)[0]) == 4095
    smiles = Card(title="", lines=("😀" * 2048,))
    assert seen(smiles)[0] == "😀" * 2048
    cut, _ = seen(Card(title="", lines=("😀" * 2049,)))
    assert cut == "😀" * 2047 + "…"


def test_under_a_picture_the_tag_and_the_link_outlive_the_figures() -> None:
    card = Card(
        title="ohwx is ready",
        lines=(
            "In a prompt: <lora:ohwx:0.8> and the word ohwx",
            "https://hub.example/ann/ohwx",
            "You paid 936 points.",
        ),
        fields=tuple((f"Field {n}", "value " * 10) for n in range(40)),
    )
    text, marks = seen(card, pen.CAPTION)
    assert units(text) <= 900
    assert ("code", "<lora:ohwx:0.8>") in [(mark.type, mark.of(text)) for mark in marks]
    assert ("url", "https://hub.example/ann/ohwx") in [(mark.type, mark.of(text)) for mark in marks]
    assert text.endswith("…")


def test_commands_in_sentences_of_ours_can_be_tapped() -> None:
    text, marks = seen(Card(title="", lines=("/help lists everything.",)))
    assert [(mark.type, mark.of(text)) for mark in marks] == [("bot_command", "/help")]


def test_the_bar_tells_n_of_total() -> None:
    text, _ = seen(Card(title="Training ohwx", bar=0.4, bar_label="12/30 steps"))
    assert "▰▰▰▰▰▱▱▱▱▱▱▱ 12/30 steps" in text


def test_a_programs_words_are_one_block_and_their_end_is_what_fits() -> None:
    code = "\n".join(f"<b>step</b> {n} @ann" for n in range(1000))
    text, marks = read(pen.html(Card(title="log", code=code)), "HTML")
    assert text.startswith("log")
    assert text.endswith("<b>step</b> 999 @ann")
    assert [mark.type for mark in marks] == ["bold", "pre"]
    assert units(text) <= pen.TEXT


def test_an_empty_card_is_still_a_message() -> None:
    assert seen(Card(title=""))[0]
