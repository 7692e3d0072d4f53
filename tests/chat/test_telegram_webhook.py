"""Updates pushed instead of asked for: only with the secret, and again until they are in safe hands."""

from pathlib import Path

import aiohttp
import pytest

from tests.chat.telegram_scene import PUBLIC, SECRET, Scene, late, play, webhook


@pytest.mark.torture
@late.alone()
async def test_a_webhook_hears_what_has_the_secret_and_what_came_while_it_was_down(one: Scene) -> None:
    server, feed = one.server, one.server.feed
    env = one.env = webhook()
    feed.proxy[PUBLIC] = f"http://{env['WEB_BIND']}"
    ann, bob = one.somebody(), one.somebody()
    first = await one.starts()
    await server.until(lambda: feed.hook, 40)
    assert feed.hook is not None
    assert feed.hook.secret == env["TELEGRAM_WEBHOOK_SECRET"]
    assert feed.hook.url.startswith(PUBLIC)
    await ann.says("/help")
    await ann.until("/train", 40)
    update = {"update_id": 999, "message": {**ann.sees()[0].message.wire, "message_id": 4242, "text": "/balance"}}
    async with aiohttp.ClientSession() as client:
        for secret in ("", "another-secret-of-this-length"):
            assert await feed.deliver(client, update, secret) in {401, 403, 404}
    await server.until(lambda: not feed.pending, 40)
    await first.ends(5)
    await bob.says("/balance")
    await server.until(lambda: any(status != 200 for _, status in feed.pushes), 40)
    await one.starts()
    await bob.until("Available", 40)
    await server.until(lambda: not feed.pending, 40)
    feed.again(feed.delivered[-1])  # its 200 was lost on the way
    await server.until(lambda: not feed.pending, 40)
    await bob.says("/help")
    await bob.until("/train", 40)
    assert sum("Available" in seen.text for seen in bob.heard) == 1
    assert len(ann.heard) == 1
    await one.bots[-1].ends(5)


@pytest.mark.parametrize(
    "wrong", [{"TELEGRAM_WEBHOOK_SECRET": "short"}, {"TELEGRAM_WEBHOOK_SECRET": "blanks in it"}, {"PUBLIC_URL": ""}]
)
def test_no_secret_no_start(tmp_path: Path, wrong: dict[str, str]) -> None:
    """A webhook is there with a good secret and an address, or not at all."""

    async def scenario(one: Scene) -> None:
        bot = await one.starts(ready=False, **webhook() | wrong)
        assert await bot.ended(40) == 2
        assert "TELEGRAM_WEBHOOK_SECRET" in bot.log
        assert not any(secret in bot.log for secret in (SECRET, *filter(None, wrong.values())))
        assert one.server.calls == []

    play(tmp_path, scenario)
