"""The only door from foreign bytes to a sentence."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.text import clean, line


@given(st.text() | st.binary(), st.integers(0, 500))
def test_whatever_comes_in_plain_letters_come_out(said: str | bytes, most: int) -> None:
    text = clean(said, most)
    assert len(text) <= most
    assert not {unicodedata.category(letter) for letter in text if letter != "\n"} & {"Cc", "Cs"}
    assert not set(text) & set("\u200b\u200e\u202e\u2066\ufeff\xad")
    text.encode()  # no lone surrogate is left


def test_osc_52_osc_8_u_202e_x_in_a_log_print_as_plain_letters() -> None:
    hostile = "\x1b]52;c;aGFjaw==\x07 \x1b]8;;http://evil\x1b\\link\u202egnp.exe [/x] \u2066\u200b\x9b2J"
    text = clean(hostile, 200)
    assert not set(text) & set("\x1b\x07\u202e\u2066\u200b\x9b")
    assert "[/x]" in text


def test_a_line_has_no_newline() -> None:
    assert line("a\n\n b\tc", 10) == "a b c"
