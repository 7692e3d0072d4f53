"""What the notifier's tests tell of: one job at any point of its life, and a chat in memory."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from notifier.card import Card
from notifier.ports import MessageId
from pipeline.domain.dataset import Manifest, Picture
from pipeline.domain.events import Event
from pipeline.domain.ids import AccountId, InstanceId, JobId, MachineId, Sha256
from pipeline.domain.job import Address, Job, Machine
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.progress import Progress
from pipeline.domain.quote import Quote
from pipeline.domain.recipe import Recipe
from tests.support.virtual import EPOCH

JOB = JobId("k3v9aaaaaaaa")
SPOOL = Path("spool")


def after(minutes: float) -> datetime:
    return EPOCH + timedelta(minutes=minutes)


def ordered(job: JobId = JOB, platform: str = "memory", steps: int = 2000) -> Job:
    """A job as intake leaves it."""
    picture = Picture(sha256=Sha256("0" * 64), width=1024, height=1024, size=100_000)
    quote = Quote(
        cost=MicroUsd(500_000), ceiling_cost=MicroUsd(700_000), points=Points(6000), ceiling=Points(8400),
        start_seconds=900, seconds=8000, slow_seconds=11_000, gpu="RTX 4090",
    )  # fmt: skip
    return Job(
        id=job, account=AccountId("a1"), address=Address(platform, "7"), quote=quote, created_at=EPOCH,
        changed_at=EPOCH, recipe=Recipe(trigger="ohwx", name="fluffy", steps=steps),
        manifest=Manifest((picture,) * 12),
    )  # fmt: skip


def machine(running_since: datetime | None = None) -> Machine:
    return Machine(
        instance=InstanceId("i1"), machine=MachineId("m1"), gpu="RTX 4090", vram_mb=24_000, rate=MicroUsd(360_000),
        since=EPOCH, running_since=running_since,
    )  # fmt: skip


def told(job: Job, minutes: float, *events: Event, **changes: Any) -> Job:
    """`job` after `events`, `minutes` into its life."""
    return replace(job, **changes, changed_at=after(minutes)).telling(after(minutes), *events)


def stepping(minutes: float, done: int, total: int = 2000, curve: int = 0) -> Progress:
    return Progress(
        at=after(minutes), phase="training", done=done, total=total, unit="step", loss=0.41237, lr=1e-4,
        seconds_per_step=3.25, seconds_left=3.25 * (total - done),
        curve=tuple((step, 1.0 / step) for step in range(1, curve + 1)),
    )  # fmt: skip


def picture_of(card: Card) -> str:
    """A card as a person reads it, so that a test shows what it expects."""
    bar = [] if card.bar is None else [f"[{'#' * round(card.bar * 20):20}] {card.bar_label}"]
    fields = [f"{label}: {value}" for label, value in card.fields]
    buttons = [" ".join(f"<{button.label}|{button.action}>" for button in card.buttons)] if card.buttons else []
    shown = [f"({card.picture})"] if card.picture else []
    return "\n".join(
        [f"{card.title} ({card.tone})", *card.lines, *card.code.splitlines(), *bar, *fields, *shown, *buttons]
    )


@dataclass
class Chat:
    """A courier in memory: every message as it stands, every call in order. Raises each of `fails` once, in turn."""

    name: str = "memory"
    seconds: float = 0.0  # a call takes
    fails: list[Exception] = field(default_factory=list)
    calls: list[tuple[str, MessageId | None, Card]] = field(default_factory=list)
    messages: dict[MessageId, Card] = field(default_factory=dict)
    files: list[tuple[str, str, int]] = field(default_factory=list)  # chat, name, bytes
    carries: int = 1000  # bytes of the largest file
    at_once: int = 0
    most_at_once: int = 0

    @property
    def only(self) -> Card:
        """The one message there is, as it stands."""
        (card,) = self.messages.values()
        return card

    async def show(self, to: Address, card: Card, over: MessageId | None) -> MessageId:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        if self.fails:
            raise self.fails.pop(0)
        message = over or MessageId(f"m{len(self.messages) + 1}")
        self.calls.append((to.chat, over, card))
        self.messages[message] = card
        return message

    async def send_file(self, to: Address, file: Path, caption: str) -> bool:
        self.files.append((to.chat, file.name, file.stat().st_size))
        return file.stat().st_size <= self.carries
