"""The bot at work, in virtual time: it polls, drains, gives way to a rival, and is set up once."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bot.platforms.telegram import build, menu, webhook
from bot.platforms.telegram.lanes import Lanes
from bot.platforms.telegram.memory import Memory
from bot.platforms.telegram.telegram import Config, Telegram
from bot.platforms.telegram.wire import RawUpdates
from bot.ports import Grounds, Refused, Said
from notifier.card import Card
from notifier.words import Words
from pipeline.domain.faults import OperatorFault
from pipeline.domain.job import Address
from pipeline.settings import BadSettings, Settings, load
from tests.support.botline import BASE, TOKEN, Line, a_wire
from tests.support.store import MemoryStore
from tests.support.virtual import VirtualClock, run

EN = Words("en", strict=True)
ANN = Address("telegram", "7")


def typed(number: int, text: str) -> dict[str, Any]:
    who = {"id": 7, "is_bot": False, "first_name": "Ann"}
    chat = {"id": 7, "type": "private"}
    return {"update_id": number, "message": {"message_id": number, "date": 1, "chat": chat, "from": who, "text": text}}


class Served(Line):
    """Telegram as a poller knows it: gives what is not acknowledged yet, then keeps silent until its time is up."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[dict[str, Any]] = []

    async def make_request(self, bot: Any, method: Any, timeout: int | None = None) -> Any:  # noqa: ASYNC109  # aiogram's
        if isinstance(method, RawUpdates) and not self.laid["getUpdates"]:
            self.calls.append(method)
            self.queue = [one for one in self.queue if one["update_id"] >= (method.offset or 0)]
            if not self.queue:
                await asyncio.sleep(method.timeout or 0)
            return list(self.queue)
        return await super().make_request(bot, method, timeout)


@dataclass
class House:
    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    line: Served = field(default_factory=Served)
    takes: float = 0.0
    said: list[str] = field(default_factory=list)

    async def hear(self, said: Said) -> None:
        await asyncio.sleep(self.takes)
        self.said.append(said.text)

    def bot(self, **config: Any) -> Telegram:
        return Telegram(Config(token=TOKEN, api_url=BASE, **config), session=self.line)

    def grounds(self, **more: Any) -> Grounds:
        return Grounds(store=self.store, folder=self.folder, clock=VirtualClock(), words=lambda _: EN, **more)

    async def up(self, seconds: float, bot: Telegram | None = None) -> float:
        """Run for so long, then SIGTERM; how long it took to end."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            task = group.create_task((bot or self.bot()).run(self.hear, self.grounds()))
            await asyncio.sleep(seconds)
            task.cancel()
            began = loop.time()
            await asyncio.wait([task])
            return loop.time() - began


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_an_update_is_acknowledged_by_the_question_after_it_was_stored(house: House) -> None:
    house.line.queue = [typed(501, "/jobs")]
    run(house.up(10))
    assert house.said == ["/jobs"]
    assert [call.offset for call in house.line.of("getUpdates")] == [None, 502]


def test_sigterm_lets_what_is_in_hand_be_answered_within_its_time(house: House) -> None:
    house.takes = 2.0
    house.line.queue = [typed(501, "/jobs")]
    took = run(house.up(1))
    assert house.said == ["/jobs"]
    assert took < 3


def test_sigterm_in_the_middle_of_something_long_ends_in_time_and_the_next_start_does_it(house: House) -> None:
    house.takes = 60.0
    house.line.queue = [typed(501, "/jobs")]
    assert run(house.up(1)) < 5
    assert house.said == []
    house.takes = 0.0
    run(house.up(5))
    run(house.up(5))
    assert house.said == ["/jobs"]


def test_two_pollers_give_way_to_each_other_and_lose_nothing(house: House) -> None:
    for _ in range(3):
        house.line.refuse("getUpdates", 409, "Conflict: terminated by other getUpdates request")
    house.line.queue = [typed(501, "/jobs")]
    run(house.up(60))
    assert house.said == ["/jobs"]


def test_a_telegram_that_is_down_at_start_is_waited_for(house: House) -> None:
    for _ in range(3):
        house.line.refuse("getMe", 502, "Bad Gateway")
    house.line.queue = [typed(501, "/jobs")]
    run(house.up(60))
    assert house.said == ["/jobs"]


def test_a_wrong_token_is_refused_at_once_by_one_plain_exception(house: House) -> None:
    house.line.refuse("getMe", 401, "Unauthorized")
    with pytest.raises(Refused) as caught:
        run(house.bot().run(house.hear, house.grounds()))
    assert EN.say(caught.value.why).startswith("TELEGRAM_TOKEN")


def test_a_token_that_dies_while_we_run_is_refused_by_one_plain_exception(house: House) -> None:
    house.line.refuse("getUpdates", 401, "Unauthorized")
    with pytest.raises(Refused):
        run(house.bot().run(house.hear, house.grounds()))


def test_who_wants_to_speak_before_the_start_or_after_the_end_waits(house: House) -> None:
    async def life() -> list[str]:
        bot = house.bot()
        async with asyncio.TaskGroup() as group:
            early = group.create_task(bot.show(ANN, Card(title="early"), None))
            await asyncio.sleep(1)
            assert not early.done()
            await house.up(5, bot)
            assert early.done()
            late = group.create_task(bot.show(ANN, Card(title="late"), None))
            await asyncio.sleep(100)
            assert not late.done()
            late.cancel()
        return [call.text for call in house.line.of("sendMessage")]

    assert run(life()) == ["<b>early</b>"]


# --- one person's words


def ordered(*work: tuple[int, float, bool], after_files: bool = False) -> list[int]:
    """Start each (person, seconds, brings a file) in order; the order they end in, by index."""
    ended: list[int] = []

    async def life() -> None:
        async with asyncio.TaskGroup() as group:
            lanes = Lanes(group)
            for n, (person, seconds, files) in enumerate(work):
                lanes.start(person, task(n, seconds, files=files), files=files)

    def task(n: int, seconds: float, *, files: bool) -> Callable[[Any], Coroutine[Any, Any, None]]:
        async def at_work(place: Any) -> None:
            if files:
                async with place.fetching():
                    await asyncio.sleep(seconds)
            else:
                async with place.words(after_files=after_files):
                    await asyncio.sleep(seconds)
            ended.append(n)

        return at_work

    run(life())
    return ended


def test_one_persons_words_are_answered_in_order_and_nobody_waits_for_another() -> None:
    assert ordered((7, 9, False), (7, 1, False), (8, 2, False)) == [2, 0, 1]


def test_words_about_files_wait_for_the_files_before_them_only() -> None:
    assert ordered((7, 9, True), (7, 1, False), (7, 20, True), after_files=True) == [0, 1, 2]


def test_a_person_with_many_files_fetches_a_few_at_a_time_and_others_still_get_theirs() -> None:
    ended = ordered(*[(7, 10, True)] * 12, (8, 10, True))
    assert ended.index(12) <= 4


# --- what Telegram shows of us


def set_up(store: MemoryStore) -> list[Any]:
    wire, line = a_wire()
    run(menu.set_up(wire, Memory(store), lambda _: EN))
    return line.calls


def test_menu_and_profile_are_set_when_they_changed_and_only_then() -> None:
    store = MemoryStore()
    calls = set_up(store)
    scopes = {
        call.scope.type: [command.command for command in call.commands] for call in calls if hasattr(call, "scope")
    }
    assert set(scopes) == {"default", "all_private_chats", "all_group_chats"}
    assert scopes["all_group_chats"] == ["train", "status", "models"]
    assert {"upload", "receipts"} <= set(scopes["all_private_chats"])
    assert set_up(store) == []


def test_a_menu_that_telegram_refuses_costs_the_menu_and_is_tried_next_time() -> None:
    store = MemoryStore()
    wire, line = a_wire()
    line.refuse("setMyCommands", 429, "Too Many Requests", retry_after=100)
    run(menu.set_up(wire, Memory(store), lambda _: EN))
    assert len(set_up(store)) == 5


# --- webhook


def post(body: bytes, secret: str | None = "s" * 20) -> web.Request:
    headers = {} if secret is None else {webhook.HEADER: secret}
    request = make_mocked_request("POST", webhook.PATH, headers=headers)
    request._read_bytes = body
    return request


def answered(request: web.Request, fails: Exception | None = None) -> tuple[int, list[Any]]:
    taken: list[Any] = []

    async def take(update: Any) -> None:
        if fails is not None:
            raise fails
        taken.append(update)

    response = asyncio.run(webhook.handler(take, "s" * 20)(request))
    return response.status, taken


def test_a_webhook_hears_200_only_after_the_update_was_taken() -> None:
    update = typed(1, "/jobs")
    assert answered(post(json.dumps(update).encode())) == (200, [update])
    assert answered(post(json.dumps(update).encode()), OperatorFault("store-down")) == (503, [])


@pytest.mark.parametrize("secret", [None, "", "wrong", "S" * 20, "ssss", "\u00e9" * 20])
def test_a_stranger_at_the_webhook_is_401_and_nothing_is_read(secret: str | None) -> None:
    assert answered(post(b"{}", secret)) == (401, [])


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"update_id": "x"}', b"[" * 100_000, b"\xff"])
def test_nonsense_at_the_webhook_is_400(body: bytes) -> None:
    assert answered(post(body)) == (400, [])


def test_no_secret_no_start(house: House) -> None:
    wire, line = a_wire()
    with pytest.raises(Refused):
        run(webhook.serve(wire, None, lambda *_: None, "https://bot.example", ""))  # type: ignore[arg-type]  # never asked
    assert line.calls == []
    with pytest.raises(Refused):
        run(house.bot(secret="s" * 20).run(house.hear, house.grounds()))  # no page to mount it on
    with pytest.raises(BadSettings):
        load(_env_file=None, telegram_token=TOKEN, telegram_webhook_secret="s" * 20)
    with pytest.raises(BadSettings):
        load(_env_file=None, telegram_token=TOKEN, telegram_webhook_secret="", public_url="https://bot.example")


def test_the_platform_is_off_without_its_token() -> None:
    assert build(Settings(_env_file=None)) is None
    assert build(Settings(_env_file=None, telegram_token=TOKEN, platforms=("terminal",))) is None
    on = build(Settings(_env_file=None, telegram_token=TOKEN))
    assert on is not None
    assert TOKEN not in repr(on._config)
