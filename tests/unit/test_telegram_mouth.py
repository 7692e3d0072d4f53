"""Cards in Telegram chats: sent, edited over, turned into pictures, said again; against aiogram's own models."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.mouth import Mouth
from bot.platforms.telegram.pace import Gate, Rhythm
from notifier.card import Button, Card, Tone
from notifier.ports import Later, MessageId, Unreachable
from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Address
from pipeline.ports import Pace
from tests.support.botline import Line, a_wire
from tests.support.store import MemoryStore
from tests.support.virtual import run

ANN, TEAM = Address("telegram", "7"), Address("telegram", "-5")
SENTENCE = Card(title="", lines=("Hello.",), final=True)
LIVE = Card(
    title="Training ohwx", lines=("Step 6 of 11.",), bar=0.1, bar_label="1/10 steps", tone=Tone.BUSY,
    buttons=(Button("Stop", "stop:k3v9"), Button("Cancel", "cancel:k3v9")),
)  # fmt: skip
DONE = replace(LIVE, title="ohwx is ready", buttons=(), final=True, bar=None)

Scene = Callable[[Mouth, Line], Coroutine[Any, Any, Any]]


def play(scene: Scene, store: MemoryStore | None = None) -> Line:
    wire, line = a_wire()

    async def whole() -> None:
        mouth = Mouth(wire, Gate(), Rhythm(Pace()), Memory(store or MemoryStore()), "TrainBot")
        await scene(mouth, line)

    run(whole())
    return line


def test_a_card_is_sent_once_and_edited_in_place_and_its_keys_go_with_its_end() -> None:
    async def scene(mouth: Mouth, _: Line) -> None:
        message = await mouth.show(ANN, LIVE, None)
        assert await mouth.show(ANN, DONE, message) == message

    line = play(scene)
    sent, edited = line.calls
    assert line.names == ["sendMessage", "editMessageText"]
    assert [[key.callback_data for key in row] for row in sent.reply_markup.inline_keyboard] == [
        ["stop:k3v9", "cancel:k3v9"]
    ]
    assert edited.reply_markup is None


def test_text_becomes_a_picture_when_one_appears_and_its_words_the_caption_from_then_on(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"png" * 9)
    second.write_bytes(b"png" * 99)

    async def scene(mouth: Mouth, _: Line) -> None:
        message: MessageId | None = None
        for card in (
            LIVE,
            replace(DONE, picture=first),
            replace(DONE, picture=first, title="x"),
            replace(DONE, picture=second),
            DONE,
        ):
            message = await mouth.show(ANN, card, message)

    line = play(scene)
    assert line.names == [
        "sendMessage",
        "editMessageMedia",
        "editMessageCaption",
        "editMessageMedia",
        "editMessageCaption",
    ]


def test_after_a_restart_the_message_itself_says_whether_it_is_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    ids: list[MessageId] = []

    async def before(mouth: Mouth, _: Line) -> None:
        ids.append(await mouth.show(ANN, replace(DONE, picture=picture), None))

    async def after(mouth: Mouth, _: Line) -> None:
        await mouth.show(ANN, replace(DONE, picture=picture, title="again"), ids[0])

    assert play(before).names == ["sendPhoto"]
    assert play(after).names == ["editMessageCaption"]


@pytest.mark.parametrize("message", ["101", "101.aabbccdd"])
def test_a_message_that_is_another_kind_than_we_thought_is_edited_all_the_same(message: str) -> None:
    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("editMessageText", 400, "Bad Request: there is no text in the message to edit")
        line.refuse("editMessageCaption", 400, "Bad Request: there is no caption in the message to edit")
        await mouth.show(ANN, DONE, MessageId(message))

    assert "sendMessage" not in play(scene).names[:2]


def test_a_picture_that_is_gone_or_too_large_costs_the_picture_not_the_words(tmp_path: Path) -> None:
    async def scene(mouth: Mouth, _: Line) -> None:
        await mouth.show(ANN, replace(DONE, picture=tmp_path / "none.png"), None)

    assert play(scene).names == ["sendMessage"]


def test_samples_go_to_a_group_only_when_their_owner_put_them_there(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")

    async def scene(mouth: Mouth, _: Line) -> None:
        await mouth.show(TEAM, replace(DONE, picture=picture), None)
        await mouth.show(TEAM, replace(DONE, picture=picture, shared=True), None)

    assert play(scene).names == ["sendMessage", "sendPhoto"]


def test_not_modified_is_success() -> None:
    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("editMessageText", 400, "Bad Request: message is not modified")
        assert await mouth.show(ANN, DONE, MessageId("55")) == "55"

    assert play(scene).names == ["editMessageText"]


def test_a_message_that_was_deleted_is_posted_anew() -> None:
    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("editMessageText", 400, "Bad Request: message to edit not found")
        assert await mouth.show(ANN, DONE, MessageId("55")) == "101"

    assert play(scene).names == ["editMessageText", "sendMessage"]


def test_429_waits_exactly_as_long_as_it_says() -> None:
    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("sendMessage", 429, "Too Many Requests", retry_after=37)
        began = asyncio.get_running_loop().time()
        await mouth.show(ANN, SENTENCE, None)
        assert asyncio.get_running_loop().time() - began == pytest.approx(37)

    assert play(scene).names == ["sendMessage", "sendMessage"]


def test_a_group_that_moved_is_followed_for_good_and_after_a_restart() -> None:
    store = MemoryStore()

    async def before(mouth: Mouth, line: Line) -> None:
        line.refuse("sendMessage", 400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1005)
        await mouth.show(TEAM, SENTENCE, None)

    async def after(mouth: Mouth, _: Line) -> None:
        await mouth.show(TEAM, SENTENCE, None)

    assert [call.chat_id for call in play(before, store).calls] == [-5, -1005]
    assert [call.chat_id for call in play(after, store).calls] == [-1005]


def test_who_blocked_us_is_unreachable_and_asked_once() -> None:
    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("sendMessage", 403, "Forbidden: bot was blocked by the user")
        with pytest.raises(Unreachable):
            await mouth.show(ANN, SENTENCE, None)

    assert play(scene).names == ["sendMessage"]


def test_what_was_not_answered_is_said_again_and_in_the_end_it_is_our_fault() -> None:
    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("sendMessage", 502, "Bad Gateway")
        await mouth.show(ANN, SENTENCE, None)
        for _ in range(9):
            line.refuse("sendMessage", 502, "Bad Gateway")
        with pytest.raises(OperatorFault):
            await mouth.show(ANN, SENTENCE, None)

    assert len(play(scene).names) == 2 + 5


def test_figures_wait_for_their_time_and_words_do_not() -> None:
    async def scene(mouth: Mouth, _: Line) -> None:
        message = await mouth.show(ANN, LIVE, None)
        with pytest.raises(Later):
            await mouth.show(ANN, replace(LIVE, bar=0.5), message)
        await mouth.show(ANN, replace(LIVE, lines=("Step seven.",)), message)
        await mouth.show(ANN, replace(DONE, bar=0.9), message)

    assert play(scene).names == ["sendMessage", "editMessageText", "editMessageText"]


def test_links_are_buttons_and_our_page_opens_inside_telegram_without_its_secret() -> None:
    link = "https://bot.example/upload?lang=en#secret"
    card = replace(SENTENCE, buttons=(
        Button("Upload", "", link=link, app=True), Button("Download", "", link="https://bot.example/m"),
        Button("Chat", "private:train"),
    ))  # fmt: skip

    async def scene(mouth: Mouth, _: Line) -> None:
        await mouth.show(ANN, card, None)
        await mouth.show(TEAM, card, None)

    private, group = ([key for row in call.reply_markup.inline_keyboard for key in row] for call in play(scene).calls)
    assert private[0].web_app.url == "https://bot.example/upload?lang=en"
    assert private[1].url == "https://bot.example/m"
    assert private[2].url == "https://t.me/TrainBot?start=train"
    assert (group[0].web_app, group[0].url) == (None, link)


def test_an_answer_in_a_forum_goes_to_its_thread() -> None:
    async def scene(mouth: Mouth, _: Line) -> None:
        await mouth.show(Address("telegram", "-5/33"), SENTENCE, None)

    (sent,) = play(scene).calls
    assert (sent.chat_id, sent.message_thread_id) == (-5, 33)


def test_a_file_is_a_document_up_to_what_the_server_takes(tmp_path: Path) -> None:
    file = tmp_path / "ohwx.safetensors"
    file.write_bytes(b"weights")

    async def scene(mouth: Mouth, line: Line) -> None:
        assert await mouth.send_file(ANN, file, "ohwx")
        line.refuse("sendDocument", 413, "Request Entity Too Large")
        assert not await mouth.send_file(ANN, file, "ohwx")
        with file.open("wb") as out:
            out.truncate(50 * 10**6 + 1)
        assert not await mouth.send_file(ANN, file, "ohwx")

    assert play(scene).names == ["sendDocument", "sendDocument"]


def test_a_picture_that_telegram_refuses_costs_the_picture_not_the_words(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")

    async def scene(mouth: Mouth, line: Line) -> None:
        line.refuse("sendPhoto", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
        message = await mouth.show(ANN, replace(LIVE, picture=picture), None)
        line.refuse("editMessageMedia", 400, "Bad Request: IMAGE_PROCESS_FAILED")
        assert await mouth.show(ANN, replace(DONE, picture=picture), message) == message

    assert play(scene).names == ["sendPhoto", "sendMessage", "editMessageMedia", "editMessageText"]
