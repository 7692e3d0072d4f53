"""The desk before a small office in memory: what a person reads, and what was really done."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.desk import Desk, Premises
from bot.ports import Office as OfficePort
from bot.ports import Said
from notifier.card import Card, Tone
from notifier.ports import MessageId, Unreachable
from notifier.words import Words
from pipeline.domain.account import Room
from pipeline.domain.catalogue import Model
from pipeline.domain.checkpoint import KEPT_FOR, Checkpoint, Kept
from pipeline.domain.dataset import Finding, Inspection
from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.ids import AccountId, Identity, JobId, MachineId, Sha256, Slug
from pipeline.domain.job import Address, Artifact, Ending
from pipeline.domain.money import Points
from pipeline.domain.stage import End, Stage
from tests.support.notified import Chat, picture_of
from tests.support.office import Office, picture, pictures
from tests.support.virtual import EPOCH

ZIP, MORE, BROKEN = Path("pictures.zip"), Path("more.zip"), Path("broken.zip")
FILES: dict[Path, Inspection | UserFault] = {
    ZIP: pictures(*range(12)),
    MORE: pictures(*range(20, 25)),
    BROKEN: UserFault("not-an-archive"),
    **{Path(f"{n}.jpg"): pictures(n) for n in range(30)},
}
EN = Words("en", strict=True)
COPIED = EN.say("chat-quote-copied")


@dataclass
class Booth:
    """People, a desk, an office and a chat."""

    office: Office = field(default_factory=lambda: Office(FILES))
    chat: Chat = field(default_factory=Chat)
    at: datetime = EPOCH

    def __post_init__(self) -> None:
        office: OfficePort = self.office
        self.desk = Desk(office, {"memory": self.chat}, lambda _: EN, self, Premises(spool=Path("spool")))

    def now(self) -> datetime:
        return self.at

    def hear(self, *remarks: Said) -> list[Card]:
        """Say `remarks` one after the other; the cards that were sent or edited meanwhile."""
        before = len(self.chat.calls)

        async def talk() -> None:
            for remark in remarks:
                await self.desk.hear(remark)

        asyncio.run(talk())
        return [card for _, _, card in self.chat.calls[before:]]

    def quoted(self) -> Card:
        return self.hear(said("/train ohwx steps=30", ZIP))[-1]

    def started(self) -> JobId:
        quote = self.quoted()
        self.hear(pressed(quote.buttons[0].action))
        return self.office.filed[0].id


def said(text: str = "", *files: Path, who: str = "ann") -> Said:
    return Said(identity=Identity(f"memory:{who}"), address=Address("memory", who), text=text, attachments=files)


def pressed(action: str, message: str = "m1", who: str = "ann") -> Said:
    return replace(said(who=who), pressed=action, message=MessageId(message))


def read(cards: list[Card]) -> str:
    return "\n".join(picture_of(card) for card in cards)


def test_a_zip_with_train_is_answered_with_one_quote_card_and_nothing_else() -> None:
    (quote,) = Booth().hear(said("/train ohwx steps=30", ZIP))
    assert quote.title == "Train ohwx on 12 pictures?"
    assert "12 pictures are ready." in quote.lines
    fields = dict(quote.fields)
    assert fields["Expected price"] == "6,000 points ($0.60)"
    assert fields["Ceiling"] == "8,400 points ($0.84)"
    assert fields["Training starts"] == "in about 15 min"
    assert fields["Model ready"] == "in about 2 hr, 13 min"
    assert fields["Balance after"] == "94,000 points"
    assert [button.label for button in quote.buttons] == ["Start", "Change", "Cancel"]


def test_the_first_button_of_a_quote_starts_the_job_and_leaves_the_first_message_to_the_relay() -> None:
    booth = Booth()
    quote = booth.quoted()
    sent = len(booth.chat.messages)
    edits = booth.hear(pressed(quote.buttons[0].action))
    assert [job.recipe.steps for job in booth.office.filed] == [30]
    assert len(booth.chat.messages) == sent
    assert edits == [replace(quote, buttons=(), final=True)]


def test_start_pressed_twice_is_one_job_and_later_on_says_so() -> None:
    booth = Booth()
    start = booth.quoted().buttons[0].action
    booth.hear(pressed(start), pressed(start))
    assert len(booth.office.filed) == 1
    booth.at += timedelta(minutes=5)
    assert read(booth.hear(pressed(start))) == read([Card(title="", lines=(EN.say("chat-already-started"),))])


URL = "https://example.com/pictures.zip"


def test_a_link_with_train_is_answered_with_one_quote_and_alone_it_is_counted() -> None:
    (quote,) = Booth().hear(said(f"/train ohwx url={URL}"))
    assert quote.title == "Train ohwx on 12 pictures?"
    (counted,) = Booth().hear(said(f"/train url={URL}"))
    assert counted.title == "12 pictures in the draft"


def test_who_waits_for_a_link_is_told_what_for() -> None:
    booth = Booth(office=Office(FILES, seconds=0.05))
    booth.desk = Desk(booth.office, {"memory": booth.chat}, lambda _: EN, booth, Premises(silent=0.01))
    waiting, quote = booth.hear(said(f"/train ohwx url={URL}"))
    assert waiting.lines == (EN.say("chat-link-fetching"),)
    assert quote.title == "Train ohwx on 12 pictures?"


def test_a_link_that_fails_is_one_sentence_and_no_quote() -> None:
    (refusal,) = Booth().hear(said("/train ohwx url=https://example.com/broken.zip"))
    assert refusal.lines == (EN.fault(UserFault("not-an-archive")),)


def test_a_late_photo_forces_a_new_quote() -> None:
    booth = Booth()
    start = booth.quoted().buttons[0].action
    (_, refusal) = booth.hear(said("", MORE), pressed(start))
    assert EN.fault(UserFault("quote-changed")) in refusal.lines
    assert booth.office.filed == []
    assert booth.hear(said("/train"))[-1].buttons[0].action != start


def test_the_first_quote_says_where_the_pictures_go_and_after_an_order_it_is_known() -> None:
    booth = Booth()
    assert COPIED in booth.quoted().lines
    booth.started()
    assert COPIED not in booth.quoted().lines


def test_a_purse_below_the_ceiling_is_said_on_the_quote() -> None:
    booth = Booth(office=Office(FILES, purse=Points(8000)))
    quote = booth.quoted()
    assert quote.tone is Tone.BAD
    assert "You need 400 points more: the ceiling must be covered before it can start." in quote.lines


def test_what_is_wrong_with_pictures_is_named_on_the_quote_and_long_lists_are_counted() -> None:
    found = [Finding("broken-picture", f"{n}.jpg") for n in range(7)]
    office = Office({ZIP: Inspection(tuple(picture(n) for n in range(12)), tuple(found))})
    told = read([Booth(office=office).quoted()])
    assert "7 remarks about the pictures:" in told
    assert "6.jpg: left out, the picture is damaged." in told
    assert "… and 2 more." in told
    assert "0.jpg" not in told


def test_too_few_pictures_are_one_sentence_and_no_quote() -> None:
    booth = Booth()
    (answer,) = booth.hear(said("/train ohwx", MORE))
    assert answer.lines == (EN.fault(UserFault("dataset-too-small", have=5, need=10)),)
    assert booth.office.quotes == {}


@pytest.mark.parametrize("text", ["/train ohwx", ""])
def test_a_file_that_is_no_archive_is_one_sentence(text: str) -> None:
    (answer,) = Booth().hear(said(text, BROKEN))
    assert answer.lines == (EN.fault(UserFault("not-an-archive")),)


def test_one_broken_file_of_three_keeps_no_other_out() -> None:
    booth = Booth()
    refusal, count = booth.hear(said("", ZIP, BROKEN, MORE))
    assert refusal.lines == (EN.fault(UserFault("not-an-archive")),)
    assert count.title == "17 pictures in the draft"


def test_an_album_of_ten_remarks_at_once_is_counted_by_one_message() -> None:
    booth = Booth()
    booth.chat.seconds = 0.001

    async def album() -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(10):
                group.create_task(booth.desk.hear(said("", Path(f"{n}.jpg"))))

    asyncio.run(album())
    (count,) = booth.chat.messages.values()
    assert count.title == "10 pictures in the draft"
    assert booth.chat.most_at_once == 1


def test_a_picture_after_other_words_is_counted_in_a_new_message_below_them() -> None:
    booth = Booth()
    booth.hear(said("", Path("1.jpg")), said("/help"), said("", Path("2.jpg")))
    assert [card.title for card in booth.chat.messages.values()] == [
        "One picture in the draft",
        "What I can do",
        "2 pictures in the draft",
    ]


def test_dataset_names_the_smallest_by_the_number_that_drop_takes() -> None:
    booth = Booth()
    (shown,) = booth.hear(said("", ZIP), said("/dataset"))[1:]
    assert "No. 1: 1000 × 600 0.jpg" in read([shown])
    (dropped,) = booth.hear(said("/dataset drop 1"))
    assert dropped.title == "11 pictures in the draft"
    assert "No. 1: 1001 × 601 1.jpg" in read([dropped])
    (refused,) = booth.hear(said("/dataset drop 99"))
    assert refused.lines == (EN.fault(UserFault("no-such-picture", got=99)),)
    (cleared,) = booth.hear(pressed(shown.buttons[0].action))
    assert cleared.title == "No pictures in the draft"


def test_cancel_on_a_quote_takes_its_buttons_and_starts_nothing() -> None:
    booth = Booth()
    quote = booth.quoted()
    (declined,) = booth.hear(pressed(quote.buttons[2].action))
    assert declined.lines == (EN.say("chat-declined"),)
    assert list(booth.chat.messages.values()) == [declined]
    assert booth.office.filed == []


def test_cancel_on_a_quote_that_was_started_does_not_claim_that_nothing_runs() -> None:
    booth = Booth()
    quote = booth.quoted()
    booth.hear(pressed(quote.buttons[0].action))
    (answer,) = booth.hear(pressed(quote.buttons[2].action))
    assert answer.lines == (EN.say("chat-already-started"),)


def test_change_keeps_draft_and_options_and_train_goes_on_from_them() -> None:
    booth = Booth()
    quote = booth.quoted()
    (how,) = booth.hear(pressed(quote.buttons[1].action))
    assert "/train ohwx steps=30" in how.lines[0]
    (again,) = booth.hear(said("/train rank=32"))
    assert again.title == quote.title
    assert booth.office.quotes[AccountId("account of memory:ann")].recipe.steps == 30


def test_stop_typed_is_answered_and_stop_pressed_is_left_to_the_live_card() -> None:
    booth = Booth()
    job = booth.started()
    assert booth.hear(pressed(f"stop:{job}")) == []
    assert booth.office.filed[0].wish == "stop"
    (answer,) = booth.hear(said("/cancel"))
    assert answer.lines == (EN.say("chat-wish-cancel", slug="ohwx"),)
    assert booth.office.filed[0].wish == "cancel"


@pytest.mark.parametrize("who", ["bob", "operator"])
@pytest.mark.parametrize("verb", ["stop", "cancel", "start", "change", "decline"])
def test_every_button_of_a_foreign_job_is_answered_as_one_that_does_not_exist(verb: str, who: str) -> None:
    booth = Booth()
    quote = booth.quoted()
    job = booth.started()
    theirs = job if verb in {"stop", "cancel"} else quote.buttons[0].action.partition(":")[2]
    foreign = read(booth.hear(pressed(f"{verb}:{theirs}", who=who)))
    absent = read(booth.hear(pressed(f"{verb}:{'0' * len(theirs)}", who=who)))
    assert foreign == absent
    assert foreign
    assert booth.office.filed[0].wish is None
    assert len(booth.office.filed) == 1


def test_a_log_is_the_trainers_last_words_as_they_are_and_one_s_own_only() -> None:
    booth = Booth(office=Office(FILES, words=["step 1", "<b>step</b> 2"]))
    job = booth.started()
    for ask in (said("/log"), said(f"/log {job}"), pressed(f"log:{job}")):
        (card,) = booth.hear(ask)
        assert (card.code, card.lines) == ("step 1\n<b>step</b> 2", ())
    for ask in (said(f"/log {job}", who="bob"), pressed(f"log:{job}", who="bob"), pressed("log:")):
        assert booth.hear(ask)[-1].lines == (EN.fault(UserFault("no-such-job")),)
    booth.office.words = []
    assert booth.hear(said("/log"))[-1].lines == (EN.say("chat-log-none"),)


def test_foreign_jobs_and_private_models_are_not_there_for_words_either() -> None:
    booth = Booth()
    job = booth.started()
    booth.office.listed.append(a_model())
    for command in (f"/status {job}", f"/stop {job}", f"/cancel {job}"):
        assert read(booth.hear(said(command, who="bob"))) == read(booth.hear(said("/status 000000000000", who="bob")))
    assert EN.say("chat-models-none") in read(booth.hear(said("/models", who="bob")))
    told = read(booth.hear(said("/model ohwx", who="bob")))
    assert told == read(booth.hear(said("/model nothing", who="bob"))).replace("nothing", "ohwx")


def test_no_button_carries_more_than_64_bytes() -> None:
    booth = Booth()
    booth.started()
    cards = [booth.quoted(), *booth.hear(said("/dataset"), said("/status"))]
    assert all(len(button.action.encode()) <= 64 for card in cards for button in card.buttons)
    assert sum(len(card.buttons) for card in cards) >= 5


def test_status_is_the_live_card_of_the_moment_and_says_when_there_is_none() -> None:
    booth = Booth()
    assert EN.say("chat-jobs-none") in read(booth.hear(said("/status")))
    job = booth.started()
    (card,) = booth.hear(said(f"/status {job}"))
    assert card.title == EN.say("running-title", slug="ohwx")
    assert card.final
    (listed,) = booth.hear(said("/jobs"))
    assert listed.fields == ((job, "ohwx: checking and packing your pictures, 30 steps, ordered 0 sec ago"),)


def a_model() -> Model:
    return Model(
        slug=Slug("ohwx"), account=AccountId("account of memory:ann"), job=JobId("k3v9aaaaaaaa"), trigger="ohwx",
        base="flux1-dev", name="", url="https://hub.example/ann/ohwx", repo="ann/ohwx", public=False,
        sha256=Sha256("a" * 64), size=171_969_664, step=250, steps=2000, incomplete=True, made_at=EPOCH,
        sheet="sheets/k3v9.jpg", pictures=12, rank=16, lr=1e-4,
    )  # fmt: skip


def test_a_model_shows_how_to_call_it_where_it_is_and_what_it_is() -> None:
    booth = Booth()
    booth.office.listed.append(a_model())
    (listed, card) = booth.hear(said("/models"), said("/model ohwx"))
    assert listed.fields == (("ohwx", "trigger ohwx, flux1-dev, 250 steps, yours"),)
    assert "<lora:ohwx:0.8>" in card.lines[0]
    assert "https://hub.example/ann/ohwx" in card.lines
    assert card.picture == Path("spool/sheets/k3v9.jpg")
    told = read([card])
    assert "Incomplete: stopped at step 250." in told
    assert "172 MB" in told
    assert "a" * 64 in told


def test_balance_and_receipts_tell_what_is_there_and_what_is_held() -> None:
    booth = Booth()
    job = booth.started()
    (balance, receipts) = booth.hear(said("/balance"), said("/receipts"))
    assert balance.fields == (("Available", "91,600 points ($9.16)"), ("Held for trainings", "8,400 points"))
    assert [what for what, _ in receipts.fields] == [f"Held for training {job}", "Welcome points"]
    assert receipts.fields[0][1] == "8,400 points, 0 sec ago, 91,600 left"


def test_our_own_fault_is_one_kind_sentence_and_the_next_remark_is_heard() -> None:
    booth = Booth()
    for error, blame in ((OperatorFault("store-locked"), "operator"), (RuntimeError("secret"), "bug")):
        booth.office.raises = error
        (answer,) = booth.hear(said("/jobs"))
        assert answer.lines == (EN.say(f"blame-{blame}"),)
    assert booth.hear(said("/help"))


def test_hear_never_raises_even_when_nobody_can_be_answered() -> None:
    booth = Booth()
    booth.chat.fails = [Unreachable(), RuntimeError("wire"), RuntimeError("wire")]
    assert booth.hear(said("/help"), said("/help")) == []
    lost = replace(said("/help"), address=Address("nowhere", "7"))
    assert booth.hear(lost) == []
    assert booth.hear(said("/help"))


def test_the_desk_starts_without_any_chat_library() -> None:
    heavy = ("prompt_toolkit", "aiogram", "discord", "matplotlib", "rich.live")  # structlog brings the rest of rich
    seen = f"import sys, bot.desk; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def group(text: str, who: str = "ann") -> Said:
    return replace(said(text, who=who), address=Address("memory", "-5"), private=False)


def test_before_others_a_status_shows_how_far_it_is_and_nothing_else() -> None:
    booth = Booth()
    booth.started()
    (card,) = booth.hear(group("/status"))
    assert card.title == EN.say("running-title", slug="ohwx")
    assert (card.fields, card.buttons, card.picture) == ((), (), None)
    assert "points" not in read([card])


def test_before_others_only_public_models_are_there_and_no_sample_of_them() -> None:
    booth = Booth()
    booth.office.listed += [a_model(), replace(a_model(), slug=Slug("seen"), public=True)]
    (listed, hidden, shown) = booth.hear(group("/models"), group("/model ohwx"), group("/model seen"))
    assert [slug for slug, _ in listed.fields] == ["seen"]
    assert hidden.lines == (EN.fault(UserFault("no-such-model", slug="ohwx")),)
    assert shown.picture is None
    assert [button.action for button in shown.buttons] == ["samples:k3v9aaaaaaaa"]


def test_before_others_money_is_answered_with_a_way_to_be_alone() -> None:
    booth = Booth()
    for name in ("balance", "receipts", "train", "dataset", "jobs", "stop"):
        (card,) = booth.hear(group(f"/{name}"))
        assert card.lines == (EN.say("chat-aside"),)
        assert [button.action for button in card.buttons] == [f"private:{name}"]


def test_a_hundred_pictures_at_once_are_counted_in_few_edits_and_the_last_count_is_true() -> None:
    booth = Booth(office=Office({Path(f"{n}.jpg"): pictures(n) for n in range(100)}))
    booth.chat.seconds = 0.01

    async def albums() -> None:
        async with asyncio.TaskGroup() as all_at_once:
            for n in range(100):
                all_at_once.create_task(booth.desk.hear(said("", Path(f"{n}.jpg"))))

    asyncio.run(albums())
    assert booth.chat.only.title == "100 pictures in the draft"
    assert len(booth.chat.calls) <= 10


def kept(job: JobId, step: int, *, current: bool = False) -> Kept:
    one = Checkpoint(
        step=step, sha256=Sha256(f"{step:064x}"), size=900, ups=Sha256(f"{step:064x}"), at=EPOCH, machine=MachineId("m")
    )
    return Kept(training=job, checkpoint=one, price=Points(0), current=current, until=EPOCH + KEPT_FOR)


def delivering(booth: Booth, folder: Path, **changes: Any) -> JobId:
    """A job of Ann's whose weights are at home."""
    booth.desk._premises = replace(booth.desk._premises, spool=folder)
    (folder / "weights.bin").write_bytes(b"w" * 900)
    number = booth.started()
    artifact = Artifact(file="weights.bin", sha256=Sha256("a" * 64), size=900, step=30)
    ended = {
        "stage": Stage.DONE,
        "ending": Ending(End.DONE),
        "artifact": artifact,
        "url": "https://hub.example/ann/ohwx",
    }
    booth.office.filed[0] = replace(booth.office.filed[0], **{**ended, **changes})
    return number


def test_a_paid_model_is_handed_over_as_a_file_under_its_name(tmp_path: Path) -> None:
    booth = Booth()
    job = delivering(booth, tmp_path)
    assert booth.hear(pressed(f"download:{job}")) == []
    assert booth.chat.files == [("ann", "ohwx.safetensors", 900)]
    assert [file.name for file in tmp_path.iterdir()] == ["weights.bin"]


def test_a_model_larger_than_the_chat_carries_is_where_it_was_published(tmp_path: Path) -> None:
    booth = Booth()
    booth.chat.carries = 500
    (card,) = booth.hear(pressed(f"download:{delivering(booth, tmp_path)}"))
    assert "https://hub.example/ann/ohwx" in card.lines


def test_its_owner_may_choose_another_of_the_kept_checkpoints(tmp_path: Path) -> None:
    booth = Booth()
    job = delivering(booth, tmp_path, slug=Slug("ohwx"))
    booth.office.listed.append(replace(a_model(), job=job))
    booth.office.sets = [kept(job, 30, current=True), kept(job, 20), kept(job, 10)]
    (card,) = booth.hear(said("/model ohwx"))
    assert [button.action for button in card.buttons] == [f"download:{job}", f"take:{job}-20", f"take:{job}-10"]
    assert any("Jan 31, 2030" in line for line in card.lines)
    assert booth.hear(pressed(card.buttons[1].action)) == []  # its live message says the rest
    taken = booth.office.filed[0]
    assert (taken.of, taken.chosen and taken.chosen.step, taken.address.room) == (job, 20, Room.DM)
    (refused,) = booth.hear(pressed(f"take:{job}-25"))
    assert refused.lines == (EN.fault(UserFault("checkpoint-gone", step=25)),)


def test_an_old_download_button_hands_over_the_checkpoint_that_is_the_model_now(tmp_path: Path) -> None:
    booth = Booth()
    job = delivering(booth, tmp_path, slug=Slug("ohwx"))
    (tmp_path / "chosen.bin").write_bytes(b"c" * 700)
    first = booth.office.filed[0]
    assert first.artifact is not None
    chosen = replace(first.artifact, file="chosen.bin", size=700, step=20)
    booth.office.filed.insert(0, replace(first, id=JobId("r3v9aaaaaaaa"), of=job, artifact=chosen))
    booth.office.listed.append(replace(a_model(), job=JobId("r3v9aaaaaaaa")))
    assert booth.hear(pressed(f"download:{job}")) == []
    assert booth.chat.files == [("ann", "ohwx.safetensors", 700)]


@pytest.mark.parametrize("changes", [{"stage": Stage.BILL}, {"ending": Ending(End.FAILED)}, {"artifact": None}])
def test_nothing_is_downloaded_before_it_is_paid(changes: dict[str, Any], tmp_path: Path) -> None:
    booth = Booth()
    job = delivering(booth, tmp_path, **changes)
    assert read(booth.hear(pressed(f"download:{job}"))) == read(booth.hear(pressed("download:000000000000")))
    assert booth.chat.files == []


def test_a_model_of_somebody_else_is_not_downloaded_by_its_number(tmp_path: Path) -> None:
    booth = Booth()
    job = delivering(booth, tmp_path)
    foreign = read(booth.hear(pressed(f"download:{job}", who="bob")))
    assert foreign == read(booth.hear(pressed("download:000000000000", who="bob")))
    assert booth.chat.files == []


def test_discord_7_is_not_telegram_7() -> None:
    booth = Booth()
    booth.desk._premises = replace(booth.desk._premises, operators=frozenset({Identity("telegram:7")}))
    for identity, given in (("discord:7", False), ("telegram:77", False), ("telegram:7", True)):
        (card,) = booth.hear(replace(said("/grant telegram:8 5000"), identity=Identity(identity)))
        assert ("5,000 points for telegram:8" in read([card])) is given


def test_samples_go_before_others_only_after_their_owners_tap(tmp_path: Path) -> None:
    booth = Booth()
    job = delivering(booth, tmp_path, slug=Slug("seen"))
    booth.office.listed.append(replace(a_model(), slug=Slug("seen"), public=True, job=job))
    (others,) = booth.hear(
        replace(pressed(f"samples:{job}", who="bob"), address=Address("memory", "-5"), private=False)
    )
    assert (others.picture, others.lines) == (None, (EN.fault(UserFault("no-such-job")),))
    (card,) = booth.hear(replace(pressed(f"samples:{job}"), address=Address("memory", "-5"), private=False))
    assert card.shared
    assert card.picture == tmp_path / "sheets/k3v9.jpg"


@pytest.mark.parametrize("verb", ["start", "stop", "cancel", "download", "clear"])
def test_before_others_no_forged_button_does_anything(verb: str) -> None:
    booth = Booth()
    quote = booth.quoted()
    of = quote.buttons[0].action.partition(":")[2]
    forged = replace(pressed(f"{verb}:{of}"), address=Address("memory", "-5"), private=False)
    (told,) = booth.hear(forged)
    assert told.lines == (EN.say("chat-button-gone"),)
    assert booth.office.filed == []
