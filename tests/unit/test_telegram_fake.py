"""The fake Telegram itself: as strict as the real one, driven by aiogram, whose models judge every answer."""

import asyncio
import time

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    ReplyParameters,
    Update,
)
from aiogram.utils.web_app import check_webapp_signature
from aiohttp import web

from tests.support.telegram import TOKEN, TelegramServer
from tests.support.telegram.client import a_bot, picture, play, refused

# --- who can be reached


def test_each_way_of_not_being_there_has_its_own_answer() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann, bob = server.person(7), server.person(8, started=False)
        team = server.group(-5, "Team", ann, bob)
        assert "chat not found" in await refused(bot.send_message(99, "a"))
        assert "can't initiate" in await refused(bot.send_message(8, "a"), TelegramForbiddenError)
        sent = await bot.send_message(7, "a")
        await ann.blocks()
        assert "blocked by the user" in await refused(bot.send_message(7, "a"), TelegramForbiddenError)
        edit = bot.edit_message_text("b", chat_id=7, message_id=sent.message_id)
        assert "blocked by the user" in await refused(edit, TelegramForbiddenError)
        await ann.unblocks()
        await bot.send_message(7, "b")
        await team.removes_bot(ann)
        assert "kicked from the group" in await refused(bot.send_message(-5, "a"), TelegramForbiddenError)
        assert [update.event_type for update in await bot.get_updates()] == ["my_chat_member"] * 3

    play(scenario)


def test_a_migrated_group_names_its_new_id_and_keeps_no_message() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        team = server.group(-5, "Team", ann)
        await bot.send_message(-5, "a")
        sent = await bot.send_message(-5, "a")  # the first id of a supergroup is its own
        fresh = await team.migrates(ann)
        with pytest.raises(TelegramMigrateToChat) as caught:
            await bot.send_message(-5, "b")
        assert caught.value.migrate_to_chat_id == fresh.chat.id
        edit = bot.edit_message_text("b", chat_id=fresh.chat.id, message_id=sent.message_id)
        assert "to edit not found" in await refused(edit)
        leaving, arriving = await bot.get_updates()
        assert leaving.message is not None
        assert arriving.message is not None
        assert (leaving.message.migrate_to_chat_id, arriving.message.migrate_from_chat_id) == (fresh.chat.id, -5)

    play(scenario)


def test_groups_show_the_bot_only_what_is_meant_for_it() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        team = server.group(-5, "Team", ann)
        there = ann.in_(team)
        await there.says("hello all")
        await there.says("/train@other_bot x")
        await there.says("/train ohwx")
        await there.says("/train@station_bot ohwx")
        await there.replies(server.world.chats[-5].messages[(await bot.send_message(-5, "yes?")).message_id], "no")
        await team.anonymous(ann).says("/models")
        await team.linked(server.channel(-77)).says("/models")
        said = [update.message for update in await bot.get_updates()]
        assert [message.text for message in said if message] == [
            "/train ohwx",
            "/train@station_bot ohwx",
            "no",
            "/models",
            "/models",
        ]
        hidden, channel = said[3], said[4]
        assert hidden is not None
        assert hidden.sender_chat is not None
        assert hidden.sender_chat.id == -5
        assert channel is not None
        assert channel.sender_chat is not None
        assert channel.sender_chat.id == -77

    play(scenario)


def test_members_and_chats_can_be_asked_for_and_a_group_can_be_left() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann, bob = server.person(7), server.person(8)
        server.group(-5, "Team", ann, bob)
        states = [(await bot.get_chat_member(-5, number)).status for number in (7, 8, server.world.bot.id)]
        assert states == ["creator", "member", "member"]
        assert (await bot.get_chat(-5)).title == "Team"
        assert (await bot.get_chat(7)).first_name == "Person 7"
        await bot.leave_chat(-5)
        assert "not a member" in await refused(bot.send_message(-5, "a"), TelegramForbiddenError)

    play(scenario)


# --- updates


def test_an_update_stays_until_it_is_acknowledged() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7, language="de")
        await ann.says("/start")
        (first,) = await bot.get_updates()
        (again,) = await bot.get_updates()
        assert first.update_id == again.update_id
        assert first.message is not None
        assert first.message.from_user is not None
        assert first.message.from_user.language_code == "de"
        assert await bot.get_updates(offset=first.update_id + 1) == []
        assert server.feed.acknowledged == [first.update_id]

    play(scenario)


def test_a_long_poll_waits_for_the_next_word_and_ends_with_nothing() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        async with asyncio.TaskGroup() as both:
            poll = both.create_task(bot.get_updates(timeout=10))
            await server.until(lambda: server.feed.polls)
            await ann.says("hi")
        assert len(poll.result()) == 1
        started = time.monotonic()
        assert await bot.get_updates(offset=poll.result()[0].update_id + 1, timeout=1) == []
        assert time.monotonic() - started > 0.9

    play(scenario)


def test_of_two_pollers_the_older_one_ends_in_a_conflict() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        async with asyncio.TaskGroup() as both:
            older = both.create_task(refused(bot.get_updates(timeout=10), TelegramConflictError))
            await server.until(lambda: server.feed.polls == 1)
            newer = both.create_task(bot.get_updates(timeout=10))
            await server.until(lambda: server.feed.polls == 2)
            await server.person(7).says("hi")
        assert "other getUpdates request" in older.result()
        assert len(newer.result()) == 1

    play(scenario)


def test_only_asked_for_kinds_are_delivered_and_the_list_is_kept() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        await bot.get_updates(allowed_updates=["message"])
        said = await ann.says("hi")
        await ann.edits(said, "ho")
        await ann.blocks()
        await bot.get_updates()
        assert len(server.feed.waiting) == 1

    play(scenario)


def test_edited_words_channel_posts_and_a_group_that_lets_the_bot_in_are_updates_of_their_kind() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        team = server.group(-5, "Team", ann)
        await ann.edits(await ann.says(zip=b"PK", name="set.zip"), "/train ohwx")
        await server.channel(-77).says("news")
        await team.removes_bot(ann)
        await team.adds_bot(ann)
        updates = await bot.get_updates()
        assert [update.event_type for update in updates] == [
            "message", "edited_message", "channel_post", "my_chat_member", "my_chat_member",
        ]  # fmt: skip
        edited = updates[1].edited_message
        assert edited
        assert edited.caption == "/train ohwx"

    play(scenario)


def test_a_poll_whose_client_died_leaves_the_next_one_in_peace() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        async with a_bot(server) as dying:
            poll = asyncio.get_running_loop().create_task(dying.get_updates(timeout=30))
            await server.until(lambda: server.feed.polls)
            poll.cancel()
            await asyncio.wait([poll])
        await server.person(7).says("hi")
        assert len(await bot.get_updates(timeout=5)) == 1

    play(scenario)


def test_an_album_is_as_many_messages_as_it_has_pictures() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        await ann.album([picture(60 + n) for n in range(10)], "/train ohwx", order=[3, 1, 0, 2, 4, 5, 6, 7, 9, 8])
        messages = [update.message for update in await bot.get_updates()]
        assert len({message.media_group_id for message in messages if message}) == 1
        assert len({message.photo[-1].file_unique_id for message in messages if message and message.photo}) == 10
        assert [message.caption for message in messages if message][:3] == [None, None, "/train ohwx"]

    play(scenario)


def test_a_forward_keeps_the_unique_id_under_another_file_id() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        sent = await ann.says(file=picture(), name="a.jpg")
        await ann.forwards(sent)
        await ann.says("look", zip=b"PK", name="set.zip", reply=sent)
        one, two, three = [update.message for update in await bot.get_updates()]
        assert one
        assert one.document
        assert two
        assert two.document
        assert one.document.file_unique_id == two.document.file_unique_id
        assert two.forward_origin
        assert three
        assert three.reply_to_message
        assert three.reply_to_message.message_id == one.message_id

    play(scenario)


def test_the_webhook_knows_the_secret_and_comes_again_until_it_hears_yes() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        heard: list[tuple[str | None, int]] = []

        async def hook(request: web.Request) -> web.Response:
            update = Update.model_validate(await request.json())
            heard.append((request.headers.get("X-Telegram-Bot-Api-Secret-Token"), update.update_id))
            return web.Response(status=500 if len(heard) == 1 else 200)

        app = web.Application()
        app.router.add_post("/hook", hook)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.feed.proxy["https://bot.example"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert "HTTPS" in await refused(bot.set_webhook("http://bot.example/hook"))
        await bot.set_webhook("https://bot.example/hook", secret_token="s3cret")
        assert "webhook is active" in await refused(bot.get_updates(), TelegramConflictError)
        await server.person(7).says("hi")
        await server.until(lambda: server.feed.acknowledged)
        assert heard == [("s3cret", heard[0][1])] * 2
        assert (await bot.get_webhook_info()).pending_update_count == 0
        await bot.delete_webhook()
        assert await bot.get_updates() == []
        await runner.cleanup()

    play(scenario)


# --- profile


def test_commands_and_texts_are_kept_by_language_and_scope() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        german = [BotCommand(command="train", description="Ein LoRA trainieren")]
        private = BotCommandScopeAllPrivateChats()
        await bot.set_my_commands(german, scope=private, language_code="de")
        (kept,) = await bot.get_my_commands(scope=private, language_code="de")
        assert kept.description == "Ein LoRA trainieren"
        assert await bot.get_my_commands(scope=private) == []
        await bot.set_my_description("Trains", language_code="de")
        assert (await bot.get_my_description(language_code="de")).description == "Trains"
        assert (await bot.get_my_description()).description == ""
        await bot.set_my_short_description("Short")
        await bot.set_my_name("Station")
        assert (await bot.get_my_name(language_code="fr")).name == "Station"
        upper = [BotCommand(command="Train", description="x")]
        assert "BOT_COMMAND_INVALID" in await refused(bot.set_my_commands(upper))
        assert "language code" in await refused(bot.set_my_commands(german, language_code="pt-br"))
        assert (await bot.me()).username == "station_bot"

    play(scenario)


# --- troubles


def test_armed_troubles_strike_once_each_and_a_lost_answer_was_carried_out() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        server.faults.fail("sendMessage")
        await refused(bot.send_message(7, "a"), TelegramServerError)
        server.faults.lose("sendMessage")
        with pytest.raises(TelegramNetworkError):
            await bot.send_message(7, "b")
        await bot.send_message(7, "c")
        assert [one.text for one in ann.heard] == ["b", "c"]
        assert server.faults.left == []

    play(scenario)


def test_a_wrong_token_and_an_unknown_method_are_refused() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        api = TelegramAPIServer.from_base(server.url)
        stranger = Bot("424242:another", AiohttpSession(api=api))
        await refused(stranger.get_me(), TelegramUnauthorizedError)
        await stranger.session.close()

    play(scenario, judge=None)


def test_a_reply_to_what_is_gone_is_refused_unless_that_is_allowed() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        hers = await ann.says("hi")
        await bot.send_message(7, "a", reply_parameters=ReplyParameters(message_id=hers.id))
        await ann.deletes(hers)
        gone = ReplyParameters(message_id=hers.id)
        assert "replied not found" in await refused(bot.send_message(7, "a", reply_parameters=gone))

    play(scenario)


def test_init_data_is_signed_as_aiogram_checks_it() -> None:
    async def scenario(server: TelegramServer, bot: Bot) -> None:
        ann = server.person(7)
        assert check_webapp_signature(TOKEN, ann.init_data())
        assert not check_webapp_signature(TOKEN, ann.init_data().replace("Person", "Other"))

    play(scenario)
