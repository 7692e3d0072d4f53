"""What is done about a group's updates: who is meant, whose pictures they are, and who may allow it."""

from collections.abc import Mapping
from typing import Any

from bot.platforms.telegram.memory import Memory
from tests.support import telegram_post
from tests.support.telegram_post import ANN, BOB, EN, MASK, TEAM, ZIP, Post, message, photo, presses, says, update
from tests.support.virtual import run

post = telegram_post.post  # fixtures


def test_in_a_group_only_commands_to_us_are_heard(post: Post) -> None:
    post.deliver(
        says("hello all", chat=TEAM), says("/models@OtherBot", chat=TEAM), says("", chat=TEAM, **photo(1)),
        says("/models@trainbot", chat=TEAM),
    )  # fmt: skip
    assert [(said.text, said.private, said.address.chat) for said in post.said] == [("/models@trainbot", False, "-5")]


def test_money_and_drafts_stay_private_with_the_person(post: Post) -> None:
    post.line.files["zip1"] = b"PK"
    post.deliver(says("/balance", chat=TEAM), says("/train ohwx", chat=TEAM, document=ZIP))
    assert [(said.text, said.address.chat, said.private, len(said.attachments)) for said in post.said] == [
        ("/balance", "-5", False, 0), ("/balance", "7", True, 0),
        ("/train ohwx", "-5", False, 0), ("/train ohwx", "7", True, 1),
    ]  # fmt: skip


def test_two_anonymous_admins_share_no_purse(post: Post) -> None:
    for sender in (TEAM, {"id": -9, "type": "channel", "title": "News"}):
        post.deliver(says("/balance", who=MASK, chat=TEAM, sender_chat=dict(sender)))
    assert post.said == []
    assert post.texts == [EN.say("telegram-masked")] * 2


def test_a_group_that_became_a_supergroup_is_known_by_its_new_number(post: Post) -> None:
    group = {"id": -5, "type": "group", "title": "Team"}
    post.deliver(update(message(ANN, group, migrate_to_chat_id=-1005)))
    assert run(Memory(post.store).moved(-5)) == -1005


def album_of(who: Mapping[str, Any], count: int = 4) -> list[dict[str, Any]]:
    return [message(who, TEAM, **photo(n, "alices")) for n in range(count)]


def test_a_reply_to_ones_own_album_takes_all_of_it(post: Post) -> None:
    for n in range(4):
        post.line.files[f"p{n}"] = b"x"
    items = album_of(ANN)
    post.deliver(*map(update, items))
    post.deliver(says("/train ohwx", chat=TEAM, reply_to_message=items[2]))
    assert [(said.address.chat, len(said.attachments)) for said in post.said] == [("-5", 0), ("7", 4)]


def test_a_reply_to_another_s_zip_trains_nothing_unallowed(post: Post) -> None:
    post.line.files["zip1"] = b"PK"
    theirs = message(ANN, TEAM, document=dict(ZIP))
    post.deliver(says("/train ohwx", who=BOB, chat=TEAM, reply_to_message=theirs))
    assert post.said == []
    assert post.line.of("getFile") == []
    ((key,),) = post.line.of("sendMessage")[0].reply_markup.inline_keyboard
    card = message({**MASK, "id": 424242}, TEAM, text="card")
    for who in (BOB, {**ANN, "id": 9}):  # the asker, and a stranger
        post.deliver(presses(key.callback_data, who, card))
        assert post.said == []
    gone = {call.text for call in post.line.of("answerCallbackQuery")}
    post.deliver(presses("allow:0000000000000000", ANN, card))
    assert {call.text for call in post.line.of("answerCallbackQuery")} == gone == {EN.say("chat-button-gone")}
    post.deliver(presses(key.callback_data, ANN, card))
    assert [(said.identity, said.address.chat, said.text) for said in post.said] == [("telegram:8", "8", "/train ohwx")]
    assert post.contents == [[("cats.zip", b"PK")]]
    post.deliver(presses(key.callback_data, ANN, card))
    assert len(post.said) == 1


def test_a_reply_to_another_s_album_asks_for_all_of_it(post: Post) -> None:
    for n in range(4):
        post.line.files[f"p{n}"] = b"x"
    items = album_of(ANN)
    post.deliver(*map(update, items))
    post.deliver(says("/train ohwx", who=BOB, chat=TEAM, reply_to_message=items[0]))
    ((key,),) = post.line.of("sendMessage")[0].reply_markup.inline_keyboard
    post.deliver(presses(key.callback_data, ANN, message({**MASK, "id": 424242}, TEAM, text="card")))
    assert [len(one) for one in post.contents] == [4]


def test_pictures_of_a_channel_or_an_anonymous_admin_are_nobodys_to_allow(post: Post) -> None:
    theirs = message(MASK, TEAM, document=dict(ZIP), sender_chat=dict(TEAM))
    post.deliver(says("/train ohwx", who=BOB, chat=TEAM, reply_to_message=theirs))
    assert post.said == []
    assert post.texts == [EN.say("telegram-masked-pictures")]


def test_the_longest_button_of_ours_fits_in_64_bytes(post: Post) -> None:
    theirs = message(ANN, TEAM, document=dict(ZIP))
    post.deliver(says("/train ohwx", who=BOB, chat=TEAM, reply_to_message=theirs))
    ((key,),) = post.line.of("sendMessage")[0].reply_markup.inline_keyboard
    assert len(key.callback_data.encode()) <= 64
