"""What a rental cost us, measured: the bill's half of the sum whose other half is the quote."""

from datetime import datetime

from pipeline.domain.job import Job, Machine
from pipeline.domain.money import MicroUsd


def rental_cost(machine: Machine, until: datetime, pace: float) -> MicroUsd:
    """GPU and disk from `running` on, and the traffic in. `pace` brings seconds of a sandbox back to life's."""
    if machine.running_since is None:
        return MicroUsd(0)
    hours = max(0.0, (until - machine.running_since).total_seconds()) / pace / 3600
    return MicroUsd(round(machine.rate * hours + machine.down_per_gb * machine.loaded_gb))


def measured_cost(job: Job, now: datetime, pace: float) -> MicroUsd:
    """What the person may be asked to pay for: the useful rentals, and the machine in hand."""
    past = sum(rental.cost for rental in job.rentals if rental.useful)
    running = rental_cost(job.machine, job.measured_until or now, pace) if job.machine else 0
    return MicroUsd(past + running)
