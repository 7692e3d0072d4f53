"""What is done about updates: in aiogram's own models, with a store in memory and a desk that only listens."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import telegram_post
from tests.support.telegram_post import ANN, EN, ZIP, Links, Numbers, Post, message, photo, presses, says, update

post = telegram_post.post  # fixtures


def test_words_are_heard_from_who_said_them_where_they_did_and_in_their_language(post: Post) -> None:
    post.deliver(says("/train ohwx"))
    (said,) = post.said
    assert (said.identity, said.address.chat, said.address.locale, said.text) == (
        "telegram:7",
        "7",
        "en",
        "/train ohwx",
    )
    assert said.private
    assert said.id.startswith("telegram:7:")


def test_a_zip_is_fetched_heard_under_its_own_name_and_gone_afterwards(post: Post) -> None:
    post.line.files["zip1"] = b"PK"
    post.deliver(says("/train ohwx", document=ZIP))
    assert post.contents == [[("cats.zip", b"PK")]]
    assert list(post.folder.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.zip", "a/b\\c.zip", "\u202egpj.zip", "", "x" * 500 + ".zip", ".zip", "con\0.zip"]
)
def test_a_files_name_is_never_a_way_out_of_its_folder(name: str, post: Post) -> None:
    post.line.files["zip1"] = b"PK"
    post.deliver(says("", document={**ZIP, "file_name": name}))
    ((said, _),) = post.contents[0]
    assert "/" not in said
    assert len(said) <= 90
    assert post.said[0].attachments[0].resolve().is_relative_to(post.folder.resolve())


def test_of_a_photo_the_largest_is_taken(post: Post) -> None:
    post.line.files["p1"] = b"large"
    post.deliver(says("", **photo(1)))
    assert post.contents == [[("up1.jpg", b"large")]]


def test_an_album_is_ten_remarks_and_train_waits_for_all_of_them(post: Post) -> None:
    for n in range(10):
        post.line.files[f"p{n}"] = b"x" * (n + 1)
    post.slow = 1.0
    post.deliver(*(says("", **photo(n, "album")) for n in range(10)), says("/train ohwx"))
    assert [len(one) for one in post.contents] == [1] * 10 + [0]
    assert post.said[-1].text == "/train ohwx"


def test_a_slow_file_holds_up_no_button_and_no_other_command(post: Post) -> None:
    post.line.files["p1"] = b"x"
    post.line.slow["p1"] = 60.0
    post.deliver(says("", **photo(1)), says("/status"), presses("stop:k3v9"), says("/train ohwx"))
    assert [said.text or said.pressed or "photo" for said in post.said] == [
        "/status",
        "stop:k3v9",
        "photo",
        "/train ohwx",
    ]


def test_a_button_is_answered_first_and_then_heard_with_its_message(post: Post) -> None:
    post.deliver(presses("start:abcdef"))
    assert post.line.names == ["answerCallbackQuery"]
    (said,) = post.said
    assert (said.pressed, said.identity) == ("start:abcdef", "telegram:7")
    assert said.message


def test_a_button_too_old_to_answer_is_heard_all_the_same(post: Post) -> None:
    post.line.refuse("answerCallbackQuery", 400, "Bad Request: query is too old and response timeout expired")
    post.deliver(presses("stop:k3v9"))
    assert [said.pressed for said in post.said] == ["stop:k3v9"]


def test_the_same_update_twice_is_heard_once_and_after_a_restart_too(post: Post) -> None:
    one = says("/jobs")
    post.deliver(one, one)
    post.deliver(one)
    assert len(post.said) == 1


def test_an_update_whose_process_died_is_answered_by_the_next_one(post: Post) -> None:
    post.slow = 100.0
    post.deliver(says("/jobs"), seconds=1.0)
    assert post.said == []
    post.slow = 0.0
    post.deliver()
    assert [said.text for said in post.said] == ["/jobs"]
    post.deliver()
    assert len(post.said) == 1


def test_an_update_that_nobody_can_read_holds_up_no_other(post: Post) -> None:
    post.deliver({"update_id": Numbers.next(), "message": {"message_id": "half"}}, says("/jobs"))
    post.deliver()
    assert [said.text for said in post.said] == ["/jobs"]


def test_half_a_letter_in_a_message_holds_up_no_other(post: Post) -> None:
    post.deliver(says("/jobs \ud83d"), says("/help"))
    assert post.said[-1].text == "/help"


def test_more_than_20_mb_is_refused_by_its_size_and_never_asked_for(post: Post) -> None:
    post.deliver(says("/train ohwx", document={**ZIP, "file_size": (20 << 20) + 1}))
    assert post.line.of("getFile") == []
    assert post.said == []
    assert "20 MB" in post.texts[0]


def test_the_way_for_large_files_is_our_page_first_and_it_knows_the_way_back(tmp_path: Path) -> None:
    post = Post(tmp_path, pages=Links())
    post.deliver(says("", document={**ZIP, "file_size": 30 << 20}))
    ((key,),) = post.line.of("sendMessage")[0].reply_markup.inline_keyboard
    assert key.web_app.url == "https://bot.example/upload"
    assert "upload page" in post.texts[0]


def test_a_file_whose_size_nobody_told_is_refused_when_telegram_does(post: Post) -> None:
    post.line.refuse("getFile", 400, "Bad Request: file is too big")
    post.deliver(says("", document={key: value for key, value in ZIP.items() if key != "file_size"}))
    assert "20 MB" in post.texts[0]


def test_a_local_server_takes_what_the_cloud_does_not(tmp_path: Path) -> None:
    home = tmp_path / "files"
    home.mkdir()
    (home / "zip1").write_bytes(b"PK")
    post = Post(tmp_path / "in", local=home)
    post.folder.mkdir()
    post.deliver(says("", document={**ZIP, "file_size": 300 << 20}))
    assert post.contents == [[("cats.zip", b"PK")]]


def test_a_file_that_does_not_come_is_tried_again_and_then_named(post: Post) -> None:
    for _ in range(3):
        post.line.refuse("getFile", 502, "Bad Gateway")
    post.deliver(says("", document=ZIP))
    assert len(post.line.of("getFile")) == 3
    assert post.texts == ["cats.zip did not arrive. Please send it again."]


STICKER = {
    "file_id": "s", "file_unique_id": "s", "type": "regular", "width": 1, "height": 1, "is_animated": False,
    "is_video": False,
}  # fmt: skip
VOICE = {"file_id": "v", "file_unique_id": "v", "duration": 1}
PROGRAM = {"file_id": "d", "file_unique_id": "d", "file_name": "a.exe"}


@pytest.mark.parametrize("content", [{"sticker": STICKER}, {"voice": VOICE}, {"document": PROGRAM}])
def test_what_is_no_picture_gets_a_sentence(content: dict[str, Any], post: Post) -> None:
    post.deliver(says("", **content))
    assert post.texts == [EN.say("telegram-no-picture")]


@pytest.mark.parametrize(
    ("payload", "text"),
    [("train", "/train"), ("balance", "/balance"), ("cancel", "/start"), ("nonsense_x-1", "/start")],
)
def test_a_link_from_outside_opens_a_command_but_never_ends_a_training(payload: str, text: str, post: Post) -> None:
    post.deliver(says(f"/start {payload}"))
    assert [said.text for said in post.said] == [text]


def test_an_edited_caption_is_a_new_order_and_other_edits_are_not(post: Post) -> None:
    post.line.files["zip1"] = b"PK"
    post.deliver(update(message(document=ZIP, caption="/train ohwx steps=30"), "edited_message"))
    post.deliver(update(message(document=ZIP, caption="my cats"), "edited_message"))
    assert [(said.text, len(said.attachments)) for said in post.said] == [("/train ohwx steps=30", 1)]


def test_who_unblocks_us_is_told_what_was_kept(post: Post) -> None:
    def member(status: str) -> dict[str, Any]:
        bot = {"id": 424242, "is_bot": True, "first_name": "Train"}
        until = {"until_date": 0} if status == "kicked" else {}
        chat = {"id": 7, "type": "private", "first_name": "Ann"}
        old, new = {"user": bot, "status": "left"}, {"user": bot, "status": status, **until}
        return update(
            {"chat": chat, "from": dict(ANN), "date": 1, "old_chat_member": old, "new_chat_member": new},
            "my_chat_member",
        )

    post.deliver(member("kicked"))
    assert post.came_back == []
    post.deliver(member("member"))
    assert post.came_back == ["telegram:7"]
