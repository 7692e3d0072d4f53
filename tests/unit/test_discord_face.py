"""Cards as Discord shows them: nothing a person typed acts, and no limit is ever reached."""

import re
from pathlib import Path

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.platforms.discord.face import DESCRIPTION, FIELDS, NAME, PICTURE, TITLE, TOTAL, VALUE, face
from bot.platforms.discord.ink import ink, units
from notifier.card import Button, Card, Tone
from pipeline.trainers.bases import BASES

HOSTILE = (
    "@everyone", "@here", "<@7>", "<@&7>", "<#7>", "</train:7>", "<t:1700000000>", "<:smile:7>", "**bold**",
    "__under__", "~~gone~~", "||spoiler||", "`code`", "```block```", "# head", "> quote", "- list", "-# small",
    "[click](https://evil.example)", "https://evil.example/x.jpg: too small", "<https://evil.example>", "\\*",
)  # fmt: skip

words = st.text(max_size=400) | st.sampled_from(HOSTILE) | st.text("*_`<@>[]()#\\\U0001f600é", max_size=7000)
buttons = st.builds(Button, label=st.text(max_size=120), action=st.text("abc:0123_-", min_size=1, max_size=64))
cards = st.builds(
    Card,
    title=words,
    lines=st.lists(words, max_size=6).map(tuple),
    bar=st.none() | st.floats(-1, 2),
    bar_label=words,
    fields=st.lists(st.tuples(words, words), max_size=30).map(tuple),
    buttons=st.lists(buttons, max_size=30, unique_by=lambda one: one.action).map(tuple),
    tone=st.sampled_from(Tone),
)


def bare(shown: str) -> str:
    """`shown` as a reader sees it: escapes read, code spans taken for what they are."""
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", re.sub(r"`(<lora:[^`]*>)`", r"\1", shown))


@settings(max_examples=150, deadline=None)
@given(cards)
def test_no_card_is_too_long_for_discord(card: Card) -> None:
    shown = face(card)
    embed = shown.embed
    assert units(embed.title or "") <= TITLE
    assert units(embed.description or "") <= DESCRIPTION
    assert len(embed.fields) <= FIELDS
    whole = units(embed.title or "") + units(embed.description or "")
    for field in embed.fields:
        assert 1 <= units(field.name or "") <= NAME
        assert 1 <= units(field.value or "") <= VALUE
        whole += units(field.name or "") + units(field.value or "")
    assert 1 <= whole <= TOTAL
    for button in shown.buttons:
        assert len(button.action) <= 100


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.integers(1, 400))
def test_what_is_cut_is_cut_between_letters_and_says_so(said: str, most: int) -> None:
    shown = ink(said, most)
    assert units(shown) <= most
    if units(ink(said, 10_000)) <= most:
        assert bare(shown) == bare(ink(said, 10_000))
    else:
        assert shown.endswith("…")
        assert not re.search(r"(?<!\\)(\\\\)*\\…$", shown)  # no backslash is left to swallow what follows


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_give_harmless_names_entities(hostile: str) -> None:
    shown = ink(f"• {hostile}", 1000)
    assert bare(shown) == f"• {hostile}"
    unescaped = re.sub(r"\\[^0-9A-Za-z\s]", "", shown)  # what Discord still reads as marks
    assert not re.search(r"[*_~`|\[\]<>#@]|://", unescaped)


@pytest.mark.parametrize("hostile", ["# head", "- list", "> quote", "+ list", "  - deeper", "-# small"])
def test_no_line_of_a_person_becomes_a_heading_or_a_list(hostile: str) -> None:
    assert re.match(r"\s*\\", ink(hostile, 100))


def test_a_tag_to_copy_is_a_code_span_with_no_mark_of_ours_inside() -> None:
    assert ink("In a prompt: <lora:my_cat-2:0.8> and my_cat", 200) == r"In a prompt: `<lora:my_cat-2:0.8>` and my\_cat"
    assert "`<lora:a`b" not in ink("<lora:a`b:1>", 200)


def test_somebody_elses_words_are_a_code_span_that_they_cannot_end() -> None:
    said = ink("The picture \u2068**a**`@everyone.jpg\u2069 is small", 200)
    assert said == "The picture `**a**\u02cb@everyone.jpg` is small"
    assert ink("\u2068\u2069x\u202e\u2069", 200) == "x"


def test_a_link_of_ours_stands_alone_on_its_line_and_stays_one() -> None:
    url = "https://huggingface.co/ann/my_cat-2"
    assert ink(f"Ready.\n\n{url}", 200).endswith(f"\n{url}")


def test_a_programs_words_are_a_block_that_they_cannot_end_and_their_end_is_what_fits() -> None:
    said = face(Card(title="log", code="\n".join(f"```step {n} **b**" for n in range(1000)))).embed.description or ""
    assert said.startswith("```\n")
    assert said.endswith("step 999 **b**\n```")
    assert said.count("```") == 2
    assert len(said) <= DESCRIPTION


def test_the_bar_is_never_cut_away() -> None:
    shown = face(Card(title="t", lines=("x" * 9000,), bar=0.5, bar_label="12/30 steps"))
    assert (shown.embed.description or "").endswith("▰▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱ 12/30 steps")


def test_buttons_carry_verb_and_id_and_links_open_pages() -> None:
    shown = face(
        Card(title="t", buttons=(Button("Start", "start:ab"), Button("Page", "page:", link="https://x.example/#t")))
    )
    view = shown.sent()["view"]
    first, second = view.to_components()[0]["components"]
    assert (first["custom_id"], first["label"], first["style"]) == ("start:ab", "Start", 3)
    assert (second["url"], second["style"]) == ("https://x.example/#t", 5)


def test_a_card_without_buttons_takes_those_that_were_there_away() -> None:
    assert face(Card(title="t")).edited()["view"] is None


def test_a_picture_that_is_gone_or_too_large_is_left_out(tmp_path: Path) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    small.write_bytes(b"png")
    with large.open("wb") as file:
        file.truncate(20 * 10**6)
    assert face(Card(title="t"), small).embed.image.url == f"attachment://{PICTURE}"
    assert face(Card(title="t"), large).picture is None
    assert face(Card(title="t"), tmp_path / "gone.png").picture is None


def test_an_unchanged_picture_is_not_sent_again(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    shown = face(Card(title="t"), picture)
    assert "attachments" not in shown.edited(keep_picture=True)
    assert isinstance(shown.edited()["attachments"][0], discord.File)


def test_the_longest_button_of_ours_fits_a_custom_id() -> None:
    assert max(len(f"start:{'f' * 64}"), *(len(f"base:{name}") for name in BASES)) <= 100
