"""What is done about updates: in aiogram's own models, with a store in memory and a desk that only listens."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.platforms.telegram.ear import Attendant
from bot.platforms.telegram.inbox import Inbox
from bot.platforms.telegram.lanes import Lanes
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.pace import Gate, Rhythm
from bot.platforms.telegram.replies import Replies
from bot.platforms.telegram.shelf import Shelf
from bot.platforms.telegram.telegram import Reception
from bot.ports import Grounds, Said
from notifier.words import Words
from pipeline.domain.ids import Identity, JobId
from pipeline.domain.job import Address
from pipeline.ports import Pace
from tests.support.botline import a_wire
from tests.support.store import MemoryStore
from tests.support.virtual import VirtualClock, run

EN = Words("en", strict=True)
ANN: Mapping[str, Any] = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "de-AT"}
BOB: Mapping[str, Any] = {"id": 8, "is_bot": False, "first_name": "Bob", "language_code": "en"}
MASK: Mapping[str, Any] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
TEAM: Mapping[str, Any] = {"id": -5, "type": "supergroup", "title": "Team"}
ZIP: Mapping[str, Any] = {
    "file_id": "zip1", "file_unique_id": "uzip1", "file_size": 3000, "file_name": "cats.zip",
    "mime_type": "application/zip",
}  # fmt: skip


class Links:
    """Port Pages."""

    async def upload_link(self, identity: Identity, address: Address, back: str = "") -> str:
        return f"https://bot.example/upload#{identity}-{address.chat}-{back}"

    async def download_link(self, job: JobId) -> str | None:
        return None


@dataclass
class Post:
    """A bot's ear, and what came out of it."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    pages: Links | None = None
    local: Path | None = None
    slow: float = 0.0  # seconds a remark takes to be answered
    said: list[Said] = field(default_factory=list)
    contents: list[list[tuple[str, bytes]]] = field(default_factory=list)
    came_back: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wire, self.line = a_wire(local=self.local)

    async def hear(self, said: Said) -> None:
        await asyncio.sleep(self.slow)
        self.said.append(said)
        self.contents.append([(file.name, file.read_bytes()) for file in said.attachments])

    def deliver(self, *updates: Mapping[str, Any], seconds: float | None = None) -> None:
        """Take `updates` in, in this order, and let all be answered; or die after `seconds`."""

        async def whole() -> None:
            async with asyncio.TaskGroup() as group:
                desk = self._reception(group)
                await desk.open()
                for update in updates:
                    await desk.take(update)
                if seconds is not None:
                    await asyncio.sleep(seconds)
                    raise asyncio.CancelledError

        try:
            run(whole())
        except asyncio.CancelledError:
            assert seconds is not None

    def _reception(self, group: asyncio.TaskGroup) -> Reception:
        clock = VirtualClock()
        memory, shelf = Memory(self.store), Shelf(self.store, clock, 424242)
        mouth = Mouth(self.wire, Gate(), Rhythm(Pace()), memory, "TrainBot")
        grounds = Grounds(
            store=self.store, folder=self.folder, clock=clock, words=lambda _: EN, pages=self.pages,
            reachable=lambda platform, chat: self.came_back.append(f"{platform}:{chat}"),
        )  # fmt: skip
        attendant = Attendant(
            hear=self.hear,
            grounds=grounds,
            wire=self.wire,
            memory=memory,
            replies=Replies(shelf),
            mouth=mouth,
            me="TrainBot",
        )
        return Reception(Inbox(shelf), Lanes(group), attendant)

    @property
    def texts(self) -> list[str]:
        """What the platform itself answered."""
        return [call.text for call in self.line.of("sendMessage")]


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


class Numbers:
    """Updates and messages get one after the other."""

    last = 0

    @classmethod
    def next(cls) -> int:
        cls.last += 1
        return cls.last


def message(who: Mapping[str, Any] = ANN, chat: Mapping[str, Any] | None = None, **content: Any) -> dict[str, Any]:
    where = chat or {"id": who["id"], "type": "private", "first_name": who["first_name"]}
    return {"message_id": Numbers.next(), "date": 1, "chat": dict(where), "from": dict(who), **content}


def update(what: Mapping[str, Any], kind: str = "message") -> dict[str, Any]:
    return {"update_id": Numbers.next(), kind: dict(what)}


def says(
    text: str = "", who: Mapping[str, Any] = ANN, chat: Mapping[str, Any] | None = None, **content: Any
) -> dict[str, Any]:
    named = {"caption" if {"document", "photo"} & set(content) else "text": text} if text else {}
    return update(message(who, chat, **named, **content))


def photo(number: int, album: str = "", **more: Any) -> dict[str, Any]:
    sizes = [
        {"file_id": f"p{number}", "file_unique_id": f"up{number}", "width": side, "height": side, "file_size": side}
        for side in (90, 800)
    ]
    sizes[0]["file_id"] = "thumb"
    return {"photo": sizes, **({"media_group_id": album} if album else {}), **more}


def presses(data: str, who: Mapping[str, Any] = ANN, on: Mapping[str, Any] | None = None) -> dict[str, Any]:
    where = on or message({**MASK, "id": 424242}, {"id": who["id"], "type": "private", "first_name": "x"}, text="card")
    return update(
        {"id": str(Numbers.next()), "from": dict(who), "chat_instance": "1", "data": data, "message": dict(where)},
        "callback_query",
    )


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


# --- groups


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


# --- replies


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
