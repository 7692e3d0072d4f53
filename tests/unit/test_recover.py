"""After a failure: whose fault, and so what next."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.faults import Blame, HostFault, HostSilent, OperatorFault, UserFault
from pipeline.domain.ids import InstanceId, MachineId
from pipeline.domain.job import Job, Machine
from pipeline.domain.money import MicroUsd
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.recover import grace, recover
from pipeline.ports import Pace
from pipeline.trainers.verdict import LASTING
from tests.support.jobs import a_job
from tests.support.virtual import EPOCH
from tests.support.world import HOUSE

MACHINE = Machine(
    instance=InstanceId("i1"), machine=MachineId("m1"), gpu="RTX 4090", vram_mb=24_564, rate=MicroUsd(300_000),
    down_mbps=800, since=EPOCH,
)  # fmt: skip
ERRORS = (
    UserFault("dataset-too-small"), OperatorFault("hub-gated"), OperatorFault("market-down"), HostFault("trainer-nan"),
    HostSilent("ssh-unreachable"), HostSilent("ssh-refused-key"), ValueError("boom"), RecursionError(), MemoryError(),
)  # fmt: skip


def after(job: Job, error: Exception, minutes: float = 0) -> Job:
    return recover(job, error, EPOCH + timedelta(minutes=minutes), HOUSE, Pace())


@given(st.sampled_from(Stage), st.sampled_from(ERRORS), st.integers(0, 10_000), st.integers(0, 50))
def test_every_failure_in_every_stage_has_an_answer(stage: Stage, error: Exception, minutes: int, tries: int) -> None:
    job = a_job(stage=stage, machine=MACHINE, tries=tries)
    next_job = after(job, error, minutes)
    assert next_job.not_before or next_job.stage is Stage.TERMINATE


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage.closing])
@pytest.mark.parametrize("error", ERRORS)
def test_a_closing_stage_is_tried_for_ever(stage: Stage, error: Exception) -> None:
    job = after(a_job(stage=stage, tries=500), error)
    assert (job.stage, job.ending) == (stage, None)
    assert job.not_before is not None
    assert job.not_before - EPOCH <= timedelta(minutes=5)


def test_a_silent_host_is_knocked_at_again_within_its_grace_and_left_after_it() -> None:
    job = after(a_job(stage=Stage.TRAIN, machine=MACHINE, reached_train=True), HostSilent("ssh-unreachable"))
    assert (job.stage, job.silent_since) == (Stage.TRAIN, EPOCH)
    assert after(job, HostSilent("ssh-unreachable"), minutes=4).stage is Stage.TRAIN
    left = after(job, HostSilent("ssh-unreachable"), minutes=6)
    assert (left.stage, left.moving, left.shunned) == (Stage.TERMINATE, True, frozenset({MachineId("m1")}))


def test_a_slow_boot_is_given_the_time_its_image_needs() -> None:
    slow = Machine(**{**{f: getattr(MACHINE, f) for f in MACHINE.__dataclass_fields__}, "down_mbps": 100.0})
    assert grace(a_job(stage=Stage.WAIT, machine=slow), HOUSE) > timedelta(minutes=60)
    assert grace(a_job(stage=Stage.WAIT, machine=MACHINE), HOUSE) < timedelta(minutes=30)


def test_the_same_key_refused_by_two_running_hosts_is_our_fault_not_theirs() -> None:
    job = a_job(stage=Stage.WAIT, machine=MACHINE, silent_since=EPOCH, refused_by=frozenset({MachineId("m0")}))
    left = after(job, HostSilent("ssh-refused-key"), minutes=600)
    assert left.ending is not None
    assert (left.ending.blame, left.ending.code) == (Blame.OPERATOR, "our-key-refused")


def test_an_outage_of_ours_is_waited_out_and_a_wrong_key_is_not() -> None:
    assert after(a_job(stage=Stage.RENT), OperatorFault("market-down")).stage is Stage.RENT
    wrong = after(a_job(stage=Stage.RENT), OperatorFault("market-key"))
    assert wrong.ending is not None
    assert (wrong.ending.end, wrong.ending.blame) == (End.FAILED, Blame.OPERATOR)


def test_what_nobody_foresaw_is_a_bug_and_leaves() -> None:
    job = after(a_job(stage=Stage.COLLECT, machine=MACHINE), ZeroDivisionError())
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, job.stage) == (Blame.BUG, "bug", Stage.TERMINATE)


def crash(cause: str, **over: object) -> Job:
    job = a_job(stage=Stage.TRAIN, machine=MACHINE, reached_train=True, **over)
    return after(job, HostFault("trainer-failed", cause=cause, rc=1))


def test_a_crash_is_tried_once_more_on_the_same_machine_and_the_try_is_stored() -> None:
    again = crash("trainer_failed")
    assert (again.stage, again.machine and again.machine.retried, again.lower, again.moves) == (Stage.UPLOAD, 1, 0, 0)
    left = after(replace(again, stage=Stage.TRAIN), HostFault("trainer-failed", cause="trainer_failed", rc=1))
    assert (left.moving, left.moves) == (True, 1)


def test_out_of_memory_goes_a_rung_down_while_there_is_one() -> None:
    again = crash("out_of_memory")
    assert (again.stage, again.lower) == (Stage.UPLOAD, 1)
    assert crash("out_of_memory", lower=1).moving, "24 GB are on the last rung but one"


@pytest.mark.parametrize("cause", sorted(LASTING))
def test_what_lasts_leaves_the_machine_at_once(cause: str) -> None:
    assert crash(cause).moving


def test_nobody_who_wished_to_stop_is_kept_by_another_try() -> None:
    assert crash("trainer_failed", wish=Wish.STOP).stage is not Stage.UPLOAD


def test_a_job_that_waits_for_its_turn_waits_longer_than_one_whose_market_is_down() -> None:
    job = after(a_job(stage=Stage.RENT), OperatorFault("budget-hour"))
    assert after(job, OperatorFault("budget-hour"), minutes=60).stage is Stage.RENT
    assert after(job, OperatorFault("market-down"), minutes=60).ending is not None
    assert after(job, OperatorFault("budget-hour"), minutes=121).ending is not None
    assert after(a_job(stage=Stage.RENT), OperatorFault("budget-day")).ending is not None


def test_a_persons_own_patience_with_a_boot_counts_more_than_the_houses() -> None:
    job = a_job(stage=Stage.WAIT, machine=MACHINE, boot_minutes=7.0)
    assert grace(job, replace(HOUSE, ssh_timeout_min=40.0)) == timedelta(minutes=7)
