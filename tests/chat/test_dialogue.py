"""One dialogue: the same words in, the same effects out, through the terminal's ear, Telegram's and Discord's."""

import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import discord
import pytest
from aiogram.types import Update

from bot.platforms.discord.ear import said_of
from bot.platforms.discord.said import remark_of
from bot.platforms.telegram import hearing
from bot.platforms.terminal import Terminal
from bot.ports import Said
from bot.talk import dialogue
from bot.talk.effects import AddToDraft, Effect, Known
from notifier.ports import MessageId
from pipeline.domain.recipe import Publish, Recipe

LAST: Final = Recipe(trigger="ohwx", publish=Publish.PRIVATE)
STRING, INTEGER, BOOLEAN, NUMBER, ATTACHMENT = 3, 4, 5, 10, 11
TYPES: Final[Mapping[type, int]] = {str: STRING, int: INTEGER, bool: BOOLEAN, float: NUMBER}


@dataclass(frozen=True, slots=True)
class Line:
    """What a person says: as typed, and as Discord's form holds it. `file`: a zip comes with it."""

    typed: str
    command: str
    options: Mapping[str, str | int | float | bool]
    file: str = ""


LINES: Final = (
    Line("/train ohwx", "train", {"trigger": "ohwx"}, "set.zip"),
    Line("/train ohwx steps=30 base=flux1-dev", "train", {"trigger": "ohwx", "steps": 30, "base": "flux1-dev"}),
    Line(
        "/train ohwx preset=style publish=private",
        "train",
        {"trigger": "ohwx", "preset": "style", "publish": "private"},
    ),
    Line("/train ohwx lr=0.0002 rank=8 samples=0", "train", {"trigger": "ohwx", "lr": 0.0002, "rank": 8, "samples": 0}),
    Line("/train ohwx region=de gpu=RTX_4090", "train", {"trigger": "ohwx", "region": "de", "gpu": "RTX 4090"}),
    Line("/train ohwx max_price=0.5 save_every=50", "train", {"trigger": "ohwx", "max_price": 0.5, "save_every": 50}),
    Line(
        "/train ohwx resolution=512,768 name=cat", "train", {"trigger": "ohwx", "resolution": "512,768", "name": "cat"}
    ),
    Line("/train ohwx steps=5", "train", {"trigger": "ohwx", "steps": 5}),  # out of bounds
    Line("/train ohwx base=../../etc", "train", {"trigger": "ohwx", "base": "../../etc"}),  # nobody's suggestion
    Line("/train o h", "train", {"trigger": "o h"}),
    Line("/train steps=99", "train", {"trigger": "steps=99"}),
    Line("/dataset", "dataset", {}),
    Line("/dataset drop 3", "dataset", {"drop": 3}),
    Line("/dataset clear", "dataset", {"clear": True}),
    Line("/jobs", "jobs", {}),
    Line("/status", "status", {}),
    Line("/status k3v9aaaaaaaa", "status", {"job": "k3v9aaaaaaaa"}),
    Line("/stop", "stop", {}),
    Line("/stop k3v9aaaaaaaa", "stop", {"job": "k3v9aaaaaaaa"}),
    Line("/cancel k3v9aaaaaaaa", "cancel", {"job": "k3v9aaaaaaaa"}),
    Line("/models", "models", {}),
    Line("/model fluffy-ohwx", "model", {"model": "fluffy-ohwx"}),
    Line("/balance", "balance", {}),
    Line("/receipts", "receipts", {}),
    Line("/upload", "upload", {}),
    Line("/settings", "settings", {}),
    Line("/settings progress=here", "settings", {"progress": "here"}),
    Line("/start", "start", {}),
    Line("/help", "help", {}),
    Line("/grant discord:7 500 a gift", "grant", {"person": "7", "points": 500, "reason": "a gift"}),
)
PRESSES: Final = (
    "start:abc", "change:abc", "decline:abc", "clear:draft", "stop:k3v9aaaaaaaa", "cancel:k3v9aaaaaaaa", "stop:",
    "keep:k3v9aaaaaaaa", "download:k3v9aaaaaaaa", "nonsense", "start:<script>", "x" * 64,
)  # fmt: skip


def terminal(line: Line | None, pressed: str) -> Said:
    out = io.StringIO()
    one = Terminal(stdin=io.StringIO(), stdout=out)
    if line is None:
        return replace(one.said("1"), text="", pressed=pressed)  # a number stands for the action it was shown beside
    return one.said(" ".join([line.typed, *([shlex.quote(f"./{line.file}")] if line.file else [])]))


def telegram(line: Line | None, pressed: str) -> Said:
    ann = {"id": 7, "is_bot": False, "first_name": "Ann"}
    message: dict[str, Any] = {"message_id": 1, "date": 0, "chat": {"id": 7, "type": "private"}, "from": ann}
    if line is None:
        bot = {**message, "from": {"id": 1, "is_bot": True, "first_name": "Bot"}, "text": "?"}
        query = {"id": "1", "from": ann, "chat_instance": "1", "data": pressed, "message": bot}
        update = {"update_id": 1, "callback_query": query}
    else:
        zipped = {"file_id": "f", "file_unique_id": "u", "file_name": line.file, "file_size": 9}
        words = {"caption": line.typed, "document": zipped} if line.file else {"text": line.typed}
        update = {"update_id": 1, "message": {**message, **words}}
    remark = hearing.read(Update.model_validate(update))
    assert isinstance(remark, hearing.Remark)
    return Said(
        identity=remark.identity, address=remark.address, text=remark.text, pressed=remark.pressed or None,
        attachments=tuple(Path(file.name) for file in remark.files), message=remark.message, private=remark.private,
    )  # fmt: skip


def discords(line: Line | None, pressed: str) -> Said:
    if line is None:
        remark = remark_of(interaction({}), pressed=pressed, message=MessageId("5.6"))
    else:
        rows = [_option(name, value) for name, value in line.options.items()]
        data: dict[str, Any] = {"name": line.command, "options": rows}
        if line.file:
            rows.append({"name": "dataset", "type": ATTACHMENT, "value": "77"})
            one = {"filename": line.file, "url": "https://cdn.discordapp.com/x", "size": 9}
            data["resolved"] = {"attachments": {"77": one}}
        remark = remark_of(interaction(data))
    return said_of(remark, tuple(Path(file.name) for file in remark.files))


def _option(name: str, value: str | float | bool) -> dict[str, object]:
    return {"name": name, "type": TYPES[type(value)], "value": value}


def interaction(data: Mapping[str, Any]) -> discord.Interaction[Any]:
    known: Any = {
        "id": "1", "application_id": "2", "type": 2, "token": "t", "version": 1, "channel_id": "5", "context": 1,
        "channel": {"id": "5", "type": 1, "recipients": []}, "attachment_size_limit": 1, "locale": "en-US",
        "user": {"id": "7", "username": "ann", "discriminator": "0", "avatar": None}, "data": data,
    }  # fmt: skip
    return discord.Interaction(data=known, state=discord.Client(intents=discord.Intents.none())._connection)


EARS: Final[Mapping[str, Callable[[Line | None, str], Said]]] = {
    "terminal": terminal, "telegram": telegram, "discord": discords,
}  # fmt: skip


def plain(effects: Sequence[Effect]) -> list[Effect]:
    """Where a file lies is each platform's affair; what it is called is not."""
    return [
        replace(one, files=tuple(Path(file.name) for file in one.files)) if isinstance(one, AddToDraft) else one
        for one in effects
    ]


def effects(said: Said, *, operator: bool = True) -> list[Effect]:
    return plain(dialogue.answer(said, Known(last=LAST, operator=operator)))


@pytest.mark.parametrize("ear", EARS)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.typed)
def test_the_same_words_have_the_same_effects(ear: str, line: Line) -> None:
    files = (Path(line.file),) if line.file else ()
    typed = effects(replace(terminal(Line("/help", "help", {}), ""), text=line.typed, attachments=files))
    assert effects(EARS[ear](line, "")) == typed
    assert typed


@pytest.mark.parametrize("ear", EARS)
@pytest.mark.parametrize("pressed", PRESSES)
def test_the_same_button_has_the_same_effects(ear: str, pressed: str) -> None:
    said = EARS[ear](None, pressed)
    assert said.pressed == pressed
    assert effects(said) == effects(terminal(None, pressed))


@pytest.mark.parametrize("ear", EARS)
def test_who_speaks_is_a_number_of_that_platform_alone(ear: str) -> None:
    who = EARS[ear](LINES[-1], "").identity
    assert who == ("terminal:me" if ear == "terminal" else f"{ear}:7")


@pytest.mark.parametrize("ear", EARS)
def test_a_stranger_does_not_learn_that_operators_have_words_of_their_own(ear: str) -> None:
    grant = LINES[-1]
    unknown = effects(EARS[ear](Line("/frobnicate", "frobnicate", {}), ""), operator=False)
    (answer,) = effects(EARS[ear](grant, ""), operator=False)
    assert type(answer) is type(unknown[0])
    assert getattr(answer, "key", "") == getattr(unknown[0], "key", "?")
