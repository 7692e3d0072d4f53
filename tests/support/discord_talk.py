"""What people do again and again in the Discord town: order, start, look at an answer."""

import simcord

from notifier.card import Button, Card, Tone
from pipeline.domain.job import Job
from tests.support.discord_town import ZIP, Person, Town, text

JOB = "k3v9aaaaaaaa"
TRAINING = "Stage 6 of 11: training."


def live(step: int = 0, line: str = TRAINING, job: str = JOB) -> Card:
    return Card(
        title="Training ohwx", lines=(line,), bar=step / 30, bar_label=f"{step}/30 steps", tone=Tone.BUSY,
        buttons=(Button("Stop and keep", f"stop:{job}"), Button("Cancel", f"cancel:{job}")),
    )  # fmt: skip


async def quoted(ann: Person) -> simcord.ResponseMessage:
    asked = await ann.says("train", trigger="ohwx", dataset=ZIP, steps=30)
    assert asked.response is not None
    return asked.response


async def started(town: Town, ann: Person) -> Job:
    await ann.presses(await quoted(ann), "Start")
    return town.office.filed[0]


def answer(result: simcord.InteractionResult) -> str:
    assert result.response is not None
    return text(result.response)
