"""Generated market snapshots: what hosts claim, and what is true of them, drawn with seeded dice around the claims.

The spreads are judgements, not measurements: prices and $/GB as facts/vast.md 3 and 8 report them, bandwidth really
there about half of the claim, a tenth of it on some hosts, boots that fail about as often as `reliability` says, and
a few hosts that never boot whatever they claim. They were fixed before any choice was judged by them.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.domain.checkpoint import EVERY
from pipeline.domain.ids import MachineId, OfferId
from pipeline.domain.money import micro
from pipeline.domain.quote import HOURS_PER_MONTH, Need, Offer, rate
from pipeline.domain.speeds import Known, Mean, Seen

BOOT: Final = 120.0  # seconds from running to the first word of ours (facts/vast.md 8)
NEVER: Final = 0.03  # of hosts: nothing ever boots there, and no filter finds them (facts/vast.md 7)
TENTH: Final = 0.03  # of hosts: a tenth of the bandwidth claimed (facts/vast.md 10, fault 23)


@dataclass(frozen=True, slots=True)
class Kind:
    """A GPU on the market: its share of the offers, what an hour costs in the middle, its true s/step on FLUX.1."""

    name: str
    vram_mb: int
    share: float
    price: float
    step: float


KINDS: Final = (
    Kind("RTX 3090", 24_576, 0.34, 0.19, 6.0),
    Kind("RTX 4090", 24_564, 0.34, 0.36, 3.25),
    Kind("RTX 5090", 32_607, 0.12, 0.50, 2.2),
    Kind("RTX A6000", 49_140, 0.06, 0.45, 6.0),
    Kind("A100 SXM4", 81_920, 0.06, 0.85, 2.1),
    Kind("RTX 3060", 12_288, 0.08, 0.07, 14.0),
)


@dataclass(frozen=True, slots=True)
class Host:
    """An offer, and the truth that nobody sees before renting it."""

    offer: Offer
    efficiency: float  # of the bandwidth claimed
    step: float  # seconds of a FLUX.1 step
    fails: float  # the odds that a boot comes to nothing

    def cost(self, need: Need) -> float:
        """Micro-dollars that a whole job really costs here (facts/vast.md 8, with the truth in it)."""
        offer = self.offer
        pull, inward = need.image_gb, need.model_gb + need.dataset_gb
        seconds = BOOT + self._seconds(inward, offer.down_mbps) + self._seconds(need.home_gb, offer.up_mbps)
        train = need.steps * self.step * need.step_factor + need.setup_seconds + need.sample_seconds
        seconds += train
        stored = seconds + self._seconds(pull, offer.down_mbps)
        outward = need.home_gb + need.set_gb * (train // EVERY)
        traffic = offer.down_per_gb * (pull + inward) + offer.up_per_gb * outward
        return (offer.gpu_rate * seconds + self._disk(need) * stored) / 3600 + traffic

    def wasted(self, need: Need) -> float:
        """Micro-dollars that a boot which comes to nothing costs."""
        pull = self._seconds(need.image_gb, self.offer.down_mbps)
        paid = (self.offer.gpu_rate * BOOT + self._disk(need) * (pull + BOOT)) / 3600
        return paid + self.offer.down_per_gb * need.image_gb

    def _seconds(self, gigabytes: float, mbps: float) -> float:
        return gigabytes * 8000 / (self.efficiency * mbps)

    def _disk(self, need: Need) -> float:
        return need.disk_gb * self.offer.storage_rate / HOURS_PER_MONTH


def snapshot(seed: int, size: int = 64) -> list[Host]:
    """The market at one moment: as many offers as one answer holds (facts/vast.md 3)."""
    dice = random.Random(seed)
    return [_host(dice, number) for number in range(size)]


def _host(dice: random.Random, number: int) -> Host:
    (kind,) = dice.choices(KINDS, [kind.share for kind in KINDS])
    offer = _offer(dice, number, kind)
    slow, never = dice.random() < TENTH, dice.random() < NEVER
    return Host(
        offer=offer,
        efficiency=0.1 if slow else _around(dice, 0.5, 0.35, 0.1, 1.0),
        step=_around(dice, kind.step, 0.05, 0.8 * kind.step, 1.3 * kind.step),
        fails=1.0 if never else _around(dice, 1 - offer.reliability, 0.8, 0.0, 0.9),
    )


def _offer(dice: random.Random, number: int, kind: Kind) -> Offer:
    down = round(_around(dice, 800, 0.9, 40, 9000), 1)
    unmetered = dice.random() < 0.3
    gpus = dice.choices((1, 2, 4, 8), (70, 10, 10, 10))[0]
    return Offer(
        id=OfferId(f"o{number}"),
        machine=MachineId(f"m{number}"),
        host=f"h{number}",
        gpu=kind.name,
        num_gpus=1,
        gpu_frac=1 / gpus,
        vram_mb=kind.vram_mb,
        gpu_rate=micro(_around(dice, kind.price, 0.22, 0.6 * kind.price, 2 * kind.price)),
        storage_rate=micro(dice.uniform(0.08, 0.25)),
        down_mbps=down,
        up_mbps=round(down * dice.uniform(0.25, 0.95), 1),
        down_per_gb=micro(0 if unmetered else _around(dice, 0.004, 0.9, 0.0005, 0.02)),
        up_per_gb=micro(0 if unmetered else _around(dice, 0.004, 0.9, 0.0005, 0.02)),
        reliability=round(1 - _around(dice, 0.008, 1.1, 0.0005, 0.4), 6),
        verified=dice.random() < 0.8,
        disk_gb=round(_around(dice, 400, 0.7, 20, 4000), 1),
        direct_ports=dice.choice((0, 4, 30, 100, 250)),
        driver=dice.choices((580_065_006, 590_044_001, 570_133_007, 550_054_015), (45, 30, 15, 10))[0],
        arch="amd64",
        region=dice.choice(("US", "SE", "NO", "CA", "DE", "CZ", "JP", "TW", "")),
        seconds_left=_around(dice, 15 * 86400, 1.2, 3600, 200 * 86400),
    )


def _around(dice: random.Random, middle: float, spread: float, least: float, most: float) -> float:
    """A log-normal draw whose median is `middle`, kept within bounds."""
    return min(most, max(least, middle * dice.lognormvariate(0.0, spread)))


def history(hosts: Sequence[Host], rentals: int) -> Known:
    """What so many rentals of each host would have taught us of it."""
    return Known(
        machines={
            host.offer.machine: Seen(
                step=Mean(rentals, host.step), link=Mean(rentals, host.efficiency), boot=Mean(rentals, 1 - host.fails)
            )
            for host in hosts
        }
    )


@dataclass(frozen=True, slots=True)
class Day:
    """One snapshot with its luck: which hosts boot today."""

    hosts: Sequence[Host]
    booting: frozenset[OfferId]

    def paid(self, order: Sequence[Offer], need: Need) -> float | None:
        """Micro-dollars for a job that tries offers in `order` until one boots; None when none does."""
        hosts = {host.offer.id: host for host in self.hosts}
        wasted = 0.0
        for offer in order:
            host = hosts[offer.id]
            if offer.id in self.booting:
                return wasted + host.cost(need)
            wasted += host.wasted(need)
        return None

    def hindsight(self, fit: Sequence[Offer], need: Need) -> float | None:
        """The least anybody could have paid, knowing everything, among the offers within the floors."""
        allowed = {offer.id for offer in fit} & self.booting
        return min((host.cost(need) for host in self.hosts if host.offer.id in allowed), default=None)


def day(seed: int, hosts: Sequence[Host]) -> Day:
    """Draw which of `hosts` boot."""
    dice = random.Random(seed)
    return Day(hosts, frozenset(host.offer.id for host in hosts if dice.random() >= host.fails))


def lowest_hour(fit: Sequence[Offer], need: Need) -> list[Offer]:
    """What a shopper by the price tag takes: the lowest $/h with our disk in it."""
    return sorted(fit, key=lambda offer: (rate(offer, need), offer.id))
