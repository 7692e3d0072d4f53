"""What a rental cost us, measured: the bill's half of the sum whose other half is the quote."""

from datetime import datetime

from pipeline.domain.checkpoint import Mirror
from pipeline.domain.job import Job, Machine
from pipeline.domain.money import MicroUsd


def rental_cost(machine: Machine, until: datetime, pace: float) -> MicroUsd:
    """GPU and disk from `running` on, and the traffic. `pace` brings seconds of a sandbox back to life's."""
    if machine.running_since is None:
        return MicroUsd(0)
    hours = max(0.0, (until - machine.running_since).total_seconds()) / pace / 3600
    traffic = machine.down_per_gb * machine.loaded_gb + machine.up_per_gb * machine.sent_gb
    return MicroUsd(round(machine.rate * hours + traffic))


def kept_cost(machine: Machine, mirror: Mirror, pace: float) -> MicroUsd:
    """What a machine that failed trained, up to its last checkpoint at home: its steps go on elsewhere.

    Its start is not in it: the next machine's is paid for.
    """
    own = [each for each in mirror if each.machine == machine.machine and each.since is not None]
    if not own or own[-1].since is None:
        return MicroUsd(0)
    hours = max(0.0, (own[-1].at - own[-1].since).total_seconds()) / pace / 3600
    return MicroUsd(round(machine.rate * hours))


def measured_cost(job: Job, now: datetime, pace: float) -> MicroUsd:
    """What the person may be asked to pay for: past rentals as far as they were of use, and the machine in hand."""
    past = sum(rental.owed for rental in job.rentals)
    running = rental_cost(job.machine, job.measured_until or now, pace) if job.machine else 0
    return MicroUsd(past + running)
