"""What a person pays for: useful machines, never above the ceiling, nothing for what others broke."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.cost import measured_cost, rental_cost
from pipeline.domain.faults import Blame
from pipeline.domain.ids import InstanceId, MachineId
from pipeline.domain.job import Ending, Rental
from pipeline.domain.money import MicroUsd
from pipeline.domain.stage import End
from pipeline.flow.stages.bill import free_of_charge
from tests.support.jobs import a_job
from tests.support.virtual import EPOCH
from tests.unit.test_recover import MACHINE

RUNNING = replace(MACHINE, running_since=EPOCH)


def rental(cost: int, *, useful: bool) -> Rental:
    return Rental(instance=InstanceId("i"), machine=MachineId("m"), cost=MicroUsd(cost), useful=useful)


def test_an_hour_at_thirty_cents_is_thirty_cents_and_a_fast_world_is_brought_back_to_life() -> None:
    assert rental_cost(RUNNING, EPOCH + timedelta(hours=1), 1.0) == 300_000
    assert rental_cost(RUNNING, EPOCH + timedelta(minutes=2), 1 / 30) == 300_000


def test_a_machine_that_never_ran_costs_nothing() -> None:
    assert rental_cost(MACHINE, EPOCH + timedelta(hours=5), 1.0) == 0


def test_only_useful_rentals_count() -> None:
    job = a_job(rentals=(rental(100, useful=True), rental(900, useful=False)))
    assert measured_cost(job, EPOCH, 1.0) == 100


@given(st.sampled_from(Blame), st.booleans())
def test_what_others_broke_is_free_whatever_ran(blame: Blame, ran: bool) -> None:
    job = a_job(rentals=(rental(100, useful=True),) if ran else (), ending=Ending(End.FAILED, blame, "x"))
    assert free_of_charge(job) is (blame is not Blame.USER or not ran)


def test_a_stop_after_a_machine_ran_is_not_free() -> None:
    assert not free_of_charge(a_job(rentals=(rental(100, useful=True),), ending=Ending(End.STOPPED)))
