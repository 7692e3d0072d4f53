"""What a stage may touch. Nothing else exists for it."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipeline.domain.choice import filters, roomy
from pipeline.domain.job import Job
from pipeline.domain.money import Tariff
from pipeline.domain.progress import Progress
from pipeline.domain.quote import Need
from pipeline.domain.recipe import Recipe
from pipeline.flow.catalogue import Catalogue
from pipeline.flow.journal import Journal
from pipeline.flow.ledger import Ledger
from pipeline.flow.spool import Spool
from pipeline.ports import Clock, Hosts, House, Hub, Pace, Provider, Publisher, Scribe, Store, Workshop
from pipeline.trainers.bases import Base, base

SAMPLES_GB: Final = 0.05  # pictures and logs that come home with the weights
DECODING: Final = 1.5  # seconds a sample, beside its steps
STEP: Final = 0.9  # seconds a step of a sample of FLUX.1 takes
SET: Final = 2.0  # a checkpoint, in LoRA files: weights, and an 8-bit optimizer about as large


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    clock: Clock
    dice: random.Random
    pace: Pace
    store: Store
    provider: Provider
    hosts: Hosts
    hub: Hub
    publisher: Publisher
    workshop: Workshop
    scribe: Scribe
    ledger: Ledger
    catalogue: Catalogue
    spool: Spool
    house: House
    tariff: Tariff
    journal: Journal  # of the job in hand

    def now(self) -> datetime:
        return self.clock.now()

    async def note(self, phase: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Tell how far the stage in hand is."""
        await self.journal.note(Progress(at=self.now(), phase=phase, done=done, total=total, unit=unit))


def need_of(recipe: Recipe, dataset_bytes: int, pictures: int, house: House) -> Need:
    """What a job asks of a machine: the same for its quote and for the machine it rents.

    Raises UserFault("unknown-base" | "unknown-gpu" | "region-fixed" | "base-needs-larger-card").
    """
    row = base(recipe.base)
    gpus = roomy(house.gpus, row.vram_mb, recipe.base)
    return Need(
        steps=recipe.steps,
        step_factor=row.step_factor,
        model_gb=row.download_gb,
        dataset_gb=dataset_bytes / 1e9,
        image_gb=house.image_gb,
        disk_gb=row.disk_gb,
        vram_mb=row.vram_mb,
        ram_mb=row.ram_mb,
        ram_told_mb=row.ram_told_mb,
        setup_seconds=setup_seconds(row, pictures, len(recipe.resolution)),
        sample_seconds=recipe.samples * recipe.rounds * sample_seconds(row),
        home_gb=row.lora_bytes(recipe.rank) / 1e9 + SAMPLES_GB,
        set_gb=SET * row.lora_bytes(recipe.rank) / 1e9,
        filters=filters(recipe, gpus, house.region),
        gpus=gpus,
        region=house.region,
        min_gpu_frac=house.min_gpu_frac,
        min_reliability=house.min_reliability,
        max_rate=house.max_rate,
    )


def need(job: Job, house: House) -> Need:
    return need_of(job.recipe, job.manifest.size, len(job.manifest.pictures), house)


def setup_seconds(row: Base, pictures: int, resolutions: int) -> float:
    """Load and quantize from disk, then cache every picture at every size. Estimates."""
    return row.download_gb * 4.5 + 0.5 * pictures * resolutions


def sample_seconds(row: Base) -> float:
    """One sample of 1024 x 1024 on a 24 GB card. Estimates: FLUX.1's step takes about a second, then it is decoded."""
    return DECODING + STEP * row.sample_steps * row.passes * row.step_factor
