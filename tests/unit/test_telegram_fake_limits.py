"""The fake Telegram keeps the limits of the real one: sizes of files, messages a second."""

from pathlib import Path

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramEntityTooLarge,
    TelegramRetryAfter,
)
from aiogram.types import (
    BufferedInputFile,
)

from tests.support.telegram import TelegramServer
from tests.support.telegram.answers import Refusal
from tests.support.telegram.client import play, refused
from tests.support.telegram.flood import Flood

# --- files


def test_20_mib_come_down_and_one_byte_more_is_too_big_and_written_down() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        data = bytes(range(256)) * (80 * 1024)
        await ann.says(zip=data, name="set.zip")
        await ann.says(size=len(data) + 1, name="big.zip")
        small, big = [update.message for update in await bot.get_updates()]
        assert small
        assert small.document
        assert big
        assert big.document
        came = await bot.download(small.document)
        assert came is not None
        assert came.read() == data
        assert "file is too big" in await refused(bot.get_file(big.document.file_id))
        assert server.violations == ["getFile of big.zip, 20971521 bytes"]
        link = (await bot.get_file(small.document.file_id)).file_path
        assert link
        server.files.expire()
        with pytest.raises(Exception, match="404"):
            await bot.download_file(link)
        assert await bot.download(small.document)

    play(scenario)


def test_a_document_goes_up_to_50_mb_and_a_photo_to_10() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        await bot.send_document(7, BufferedInputFile(b"weights" * 1000, "x.safetensors"), caption="Yours")
        (seen,) = ann.heard
        assert seen.message.wire["document"]["file_name"] == "x.safetensors"
        await refused(bot.send_document(7, BufferedInputFile(bytes(50_000_001), "x.bin")), TelegramEntityTooLarge)
        assert "too big for a photo" in await refused(bot.send_photo(7, BufferedInputFile(bytes(11 << 20), "a.jpg")))
        assert "IMAGE_PROCESS_FAILED" in await refused(bot.send_photo(7, BufferedInputFile(b"no", "a.jpg")))
        again = seen.message.wire["document"]["file_id"]
        await bot.send_document(7, again)
        assert ann.heard[1].file == seen.file

    play(scenario)


def test_a_local_server_lays_files_into_its_folder_whatever_their_size(tmp_path: Path) -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        await server.person(7).says(zip=bytes(21 << 20), name="big.zip")
        (update,) = await bot.get_updates()
        assert update.message
        assert update.message.document
        file = await bot.get_file(update.message.document.file_id)
        assert file.file_path
        path = Path(file.file_path)
        assert path.is_relative_to(tmp_path)
        assert path.stat().st_size == 21 << 20

    play(scenario, local=tmp_path)


# --- the flood


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_chat_takes_one_a_second_and_says_how_long_to_wait() -> None:
    clock = Clock()
    flood = Flood(clock)
    flood.take(7, "sendMessage", group=False)
    flood.take(8, "sendMessage", group=False)
    clock.now = 0.5
    with pytest.raises(Refusal) as caught:
        flood.take(7, "editMessageText", group=False)
    assert caught.value.parameters == {"retry_after": 1}
    clock.now = 1.0
    flood.take(7, "editMessageText", group=False)
    assert flood.violations == ["editMessageText in 7: more than one a second"]


def test_a_little_lateness_is_forgiven_and_a_fast_client_is_found_out_anyway() -> None:
    clock = Clock()
    flood = Flood(clock)
    for _ in range(2):
        flood.take(7, "sendMessage", group=False)
        clock.now += 0.9
    flood.take(7, "sendMessage", group=False)
    clock.now += 0.9
    with pytest.raises(Refusal):
        flood.take(7, "sendMessage", group=False)


def test_thirty_a_second_in_all_and_twenty_a_minute_in_a_group() -> None:
    clock = Clock()
    flood = Flood(clock)
    for chat in range(30):
        flood.take(chat, "sendMessage", group=False)
    with pytest.raises(Refusal):
        flood.take(99, "sendMessage", group=False)
    for _ in range(20):
        clock.now += 1.5
        flood.take(-5, "sendMessage", group=True)
    clock.now += 1.5
    with pytest.raises(Refusal) as caught:
        flood.take(-5, "sendMessage", group=True)
    assert caught.value.parameters["retry_after"] == 30
    clock.now += 29.75
    flood.take(-5, "sendMessage", group=True)


def test_who_comes_back_before_he_was_told_is_written_down() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        server.person(7)
        server.faults.flood("sendMessage", 1)
        with pytest.raises(TelegramRetryAfter) as caught:
            await bot.send_message(7, "a")
        assert caught.value.retry_after == 1
        with pytest.raises(TelegramRetryAfter):
            await bot.send_message(7, "a")
        assert server.violations == ["sendMessage in 7: came back before retry_after was over"]

    play(scenario)
