"""The fake Telegram reads what is sent as the real one does: markup, lengths, edits, keyboards, presses."""

from typing import Any

import pytest
from aiogram import Bot
from aiogram.types import (
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    WebAppInfo,
)

from tests.support.telegram import TelegramServer
from tests.support.telegram.answers import Refusal
from tests.support.telegram.client import keys, picture, play, refused
from tests.support.telegram.markup import read, units

# --- words


def test_a_message_is_sent_edited_and_seen_as_a_person_sees_it() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        sent = await bot.send_message(7, "<b>Ready</b>: &lt;lora:x&gt;", reply_markup=keys(("Start", "start:1")))
        await bot.edit_message_text("<code>12/30</code> steps", chat_id=7, message_id=sent.message_id)
        (seen,) = ann.heard
        assert (seen.text, seen.marks, seen.labels) == ("12/30 steps", (("code", "12/30"),), [])
        assert seen.past == ["Ready: <lora:x>"]

    play(scenario)


def test_an_edit_without_a_keyboard_takes_it_away_and_the_same_again_is_not_modified() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        sent = await bot.send_message(7, "a", reply_markup=keys(("Go", "go")))
        why = await refused(
            bot.edit_message_text("a", chat_id=7, message_id=sent.message_id, reply_markup=keys(("Go", "go")))
        )
        assert "message is not modified" in why
        await bot.edit_message_text("a", chat_id=7, message_id=sent.message_id)
        assert ann.heard[0].labels == []
        assert "not modified" in await refused(bot.edit_message_reply_markup(chat_id=7, message_id=sent.message_id))

    play(scenario)


def test_what_cannot_be_edited_says_why() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        hers = await ann.says("hello")
        text = await bot.send_message(7, "a")
        shown = await bot.send_photo(7, BufferedInputFile(picture(), "a.jpg"), caption="c")
        where: dict[str, Any] = {"chat_id": 7, "message_id": shown.message_id}
        assert "no text in the message" in await refused(bot.edit_message_text("b", **where))
        assert "no caption" in await refused(
            bot.edit_message_caption(chat_id=7, message_id=text.message_id, caption="b")
        )
        assert "can't be edited" in await refused(bot.edit_message_text("b", chat_id=7, message_id=hers.id))
        await ann.deletes(ann.heard[0])
        assert "to edit not found" in await refused(bot.edit_message_text("b", chat_id=7, message_id=text.message_id))
        assert "to delete not found" in await refused(bot.delete_message(7, text.message_id))

    play(scenario)


def test_text_becomes_a_picture_with_a_caption_and_never_text_again() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        sent = await bot.send_message(7, "a")
        where: dict[str, Any] = {"chat_id": 7, "message_id": sent.message_id}
        await bot.edit_message_media(
            InputMediaPhoto(media=BufferedInputFile(picture(), "a.jpg"), caption="<i>b</i>"), **where
        )
        assert (ann.heard[0].text, ann.heard[0].picture, ann.heard[0].marks) == ("b", True, (("italic", "b"),))
        assert "no text" in await refused(bot.edit_message_text("c", **where))
        await bot.edit_message_caption(caption="c", **where)
        assert (ann.heard[0].text, ann.heard[0].picture, ann.heard[0].edits) == ("c", True, 2)

    play(scenario)


def test_lengths_count_after_parsing_in_utf16_units() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        server.person(7)
        sent = await bot.send_message(7, f"<b>{'x' * 4096}</b>")
        assert "too long" in await refused(bot.send_message(7, "🏟" * 2049))
        why = await refused(bot.edit_message_text("x" * 4097, chat_id=7, message_id=sent.message_id))
        assert "MESSAGE_TOO_LONG" in why
        photo = BufferedInputFile(picture(), "a.jpg")
        await bot.send_photo(7, photo, caption="&amp;" * 1024)
        assert "caption is too long" in await refused(bot.send_photo(7, photo, caption="x" * 1025))
        assert "text is empty" in await refused(bot.send_message(7, " <b> </b> "))

    play(scenario)


@pytest.mark.parametrize(
    ("markup", "complaint"),
    [
        ("é<lora:x:1>", 'Unsupported start tag "lora:x:1" at byte offset 2'),
        ("a < b > c", 'Unsupported start tag "" at byte offset 2'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("a <b", "Unclosed start tag at byte offset 2"),
        ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("a</b>", "Unexpected end tag at byte offset 1"),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ("<a =x>a</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ('<a href="x>a</a>', "Unclosed start tag at byte offset 0"),
        ("<a href=x,y>a</a>", "Unexpected end of name token at byte offset 8"),
    ],
)  # fmt: skip
def test_markup_that_cannot_be_read_is_refused_with_the_place(markup: str, complaint: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(markup, "HTML")
    assert caught.value.description == f"Bad Request: can't parse entities: {complaint}"


def test_entities_are_counted_in_utf16_units_around_what_is_left() -> None:
    text, marks = read("  🏟 <b>é<i>x</i></b> <a href='https://a.example/'>on</a> &copy;&#65; ", "HTML")
    assert text == "🏟 éx on &copy;A"
    assert [(one.type, one.of(text)) for one in marks] == [("bold", "éx"), ("italic", "x"), ("text_link", "on")]
    assert units(text) == 16


def test_names_commands_and_links_come_alive_in_plain_text_and_not_in_code() -> None:
    hostile = "@durov /start t.me/x #tag https://a.example/b a@b.example"
    _, alive = read(hostile, "")
    assert [one.type for one in alive] == ["mention", "bot_command", "url", "hashtag", "url", "email"]
    _, marks = read(f"<code>{hostile}</code>", "HTML")
    assert [one.type for one in marks] == ["code"]


def test_code_with_a_language_is_one_entity_and_nothing_else_stands_in_it() -> None:
    _, marks = read('<pre><code class="language-py">a</code></pre> <code><b>x</b></code>', "HTML")
    assert [(one.type, one.language) for one in marks] == [("pre", "py"), ("code", "")]


def test_a_link_makes_a_preview_unless_that_is_off() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        await bot.send_message(7, "https://a.example/b")
        await bot.send_message(7, "https://a.example/b", link_preview_options=LinkPreviewOptions(is_disabled=True))
        assert [one.preview for one in ann.heard] == [True, False]

    play(scenario)


def test_buttons_hold_64_bytes_one_action_each_and_open_what_may_be_opened() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        server.person(7)
        server.group(-5)
        await bot.send_message(7, "a", reply_markup=keys(("Go", "x" * 64)))
        assert "BUTTON_DATA_INVALID" in await refused(bot.send_message(7, "a", reply_markup=keys(("Go", "é" * 33))))
        nothing = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Go")]])
        assert "Text buttons are unallowed" in await refused(bot.send_message(7, "a", reply_markup=nothing))

        def app(url: str) -> InlineKeyboardMarkup:
            return InlineKeyboardMarkup(
                inline_keyboard=[[InlineKeyboardButton(text="Up", web_app=WebAppInfo(url=url))]]
            )

        await bot.send_message(7, "a", reply_markup=app("https://a.example/up"))
        assert "Only HTTPS" in await refused(bot.send_message(7, "a", reply_markup=app("http://a.example/up")))
        assert "BUTTON_TYPE_INVALID" in await refused(bot.send_message(-5, "a", reply_markup=app("https://a.example/")))
        bad = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Up", url="http://localhost:1/")]])
        assert "Wrong HTTP URL" in await refused(bot.send_message(7, "a", reply_markup=bad))

    play(scenario)


# --- buttons


def test_a_press_turns_until_it_is_answered_once_and_in_time() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        await bot.send_message(7, "Train?", reply_markup=keys(("Start", "start:1"), ("Cancel", "decline:1")))
        press = await ann.presses("start")
        (update,) = await bot.get_updates()
        query = update.callback_query
        assert query
        assert query.data == "start:1"
        assert isinstance(query.message, Message)
        await bot.answer_callback_query(query.id, "Started")
        assert (await ann.answered(press)).answer == "Started"
        assert "query is too old" in await refused(bot.answer_callback_query(query.id))
        late = await ann.presses("start")
        late.until = 0
        assert "query is too old" in await refused(bot.answer_callback_query(late.id))

    play(scenario)
