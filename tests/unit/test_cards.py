"""Whole cards, as a person reads them."""

from dataclasses import replace
from datetime import datetime, timedelta
from textwrap import dedent

import pytest

from notifier.card import Card
from notifier.cards import render
from notifier.view import view_of
from notifier.words import Words
from pipeline.domain.checkpoint import Checkpoint
from pipeline.domain.events import (
    Billed,
    Collected,
    Delayed,
    MachineRented,
    Moving,
    Published,
    Registered,
    Restarted,
    StageReached,
)
from pipeline.domain.faults import Blame
from pipeline.domain.ids import InstanceId, JobId, MachineId, Sha256, Slug
from pipeline.domain.job import Alert, Artifact, Ending, Job, Rental
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.progress import Progress
from pipeline.domain.stage import End, Stage, Wish
from pipeline.ports import Pace
from tests.support.notified import JOB, SPOOL, after, machine, ordered, picture_of, stepping, told
from tests.support.virtual import EPOCH

WORDS = Words("en", strict=True)
ZERO = Sha256("0" * 64)
ARTIFACT = Artifact(file="models/x", sha256=Sha256("0" * 64), size=1, step=2000, sheet="jobs/s.jpg", final_loss=0.2)


def card(job: Job, progress: Progress | None, now: datetime, *, simulated: bool = False, pace: float = 1.0) -> Card:
    view = view_of(job, progress)
    return render(view, WORDS, now=now, spool=SPOOL, simulated=simulated, pace=Pace(pace))


def reads(shown: Card, expected: str) -> None:
    assert picture_of(shown) == dedent(expected).strip()


def at(stage: Stage, minutes: float, job: Job | None = None) -> Job:
    return told(job or ordered(), minutes, StageReached(stage=stage, attempt=1), stage=stage)


def rented() -> Job:
    job = told(at(Stage.RENT, 1), 2, MachineRented(gpu="RTX 4090", micro_usd_per_hour=MicroUsd(360_000)))
    return replace(job, machine=machine(after(4)))


def training() -> Job:
    return at(Stage.TRAIN, 10, rented())


def ended(job: Job, ending: Ending, charged: int = 0) -> Job:
    """`job` out of the door, machine given back and billed."""
    job = job.leaving(after(40), ending)
    rental = Rental(instance=InstanceId("i1"), machine=MachineId("m1"), cost=MicroUsd(216_000), useful=charged > 0)
    billed = Billed(charged=Points(charged), returned=Points(8400 - charged))
    return replace(told(job, 41, billed, machine=None, rentals=(rental,)), stage=Stage.DONE)


def finished(step: int = 2000) -> Job:
    artifact = replace(ARTIFACT, step=step)
    job = at(Stage.COLLECT, 130, training())
    job = told(job, 131, Collected(step=step, size=1), artifact=artifact, machine=None, slug=Slug("fluffy-ohwx"))
    job = told(job, 132, Billed(charged=Points(5120), returned=Points(3280)), charged=Points(5120))
    job = told(job, 133, Published(url="https://hub/me/fluffy-ohwx"), url="https://hub/me/fluffy-ohwx")
    return told(job, 134, Registered(slug=Slug("fluffy-ohwx")), stage=Stage.DONE)


def released(step: int = 1500) -> Job:
    """A kept checkpoint of somebody's failed training, on its way to become a model."""
    one = replace(kept(1500), step=step)
    return replace(ordered(), of=JobId("k3v9bbbbbbbb"), chosen=one, quote=replace(ordered().quote, ceiling=Points(700)))


def kept(step: int) -> Checkpoint:
    return Checkpoint(step=step, sha256=ZERO, size=1, ups=ZERO, at=EPOCH, machine=MachineId("m1"))


def test_a_failed_training_says_what_it_left_and_what_that_costs() -> None:
    left = ended(training(), Ending(End.FAILED, Blame.HOST, "trainer-stalled"))
    reads(
        card(replace(left, mirror=(kept(1500),), worth=Points(700), changed_at=after(41)), None, after(42)),
        """
        fluffy-ohwx could not be trained (bad)
        The training stood still there.
        You paid nothing: 8,400 points are back on your balance.
        What it had learned by step 1,500 is kept until Jan 31, 2030. You can still have it, for 700 points.
        Please send /train again: it will get other machines.
        <Take step 1,500 for 700 points|take:k3v9aaaaaaaa-1500>
        """,
    )


def test_a_release_says_which_step_becomes_the_model_and_what_was_paid() -> None:
    reads(
        card(released(), None, EPOCH),
        """
        fluffy-ohwx: step 1,500 becomes the model (busy)
        Step 1 of 4: checking the checkpoint. Next: settling the price.
        <Cancel|cancel:k3v9aaaaaaaa>
        """,
    )
    job = replace(released(), artifact=replace(ARTIFACT, step=1500, sheet=""), slug=Slug("fluffy-ohwx"))
    job = told(job, 1, Billed(charged=Points(700), returned=Points(0)), charged=Points(700))
    job = told(job, 2, Registered(slug=Slug("fluffy-ohwx")), stage=Stage.DONE, ending=Ending(End.DONE))
    reads(
        card(job, None, after(3)),
        """
        fluffy-ohwx is ready (good)
        Your model is now the checkpoint of step 1,500 of 2,000.
        Put <lora:fluffy-ohwx:0.8> into a prompt, together with the word ohwx.
        You paid 700 points.
        Send /model fluffy-ohwx to see it again, or /train to make another one.
        Trigger word: ohwx
        Steps: 1500/2000
        Final loss: 0.2
        """,
    )


def test_the_first_card_says_where_it_is_and_can_be_cancelled() -> None:
    reads(
        card(ordered(), None, EPOCH),
        """
        Training fluffy-ohwx (busy)
        Step 1 of 11: checking and packing your pictures. Next: finding a machine.
        <Cancel|cancel:k3v9aaaaaaaa>
        """,
    )


def test_training_shows_its_figures_and_what_it_costs_against_the_ceiling() -> None:
    reads(
        card(training(), stepping(64, 500), after(64)),
        """
        Training fluffy-ohwx (busy)
        Step 6 of 11: training. Next: bringing your model home.
        Learning from your pictures.
        [#####               ] 500/2000 steps
        Loss: 0.412
        Speed: 3.25 s a step
        Time left: 1 hr, 21 min
        Cost so far: 4,320 of at most 8,400 points
        GPU: RTX 4090, $0.36 an hour
        <Stop and keep|stop:k3v9aaaaaaaa> <Cancel|cancel:k3v9aaaaaaaa> <Log|log:k3v9aaaaaaaa>
        """,
    )


def test_fetching_counts_gigabytes_and_their_speed() -> None:
    fetching = Progress(
        at=after(8), phase="fetching", done=3_100_000_000, total=23_800_000_000, unit="byte",
        bytes_per_second=85_000_000, seconds_left=243,
    )  # fmt: skip
    reads(
        card(at(Stage.FETCH, 7, rented()), fetching, after(8)),
        """
        Training fluffy-ohwx (busy)
        Step 5 of 11: loading the base model. Next: training.
        The machine is downloading the base model.
        [###                 ] 3.1/23.8 GB
        Speed: 85 MB a second
        Time left: 4 min
        Cost so far: 288 of at most 8,400 points
        GPU: RTX 4090, $0.36 an hour
        <Cancel|cancel:k3v9aaaaaaaa>
        """,
    )


def test_a_silence_over_a_minute_shows_the_last_sign_of_life_and_its_reason() -> None:
    shown = card(training(), None, after(13))
    assert ("Last sign of life", "3 min ago") in shown.fields
    assert WORDS.say("why-train") in shown.lines
    quick = card(training(), stepping(12.9, 9), after(13))
    assert all(label != "Last sign of life" for label, _ in quick.fields)
    assert WORDS.say("why-train") not in quick.lines


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.DONE])
def test_every_stage_explains_a_long_wait(stage: Stage) -> None:
    assert WORDS.say(f"why-{stage}") in card(at(stage, 10, rented()), None, after(12)).lines


def test_a_boot_that_still_knocks_is_a_wait_not_a_silence() -> None:
    job = replace(at(Stage.WAIT, 3, rented()), silent_since=after(3))
    shown = card(job, Progress(at=after(8), phase="booting"), after(8.1))
    assert WORDS.say("why-wait") in shown.lines
    assert not any("not answered" in line for line in shown.lines)


def test_a_silent_machine_is_named_with_what_we_will_do() -> None:
    shown = card(replace(training(), silent_since=after(12)), stepping(11.5, 9), after(15))
    assert "The machine has not answered for 3 min. We keep knocking" in shown.lines[2]


def test_a_delay_says_why_and_when_we_try_again() -> None:
    job = told(at(Stage.RENT, 1), 5, Delayed(code="no-offers", again_at=after(9)))
    assert card(job, None, after(5)).lines[1] == (
        "Right now there is no machine on the market that fits. That usually changes within minutes. "
        "We try again in 4 min."
    )
    assert card(job, None, after(8.9)).lines[1].endswith("We try again in a moment.")
    lasting = replace(job, silent_since=after(4))
    assert "This has been so for 3 min." in card(lasting, None, after(7)).lines[1]
    unknown = told(at(Stage.PUBLISH, 1), 5, Delayed(code="publish-token", again_at=after(5)))
    assert card(unknown, None, after(5)).lines[1].startswith("Something we need does not answer right now.")


def test_a_move_says_what_happened_and_that_it_costs_nothing() -> None:
    job = told(training(), 20, Moving(code="machine-gone"), stage=Stage.TERMINATE, moving=True)
    shown = card(job, None, after(20))
    assert shown.lines[1] == (
        "The machine was taken from us. We are moving to another machine; you pay nothing for the one that failed."
    )
    assert shown.buttons == ()


def test_a_wish_is_confirmed_and_takes_its_button_away() -> None:
    stopping = card(replace(training(), wish=Wish.STOP), stepping(11, 9), after(11))
    assert WORDS.say("wish-stop") in stopping.lines
    assert [button.action for button in stopping.buttons] == ["cancel:k3v9aaaaaaaa", "log:k3v9aaaaaaaa"]
    assert card(replace(training(), wish=Wish.CANCEL), None, after(11)).buttons == ()


@pytest.mark.parametrize("stage", [Stage.TERMINATE, Stage.BILL, Stage.PUBLISH, Stage.REGISTER, Stage.DONE])
def test_closing_stages_have_no_buttons(stage: Stage) -> None:
    assert card(at(stage, 20, training()), None, after(20)).buttons == ()


def test_a_finished_model_is_ready_to_be_used() -> None:
    shown = card(finished(), stepping(129, 2000), after(135), simulated=True)
    reads(
        shown,
        """
        fluffy-ohwx is ready (good)
        Your model is trained and checked.
        Put <lora:fluffy-ohwx:0.8> into a prompt, together with the word ohwx.
        https://hub/me/fluffy-ohwx
        You paid 5,120 points; 3,280 points are back on your balance.
        Send /model fluffy-ohwx to see it again, or /train to make another one.
        Sandbox: no GPU was rented and no money was spent.
        Trigger word: ohwx
        Steps: 2000/2000
        Final loss: 0.2
        Training time: 2 hr
        GPU: RTX 4090
        (spool/jobs/s.jpg)
        """,
    )
    assert shown.final


def test_a_stopped_model_is_kept_and_marked() -> None:
    shown = card(replace(finished(750), ending=Ending(End.STOPPED)), None, after(135))
    assert shown.title == "fluffy-ohwx: stopped and kept"
    assert shown.lines[0] == (
        "Your model is kept as it was at step 750 of 2,000 and checked. It is marked as incomplete."
    )
    assert ("Steps", "750/2000") in shown.fields
    assert shown.final


def test_a_failure_of_ours_is_one_kind_sentence_and_all_the_money_back() -> None:
    failed = ended(training(), Ending(End.FAILED, Blame.OPERATOR, "market-key", {"said": "key 123"}))
    reads(
        card(failed, stepping(39, 500), after(41)),
        """
        fluffy-ohwx could not be trained (bad)
        Something on our side does not work. You pay nothing for it.
        You paid nothing: 8,400 points are back on your balance.
        Nothing for you to repair. Please send /train again later.
        Steps: 500/2000
        Final loss: 0.412
        Training time: 30 min
        GPU: RTX 4090
        """,
    )


def test_a_bug_gives_the_name_of_the_training_to_ask_about() -> None:
    shown = card(ended(ordered(), Ending(End.FAILED, Blame.BUG, "bug")), None, after(41))
    assert "k3v9aaaaaaaa" in shown.lines[2]
    assert shown.fields == ()
    assert shown.final


def test_a_persons_own_fault_says_what_to_change() -> None:
    why = Ending(End.FAILED, Blame.USER, "dataset-too-small", {"have": 3, "need": 10})
    shown = card(ended(ordered(), why), None, after(41))
    assert shown.lines[0] == ("There are only 3 usable pictures. Please send more, until there are at least 10.")
    assert shown.lines[2] == "Change it and send /train again."


def test_a_failure_is_told_before_the_machine_is_gone() -> None:
    leaving = training().leaving(after(40), Ending(End.FAILED, Blame.HOST, "machine-gone"))
    shown = card(leaving, stepping(39, 500), after(40))
    assert shown.title == "fluffy-ohwx could not be trained"
    assert shown.lines == (
        "The machine was taken from us.",
        "All points held for it go back to you at once.",
        "Step 8 of 11: giving the machine back.",
    )
    assert not shown.final


def test_a_cancelled_job_pays_what_ran_and_no_more() -> None:
    leaving = training().leaving(after(40), Ending(End.CANCELLED))
    assert card(leaving, None, after(40)).lines[0].startswith("Cancelled as you asked.")
    reads(
        card(ended(training(), Ending(End.CANCELLED), charged=2592), stepping(39, 500), after(41)),
        """
        fluffy-ohwx was cancelled (plain)
        It was cancelled as you asked. No model was made.
        You paid 2,592 points; 5,808 points are back on your balance.
        Send /train to start again.
        Steps: 500/2000
        Final loss: 0.412
        Training time: 30 min
        GPU: RTX 4090
        """,
    )


def test_a_stop_before_any_checkpoint_says_that_nothing_was_there() -> None:
    shown = card(ended(ordered(), Ending(End.STOPPED)), None, after(41))
    assert shown.title == "fluffy-ohwx was stopped"
    assert shown.lines[1] == "You paid nothing: 8,400 points are back on your balance."


def test_the_cost_never_shows_more_than_the_ceiling_nor_what_a_host_broke() -> None:
    late = dict(card(training(), stepping(600, 500), after(600)).fields)
    assert late["Cost so far"] == "8,400 of at most 8,400 points"
    broken = Rental(instance=InstanceId("i0"), machine=MachineId("m0"), cost=MicroUsd(600_000), useful=False)
    fresh = dict(card(replace(training(), rentals=(broken,)), stepping(10, 1), after(10)).fields)
    assert fresh["Cost so far"] == "432 of at most 8,400 points"


def test_a_fast_world_counts_money_and_silence_in_lifes_time() -> None:
    fast = dict(card(training(), stepping(10, 1), after(10), pace=0.1).fields)
    assert fast["Cost so far"] == "4,320 of at most 8,400 points"
    assert WORDS.say("why-train") in card(training(), None, after(10.2), pace=0.1).lines


def test_waiting_does_not_change_the_card_every_second() -> None:
    job = at(Stage.WAIT, 3, rented())
    assert len({picture_of(card(job, None, after(5 + second / 60))) for second in range(15)}) <= 2


def alerted(code: str = "deadline") -> Job:
    return replace(training(), alert=Alert(code, after(60), after(70)))


def test_a_job_whose_time_is_up_says_what_happens_when_and_asks() -> None:
    shown = card(alerted(), stepping(61, 1000), after(61))
    assert "In 9 min it stops and keeps what is trained so far" in " ".join(shown.lines)
    assert [button.action for button in shown.buttons] == [
        f"{verb}:{JOB}" for verb in ("keep", "stop", "cancel", "log")
    ]
    assert shown == card(alerted(), stepping(61, 1000), after(61) + timedelta(seconds=4)), "no edit a second"


def test_who_kept_going_once_is_not_asked_again() -> None:
    shown = card(replace(alerted(), extended_at=after(40)), stepping(61, 1000), after(61))
    assert [button.action.partition(":")[0] for button in shown.buttons] == ["stop", "cancel", "log"]


@pytest.mark.parametrize("code", ["deadline", "rental-ends", "budget-job", "budget-day"])
def test_what_we_stop_ourselves_has_its_reason_while_it_stops_and_when_it_is_over(code: str) -> None:
    stopping = card(replace(training(), wish=Wish.STOP, halted=code), stepping(61, 1000), after(61))
    assert WORDS.say(f"halted-{code}") in stopping.lines
    assert WORDS.say("wish-stop") not in stopping.lines
    kept = replace(finished(1200), ending=Ending(End.STOPPED, code=code), halted=code)
    assert WORDS.say(f"ended-{code}") in card(kept, None, after(99)).lines
    nothing = ended(training(), Ending(End.STOPPED, code=code))
    assert WORDS.say(f"ended-{code}") in card(nothing, None, after(99)).lines


@pytest.mark.parametrize("lower", [True, False])
def test_a_crashed_trainer_that_starts_again_is_told_until_it_trains(lower: bool) -> None:
    job = told(training(), 20, Restarted(code="trainer-failed", lower=lower))
    said = WORDS.say("restarted-lower" if lower else "restarted")
    assert said in card(job, None, after(21)).lines
    assert said not in card(job, stepping(25, 10), after(25)).lines
