"""From pictures to a model in a Telegram chat: the real bot as a second process, over the real wire."""

from tests.chat.telegram_scene import SHORT, Scene, evening, finished, pictures


@evening.scene
async def test_from_an_album_and_a_zip_to_a_model_in_one_chat(one: Scene) -> None:
    ann = one.somebody()
    await ann.starts()
    await ann.album(pictures(3))
    counted = await ann.until("3 pictures")
    await ann.says(f"/train annx {SHORT}", zip=one.zip(11))
    quote = await ann.until(lambda seen: "Start" in seen.labels)
    assert "14 pictures" in quote.text
    assert quote.id > counted.id
    await ann.answered(await ann.presses("Start"))
    done = await ann.until(finished, 80)
    assert done.edits >= 3
    assert any("/60 steps" in words for words in done.past)  # the live message itself became the last word
    assert "<lora:annx" in done.text
    assert "http" in done.text
    assert done.labels == []
    assert not done.preview
    await ann.says("/models")
    listed = await ann.until(lambda seen: "annx" in seen.text and seen.id > done.id)
    assert not listed.preview
    await ann.says("/model annx")
    await ann.until(lambda seen: "Download" in seen.labels, 40)
    await ann.answered(await ann.presses("Download"))
    file = await ann.until(lambda seen: "document" in seen.message.wire, 40)
    assert file.message.wire["document"]["file_name"].endswith(".safetensors")
    assert sum("<lora:" in seen.text for seen in ann.heard if seen.id <= done.id) == 1


@evening.scene
async def test_a_live_message_deleted_by_its_reader_is_posted_anew_and_a_blocked_chat_keeps_its_job(one: Scene) -> None:
    bob = one.somebody()
    await bob.says(f"/train bobx {SHORT}", zip=one.zip())
    await bob.until(lambda seen: "Start" in seen.labels)
    await bob.presses("Start")
    live = await bob.until("Training bobx", 30)
    await bob.deletes(live)
    anew = await bob.until(lambda seen: "bobx" in seen.text and seen.id > live.id, 40)
    await bob.until(lambda seen: seen.id == anew.id and seen.edits > 0, 40)
    await bob.blocks()
    calls = one.server.calls
    await one.server.until(lambda: any(c.status == 403 and c.text("chat_id") == str(bob.chat.id) for c in calls), 40)
    await bob.unblocks()
    await bob.says("/status")
    await bob.until(lambda seen: finished(seen) and seen.id >= anew.id, 80)
    assert "bobx" in (await bob.until(finished)).text
