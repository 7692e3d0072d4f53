"""Telegram's answers, as aiogram tells them, become ours; nothing that is raised or logged holds the token."""

import asyncio
import traceback
from pathlib import Path

import aiohttp
import pytest
from aiogram.exceptions import TelegramNetworkError
from aiogram.methods import EditMessageText, GetMe, SendMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bot.platforms.telegram import wire as wires
from bot.platforms.telegram.wire import Gone, Moved, OtherKind, Rival, Same, TooBig, Wait, Wire
from bot.ports import Refused
from notifier.ports import Unreachable
from pipeline.domain.faults import OperatorFault
from tests.support.botline import BASE, TOKEN, a_wire

SAY = SendMessage(chat_id=7, text="hello")
EDIT = EditMessageText(chat_id=7, message_id=1, text="hello")

ANSWERS: list[tuple[int, str, dict[str, int], type[Exception]]] = [
    (429, "Too Many Requests: retry after 37", {"retry_after": 37}, Wait),
    (400, "Bad Request: group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": -1007}, Moved),
    (400, "Bad Request: message is not modified: specified new message content ...", {}, Same),
    (400, "Bad Request: message to edit not found", {}, Gone),
    (400, "Bad Request: message can't be edited", {}, Gone),
    (400, "Bad Request: MESSAGE_ID_INVALID", {}, Gone),
    (400, "Bad Request: there is no text in the message to edit", {}, OtherKind),
    (400, "Bad Request: file is too big", {}, TooBig),
    (413, "Request Entity Too Large", {}, TooBig),
    (403, "Forbidden: bot was blocked by the user", {}, Unreachable),
    (403, "Forbidden: bot was kicked from the supergroup chat", {}, Unreachable),
    (400, "Bad Request: chat not found", {}, Unreachable),
    (401, "Unauthorized", {}, Refused),
    (404, "Not Found", {}, Refused),
    (409, "Conflict: terminated by other getUpdates request", {}, Rival),
    (502, "Bad Gateway", {}, OperatorFault),
    (400, "Bad Request: something new", {}, OperatorFault),
    (418, "I'm a teapot", {}, OperatorFault),
]


@pytest.mark.parametrize(("code", "why", "parameters", "ours"), ANSWERS)
def test_each_answer_of_telegrams_means_one_thing_to_us(
    code: int, why: str, parameters: dict[str, int], ours: type[Exception]
) -> None:
    wire, line = a_wire()
    line.refuse("editMessageText", code, why, **parameters)
    with pytest.raises(ours) as caught:
        asyncio.run(wire.call(EDIT))
    if ours is Wait:
        assert caught.value.seconds == 37  # type: ignore[attr-defined]  # a Wait
    if ours is Moved:
        assert caught.value.chat == -1007  # type: ignore[attr-defined]  # a Moved


@pytest.mark.parametrize(
    "error",
    [
        TelegramNetworkError(SAY, f"ClientConnectorError: cannot connect to {BASE}/bot{TOKEN}/sendMessage"),
        OSError(f"{TOKEN}"),
        TimeoutError(f"{TOKEN}"),
        aiohttp.ClientPayloadError(f"{BASE}/bot{TOKEN}"),
    ],
)
def test_a_broken_line_is_one_fault_without_the_token(error: Exception) -> None:
    wire, line = a_wire()
    line.laid["getMe"].append(error)
    with pytest.raises(OperatorFault) as caught:
        asyncio.run(wire.call(GetMe()))
    assert caught.value.code == "telegram-down"
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_an_answer_that_is_no_json_is_one_fault_without_its_content() -> None:
    wire, line = a_wire()
    line.laid["getMe"].append((200, {"ok": True, "result": {"is_bot": "secret content"}}))
    with pytest.raises(OperatorFault) as caught:
        asyncio.run(wire.call(GetMe()))
    assert "secret content" not in "".join(traceback.format_exception(caught.value))


def refused_download() -> aiohttp.ClientResponseError:
    """What aiohttp raises for a file: the address, and with it the token, is in its words."""
    url = URL(f"{BASE}/file/bot{TOKEN}/documents/file_1.zip")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientResponseError(info, (), status=404, message="Not Found")


def test_a_download_that_fails_never_prints_the_token(tmp_path: Path) -> None:
    wire, line = a_wire()
    error = refused_download()
    assert TOKEN in str(error)
    line.files["abc"] = error
    with pytest.raises(OperatorFault) as caught:
        asyncio.run(wire.fetch("abc", tmp_path / "one.zip"))
    assert caught.value.code == "telegram-file"
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert TOKEN not in repr(caught.value)


def test_a_file_comes_to_where_it_should_and_is_ours(tmp_path: Path) -> None:
    wire, line = a_wire()
    line.files["abc"] = b"z" * 200_000
    asyncio.run(wire.fetch("abc", tmp_path / "one.zip"))
    assert (tmp_path / "one.zip").read_bytes() == b"z" * 200_000
    assert line.asked == [f"{BASE}/file/bot{TOKEN}/abc"]


def test_a_file_that_grows_beyond_what_it_may_be_is_cut_off(tmp_path: Path) -> None:
    wire, line = a_wire()
    line.files["abc"] = b"z" * ((20 << 20) + 1)
    with pytest.raises(TooBig):
        asyncio.run(wire.fetch("abc", tmp_path / "one.zip"))


def test_a_token_that_cannot_be_one_is_refused_by_name_and_not_printed() -> None:
    token = "no token " * 2
    with pytest.raises(Refused) as caught:
        Wire(token, BASE)
    assert token not in "".join(traceback.format_exception(caught.value))


# --- a server in local mode: files are on a disk that both see


@pytest.mark.parametrize(
    "there", ["/var/lib/telegram-bot-api/{token}/documents/file_1.zip", "{home}/{token}/documents/file_1.zip"]
)
def test_a_local_servers_file_is_taken_from_its_folder_wherever_that_is_mounted(there: str, tmp_path: Path) -> None:
    home = tmp_path / "files"
    (home / TOKEN / "documents").mkdir(parents=True)
    (home / TOKEN / "documents" / "file_1.zip").write_bytes(b"zip")
    wire, line = a_wire(local=home)
    path = there.format(token=TOKEN, home=home)
    line.laid["getFile"].append(
        (200, {"ok": True, "result": {"file_id": "a", "file_unique_id": "b", "file_path": path}})
    )
    asyncio.run(wire.fetch("a", tmp_path / "one.zip"))
    assert (tmp_path / "one.zip").read_bytes() == b"zip"
    assert not (home / TOKEN / "documents" / "file_1.zip").exists()  # nobody else would delete it


@pytest.mark.parametrize("there", ["/etc/{token}/../../passwd", "{home}/../secret", "/var/x/{token}/../../secret"])
def test_a_local_path_that_leads_out_of_its_folder_is_no_file(there: str, tmp_path: Path) -> None:
    home = tmp_path / "files"
    home.mkdir()
    (tmp_path / "secret").write_text("secret")
    wire, line = a_wire(local=home)
    path = there.format(token=TOKEN, home=home)
    line.laid["getFile"].append(
        (200, {"ok": True, "result": {"file_id": "a", "file_unique_id": "b", "file_path": path}})
    )
    with pytest.raises(OperatorFault):
        asyncio.run(wire.fetch("a", tmp_path / "one.zip"))
    assert not (tmp_path / "one.zip").exists()


def test_a_local_server_carries_more_both_ways(tmp_path: Path) -> None:
    (cloud, _), (local, _) = a_wire(), a_wire(local=tmp_path)
    assert (cloud.most, cloud.upload_most) == (20 << 20, 50 * 10**6)
    assert (local.most, local.upload_most) == (2000 << 20, 2000 * 10**6)
    assert wires.UPLOAD_SECONDS > 60  # aiogram's own patience is too short for 50 MB
