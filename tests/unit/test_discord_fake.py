"""The fake Discord keeps Discord's rules: asked by a plain HTTP client and a plain socket, not by our bot."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.support.discord import Discord, File, discord, oracle
from tests.support.discord.state import Json

Talk = Callable[[Discord, "Client"], Awaitable[None]]
HELLO = {"name": "hello", "description": "Say hello"}


class Client:
    """An app that speaks the wire by hand."""

    def __init__(self, there: Discord, http: aiohttp.ClientSession) -> None:
        self.there = there
        self.http = http
        self.header = ""

    async def ask(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {self.there.token}"} | how.pop("headers", {})
        url = f"{self.there.env['DISCORD_API_URL']}{path}"
        async with self.http.request(method, url, json=body, headers=headers, **how) as answer:
            self.header = answer.headers.get("Content-Type", "")
            return answer.status, (await answer.json() if self.header == "application/json" else await answer.text())

    async def code(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, int]:
        """Status and Discord's own code of a refusal."""
        status, answer = await self.ask(method, path, body, **how)
        return status, answer.get("code", 0) if isinstance(answer, dict) else 0

    async def commands(self, *commands: Json) -> tuple[int, int]:
        return await self.code("PUT", "/applications/2/commands", list(commands))

    async def identifies(self, intents: int = 0, token: str | None = None) -> aiohttp.ClientWebSocketResponse:
        socket = await self.http.ws_connect(f"{self.there.gateway.url}?v=10&encoding=json")
        assert (await socket.receive_json())["op"] == 10
        await socket.send_json({"op": 2, "d": {"token": token or self.there.token, "intents": intents}})
        return socket

    async def greeted(self) -> aiohttp.ClientWebSocketResponse:
        socket = await self.identifies()
        assert (await socket.receive_json())["t"] == "READY"
        return socket

    async def interaction(self, socket: aiohttp.ClientWebSocketResponse) -> Json:
        while True:
            event = await socket.receive_json()
            if event["t"] == "INTERACTION_CREATE":
                found: Json = event["d"]
                return found

    async def acks(self, one: Json, kind: int, data: Json | None = None) -> tuple[int, int]:
        return await self.code(
            "POST", f"/interactions/{one['id']}/{one['token']}/callback", {"type": kind, "data": data}
        )


def talk(scene: Talk) -> None:
    async def whole() -> None:
        async with discord() as there, aiohttp.ClientSession() as http:
            await scene(there, Client(there, http))

    asyncio.run(whole())


def test_answers_are_exactly_json_and_a_wrong_token_is_401() -> None:
    async def scene(there: Discord, app: Client) -> None:
        assert (await app.ask("GET", "/users/@me"))[0] == 200
        assert app.header == "application/json"  # discord.py compares it letter by letter
        assert await app.code("GET", "/users/@me", headers={"Authorization": "Bot x"}) == (401, 0)
        assert there.limits.invalid == 1

    talk(scene)


@pytest.mark.parametrize(
    "broken",
    [
        {"name": "Hello", "description": "x"},
        {"name": "two words", "description": "x"},
        {"name": "hello", "description": ""},
        {"name": "hello", "description": "x" * 101},
        {"name": "hello", "description": "x", "name_localizations": {"de": "Größe"}},
        {"name": "hello", "description": "x", "name_localizations": {"xx": "hello"}},
        {"name": "hello", "description": "x", "description_localizations": {"de": ""}},
        {**HELLO, "options": [{"type": 3, "name": "a", "description": "x"}] * 2},
        {
            **HELLO,
            "options": [
                {"type": 3, "name": "a", "description": "x"},
                {"type": 3, "name": "b", "description": "x", "required": True},
            ],
        },
        {**HELLO, "options": [{"type": 3, "name": f"o{n}", "description": "x"} for n in range(26)]},
        {
            **HELLO,
            "options": [
                {
                    "type": 3, "name": f"o{n}", "description": "x" * 100,
                    "choices": [{"name": "y" * 100, "value": "z" * 100}] * 2,
                }
                for n in range(20)
            ],
        },
    ],
)  # fmt: skip
def test_one_command_that_breaks_a_rule_refuses_all_of_them(broken: Json) -> None:
    async def scene(there: Discord, app: Client) -> None:
        assert await app.commands({**HELLO, "name": "fine"}, broken) == (400, 50035)
        assert there.state.commands == {}
        assert there.violations
        assert (await app.commands(HELLO))[0] == 200

    talk(scene)


def test_privileged_intents_a_wrong_token_and_too_many_servers_are_hung_up_on() -> None:
    async def scene(there: Discord, app: Client) -> None:
        for intents, token, code in ((1 << 15, None, 4014), (0, "x", 4004), (1 << 30, None, 4013)):
            socket = await app.identifies(intents, token)
            assert (await socket.receive()).data == code
        for _ in range(2500):
            there.state.guild()
        socket = await app.identifies()
        assert (await socket.receive()).data == 4011

    talk(scene)


def test_a_resume_replays_what_was_missed_and_a_session_ended_in_peace_is_gone() -> None:
    async def scene(there: Discord, app: Client) -> None:
        await app.commands(HELLO)
        ann = there.person(7)
        socket = await app.identifies()
        ready = await socket.receive_json()
        await there.gateway.drop(4000)
        asked = asyncio.TaskGroup()
        async with asked:
            waiting = asked.create_task(ann.slash("hello"))
            again = await app.http.ws_connect(ready["d"]["resume_gateway_url"])
            await again.receive_json()
            resume = {"op": 6, "d": {"token": there.token, "session_id": ready["d"]["session_id"], "seq": 1}}
            await again.send_json(resume)
            await app.acks(await app.interaction(again), 4, {"content": "hi"})
        assert waiting.result().ack == 4
        await again.close(code=1000)
        await there.state.bell.until(lambda: not there.gateway.online, lambda: "its end", 5)
        last = await app.http.ws_connect(there.gateway.url)
        await last.receive_json()
        await last.send_json(resume)
        assert await last.receive_json() == {"op": 9, "d": False, "s": None, "t": None}

    talk(scene)


def test_an_interaction_is_answered_once_within_3_s_and_its_token_lives_15_minutes() -> None:
    async def scene(there: Discord, app: Client) -> None:
        await app.commands(HELLO)
        ann, bob = there.person(7), there.person(8)
        socket = await app.greeted()
        await ann.slash("hello", there.channel, late=4)
        assert await app.acks(await app.interaction(socket), 5) == (404, 10062)
        async with asyncio.TaskGroup() as group:
            group.create_task(ann.slash("hello", there.channel))
            one = await app.interaction(socket)
            assert (await app.acks(one, 5, {"flags": 64}))[0] == 204
        assert await app.acks(one, 4, {"content": "twice"}) == (400, 40060)
        assert ann.sees() == []  # "thinking..."
        original = f"/webhooks/2/{one['token']}/messages/@original"
        status, message = await app.ask("PATCH", original, {"content": "for you alone"})
        assert status == 200
        assert [each.text for each in ann.sees()] == ["for you alone"]
        assert bob.sees() == []
        by_bot = f"/channels/{there.channel.id}/messages/{message['id']}"
        assert await app.code("PATCH", by_bot, {"content": "x"}) == (404, 10008)
        there.passes(15 * 60 + 1)
        assert await app.code("PATCH", original, {"content": "x"}) == (401, 50027)

    talk(scene)


def test_a_closed_dm_a_foreign_channel_and_an_unknown_one_are_refused_by_their_codes() -> None:
    async def scene(there: Discord, app: Client) -> None:
        for number, refuses in ((7, 50007), (8, 50278)):
            there.person(number, refuses=refuses)
            _, room = await app.ask("POST", "/users/@me/channels", {"recipient_id": str(number)})
            assert await app.code("POST", f"/channels/{room['id']}/messages", {"content": "x"}) == (403, refuses)
        elsewhere = there.state.guild("elsewhere", member=False)
        assert await app.code("POST", f"/channels/{elsewhere.id}/messages", {"content": "x"}) == (403, 50001)
        assert await app.code("POST", "/channels/1/messages", {"content": "x"}) == (404, 10003)
        assert await app.code("PATCH", f"/channels/{there.channel.id}/messages/1", {"content": "x"}) == (404, 10008)

    talk(scene)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": ""}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"embeds": [{"title": "x" * 257}]}, 50035),
        ({"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, 50035),
        ({"embeds": [{"fields": [{"name": "x", "value": ""}]}]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": []}]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x"}]}]}, 50035),
    ],
)
def test_a_message_beyond_a_limit_is_refused(body: Json, code: int) -> None:
    async def scene(there: Discord, app: Client) -> None:
        assert await app.code("POST", f"/channels/{there.channel.id}/messages", body) == (400, code)
        assert len(there.violations) == 1

    talk(scene)


def test_who_asks_too_fast_gets_429_with_via_and_edits_of_old_messages_have_a_limit_of_their_own() -> None:
    async def scene(there: Discord, app: Client) -> None:
        place = f"/channels/{there.channel.id}/messages"
        _, message = await app.ask("POST", place, {"content": "x"})
        for _ in range(4):
            assert (await app.ask("POST", place, {"content": "x"}))[0] == 200
        assert (await app.ask("POST", place, {"content": "x"}))[0] == 429
        there.passes(3601)
        for n in range(3):
            assert (await app.ask("PATCH", f"{place}/{message['id']}", {"content": str(n)}))[0] == 200
        assert await app.code("PATCH", f"{place}/{message['id']}", {"content": "3"}) == (429, 30046)
        edge = there.refuse("GET", "/users/@me", via=False)
        assert await app.ask("GET", "/users/@me") == (429, "error code: 1015")
        assert edge.given == 1
        assert len(there.limits.exceeded) == 2

    talk(scene)


def test_ten_thousand_invalid_requests_ban_the_address() -> None:
    async def scene(there: Discord, app: Client) -> None:
        for _ in range(9_999):
            there.limits.note(403, "")
        assert (await app.ask("GET", "/users/@me"))[0] == 200
        there.limits.note(403, "")
        assert (await app.ask("GET", "/users/@me"))[0] == 429
        there.passes(600)
        assert (await app.ask("GET", "/users/@me"))[0] == 200

    talk(scene)


def test_a_signed_link_brings_the_file_for_a_day_and_a_changed_one_never() -> None:
    async def scene(there: Discord, app: Client) -> None:
        option = {"type": 11, "name": "file", "description": "x", "required": True}
        await app.commands({**HELLO, "options": [option]})
        ann = there.person(7)
        socket = await app.greeted()
        async with asyncio.TaskGroup() as group:
            group.create_task(ann.slash("hello", file=File("a.zip", b"123")))
            one = await app.interaction(socket)
            await app.acks(one, 5)
        (link,) = [each["url"] for each in one["data"]["resolved"]["attachments"].values()]
        for wait, url, status in ((0, link, 200), (0, link.replace("ex=", "ex=f"), 404), (86_401, link, 404)):
            there.passes(wait)
            async with app.http.get(url) as answer:
                assert answer.status == status

    talk(scene)


def test_the_same_nonce_is_the_same_message() -> None:
    async def scene(there: Discord, app: Client) -> None:
        place = f"/channels/{there.channel.id}/messages"
        body = {"content": "once", "nonce": "1", "enforce_nonce": True}
        first, second = [(await app.ask("POST", place, body))[1]["id"] for _ in range(2)]
        assert first == second
        there.passes(600)
        assert (await app.ask("POST", place, body))[1]["id"] != first

    talk(scene)


def test_what_the_client_would_not_send_fails_the_test_and_not_the_bot() -> None:
    async def scene(there: Discord, app: Client) -> None:
        option = {"type": 4, "name": "steps", "description": "x", "min_value": 10, "required": True}
        await app.commands({**HELLO, "options": [option], "contexts": [0]})
        ann = there.person(7)
        here = there.channel
        for where, options in ((here, {}), (here, {"steps": 1}), (here, {"steps": 10, "x": 1}), (None, {"steps": 10})):
            with pytest.raises(AssertionError):
                await ann.slash("hello", where, **options)
        assert there.state.interactions == {}

    talk(scene)


@pytest.mark.skipif(not oracle.there(), reason="Discord's description (../shared/captures) is not at hand")
def test_discords_own_description_allows_every_answer_and_finds_a_wrong_request() -> None:
    async def scene(there: Discord, app: Client) -> None:
        await app.commands(HELLO)
        ann = there.person(7)
        place = f"/channels/{there.channel.id}"
        row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "x"}]}
        for path in ("/gateway", "/gateway/bot", "/users/@me", "/oauth2/applications/@me", "/users/7", place):
            assert (await app.ask("GET", path))[0] == 200
        await app.ask("POST", "/users/@me/channels", {"recipient_id": 7})
        _, sent = await app.ask("POST", f"{place}/messages", {"embeds": [{"title": "x"}], "components": [row]})
        await app.ask("PATCH", f"{place}/messages/{sent['id']}", {"content": f"<@{ann.user.id}>"})
        await app.ask("DELETE", f"{place}/messages/{sent['id']}")
        await app.ask("GET", f"{place}/messages/{sent['id']}")
        assert oracle.findings(there.rest.exchanges) == []
        await app.ask("POST", f"{place}/messages", {"content": "x", "embeds": {"title": "x"}})
        assert oracle.findings(there.rest.exchanges) != []

    talk(scene)
