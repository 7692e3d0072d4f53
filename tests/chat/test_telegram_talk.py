"""A Telegram chat without a training in it: what people send, press, forge and edit. All scenes share one bot."""

from tests.chat.telegram_scene import Scene, evening, pictures
from tests.support.telegram import Person, Seen

HOSTILE = "@durov /start t.me/x <b>x</b> {$n} \u202egnp.piz"


def quoted(seen: Seen) -> bool:
    return "Start" in seen.labels


async def wants(who: Person, one: Scene, trigger: str = "ohwx") -> Seen:
    """A quote, asked for."""
    await who.says(f"/train {trigger} steps=60 samples=0", zip=one.zip())
    return await who.until(quoted, 40)


@evening.scene
async def test_an_album_out_of_order_with_doubles_is_counted_by_one_message_and_loses_nothing(one: Scene) -> None:
    ann = one.somebody()
    sent = await ann.album(pictures(6), order=[5, 0, 3, 1, 4, 2])
    await ann.forwards(sent[2])
    counted = await ann.until("6 pictures", 40)
    await ann.says("/dataset")
    looked = await ann.until(lambda seen: "6 pictures" in seen.text and seen.id > counted.id, 40)
    assert [seen.id for seen in ann.heard] == [counted.id, looked.id]
    assert len(set(one.server.files.fetched_of(sent))) == 6


@evening.scene
async def test_a_double_click_on_start_is_one_job_and_both_presses_are_answered(one: Scene) -> None:
    ann = one.somebody()
    quote = await wants(ann, one)
    presses = [await ann.presses("Start", quote) for _ in range(3)]
    for press in presses:
        await ann.answered(press)
    live = await ann.until("Training ohwx", 40)
    await ann.until(lambda seen: seen.id == quote.id and not seen.buttons, 40)
    await ann.presses("Cancel", await ann.until(lambda seen: seen.id == live.id and "Cancel" in seen.labels, 40))
    await ann.until("ohwx was cancelled", 60)
    await ann.says("/jobs")
    listed = await ann.until(lambda seen: seen.id > live.id and "cancelled" in seen.text and not seen.buttons, 40)
    assert listed.text.count("ohwx") == 1


@evening.scene
async def test_a_late_photo_forces_a_new_quote(one: Scene) -> None:
    ann = one.somebody()
    quote = await wants(ann, one)
    await ann.says(photo=pictures(1, 700)[0])
    await ann.until("13 pictures", 40)
    await ann.answered(await ann.presses("Start", quote))
    told = await ann.until(lambda seen: seen.id > quote.id and "13 pictures" not in seen.text, 40)
    assert "Training" not in told.text


@evening.scene
async def test_every_button_x_role_x_foreign_job_one_same_answer(one: Scene) -> None:
    ann, eve, fay = one.somebody(), one.somebody(), one.somebody()
    quote = await wants(ann, one)
    digest = quote.button("Start").data.partition(":")[2]
    for who, aim in ((eve, digest), (fay, "0123456789abcdef")):  # somebody else's, and nobody's
        await who.says("/help")
        shown = await who.until("/train", 40)
        for verb in ("start", "change", "stop", "cancel", "decline"):
            await who.answered(who.forges(f"{verb}:{aim}", shown))
        await who.until("Not started", 40)
        await who.says("/balance")
        await who.until("Available", 40)
    assert [seen.text for seen in eve.heard] == [seen.text for seen in fay.heard]
    assert [seen.id for seen in ann.heard] == [quote.id]


@evening.scene
async def test_two_anonymous_admins_share_no_purse(one: Scene) -> None:
    ann, bob = one.somebody(), one.somebody()
    team = one.team(ann, bob)
    for person in (ann, bob):
        hidden = team.anonymous(person)
        before = len(hidden.heard)
        await hidden.says("/balance")
        told = await hidden.hears(before, 40)
        assert "point" not in told.text
        assert "yourself" in told.text


@evening.scene
async def test_hostile_names_give_harmless_names_entities(one: Scene) -> None:
    ann = one.somebody()
    marks = []
    for name in ("holidays.zip", f"{HOSTILE}.zip"):
        before = len(ann.heard)
        await ann.says(size=30 << 20, name=name)
        told = await ann.hears(before, 40)
        marks.append([kind for kind, _ in told.marks])
    assert marks[0] == marks[1]
    assert "code" in marks[0]


@evening.scene
async def test_a_file_over_20_mb_is_never_asked_for_and_the_answer_names_other_ways(one: Scene) -> None:
    ann = one.somebody()
    await ann.says("/train ohwx", size=(20 << 20) + 1, name="toobig.zip")
    told = await ann.until("toobig.zip", 40)
    assert "smaller zips" in told.text
    assert "toobig.zip" not in one.server.files.fetched
    assert not any(quoted(seen) for seen in ann.heard)


@evening.scene
async def test_a_caption_edited_into_a_command_is_heard(one: Scene) -> None:
    ann = one.somebody()
    sent = await ann.says("/trian ohwx steps=60 samples=0", zip=one.zip())
    await ann.until("/trian", 40)
    await ann.edits(sent, "/train ohwx steps=60 samples=0")
    assert "12 pictures" in (await ann.until(quoted, 40)).text


@evening.scene
async def test_a_reply_to_ones_own_zip_trains_on_it(one: Scene) -> None:
    ann = one.somebody()
    sent = await ann.says(zip=one.zip())
    await ann.until("12 pictures", 40)
    await ann.replies(sent, "/train ohwx steps=60 samples=0")
    assert "12 pictures" in (await ann.until(quoted, 40)).text


@evening.scene
async def test_a_reply_to_anothers_zip_trains_nothing_unallowed(one: Scene) -> None:
    ann, eve = one.somebody(), one.somebody()
    team = one.team(ann, eve)
    hers, evil = ann.in_(team), eve.in_(team)
    sent = await hers.says(zip=one.zip())
    await evil.replies(sent, "/train evil steps=60 samples=0")
    asked = await hers.until(lambda seen: "Allow" in seen.labels, 40)
    await evil.answered(await evil.presses("Allow", asked))
    await evil.says("/models")  # whatever that press did has been done before this is answered
    await evil.until(lambda seen: seen.id > asked.id, 40)
    assert one.server.files.fetched_of([sent]) == []
    assert not any(quoted(seen) for seen in [*eve.heard, *hers.heard])
    await hers.presses("Allow", asked)
    assert "12 pictures" in (await eve.until(quoted, 40)).text
    assert not any("point" in seen.text for seen in hers.heard)


@evening.scene
async def test_a_group_that_moved_is_answered_where_it_is_now(one: Scene) -> None:
    ann = one.somebody()
    team = one.team(ann)
    gate = one.server.faults.hold("sendMessage", team.chat.id)
    await ann.in_(team).says("/models")
    await one.server.until(
        lambda: len(one.server.called("sendMessage")) > 0 and not one.server.faults.armed(team.chat.id)
    )
    fresh = await team.migrates(ann)
    gate.set()
    there = ann.in_(fresh)
    await there.hears(0, 40)
    await there.says("/models")
    await there.hears(1, 40)
    assert ann.in_(team).heard == []


@evening.scene
async def test_a_link_that_died_before_it_was_followed_is_asked_for_again(one: Scene) -> None:
    ann = one.somebody()
    zipped = one.server.files.document("set.zip", one.zip().read_bytes())
    one.server.files.stillborn.add(zipped.unique)
    await ann.says(file=zipped)
    await ann.until("12 pictures", 40)
    assert one.server.files.asked.count(zipped.unique) == 2


@evening.scene
async def test_in_groups_money_and_drafts_stay_with_the_person(one: Scene) -> None:
    cat = one.somebody()
    team = one.team(cat)
    there = cat.in_(team)
    await cat.says(zip=one.zip())
    await cat.until("12 pictures", 40)
    await there.says("/train catx steps=60 samples=0")
    told = await one.server.until(lambda: there.heard, 40, "nothing said in the group")
    assert not any("point" in seen.text or quoted(seen) for seen in told)
    await there.says("/models@station_bot")
    await one.server.until(lambda: len(there.heard) > 1, 40)
    await there.says("/models@other_bot")
    await there.says("hello there")
    await cat.says("/balance")
    assert "200,000" in (await cat.until("200,000", 40)).text
    assert len(there.heard) == 2


@evening.scene
async def test_a_429_is_waited_out_exactly(one: Scene) -> None:
    ann = one.somebody()
    one.server.faults.flood("sendMessage", 2, chat=ann.chat.id)
    await ann.says("/help")
    await ann.until("train", 40)
    refused, said = [call for call in one.server.called("sendMessage") if call.text("chat_id") == str(ann.chat.id)]
    assert refused.status == 429
    assert 2.0 <= said.at - refused.at < 4.0


@evening.scene
async def test_an_edit_whose_answer_was_lost_is_no_second_message(one: Scene) -> None:
    ann = one.somebody()
    one.server.faults.lose("editMessageText", chat=ann.chat.id)
    await ann.album(pictures(3))
    await ann.until("3 pictures", 40)
    await ann.says("/help")
    await ann.until("train", 40)
    assert sum("picture" in seen.text.partition("\n")[0] for seen in ann.heard) == 1


@evening.scene
async def test_an_answer_that_did_not_arrive_is_said_again(one: Scene) -> None:
    ann = one.somebody()
    one.server.faults.fail("sendMessage", chat=ann.chat.id)
    await ann.says("/help")
    await ann.until("train", 40)


@evening.scene
async def test_a_slow_file_holds_up_no_button(one: Scene) -> None:
    ann = one.somebody()
    quote = await wants(ann, one)
    gate = one.server.faults.hold("getFile")
    await ann.says(photo=pictures(1, 800)[0])
    await one.server.until(lambda: "getFile" in one.server.faults.struck)
    await ann.answered(await ann.presses("Change", quote))
    await ann.until("Send /train again", 40)
    gate.set()
    await ann.until("13 pictures", 40)


@evening.scene
async def test_the_menu_is_set_for_private_chats_and_groups_and_every_name_is_allowed(one: Scene) -> None:
    profile = one.server.knowing.profile
    await one.server.until(lambda: ("short_description", "") in profile.texts)
    private = {entry["command"] for entry in profile.commands["all_private_chats", ""]}
    group = {entry["command"] for entry in profile.commands["all_group_chats", ""]}
    assert {"train", "models", "status", "jobs", "balance", "help"} <= private
    assert {"train", "models", "status"} <= group < private
    assert profile.texts["description", ""]


@evening.scene
async def test_a_link_with_a_payload_starts_as_any_start_does(one: Scene) -> None:
    dan = one.somebody(started=False, language=None)
    await dan.starts("welcome")
    await dan.until("/train", 40)
    assert not any(seen.preview for seen in dan.heard)
