"""A message as a person sees it now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.telegram.files import content
from tests.support.telegram.markup import Entity
from tests.support.telegram.world import Message


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    data: str = ""
    url: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """`text`: its words or, under a file, its caption. `marks`: what is bold, code or alive in them."""

    message: Message
    text: str
    marks: tuple[tuple[str, str], ...]
    buttons: tuple[Button, ...]
    file: str | None  # file_unique_id of the picture or document it shows
    picture: bool
    edits: int
    mine: bool
    preview: bool

    @property
    def id(self) -> int:
        return self.message.id

    @property
    def labels(self) -> list[str]:
        return [button.label for button in self.buttons]

    def button(self, label: str) -> Button:
        """The button whose label holds `label`."""
        for one in self.buttons:
            if label.casefold() in one.label.casefold():
                return one
        raise AssertionError(f"no {label!r} among {self.labels} under {self.text!r}")

    @property
    def past(self) -> list[str]:
        """Its words before each edit, oldest first."""
        return [str(wire.get("text", wire.get("caption", ""))) for wire in self.message.past]


def seen(message: Message) -> Seen:
    wire = message.wire
    text = message.said
    marks = tuple((one["type"], _of(one, text)) for one in wire.get("entities", wire.get("caption_entities", [])))
    links = any(kind in {"url", "text_link"} for kind, _ in marks)
    shown = "text" in wire and links and not wire.get("link_preview_options", {}).get("is_disabled")
    return Seen(
        message=message, text=text, marks=marks, buttons=tuple(_buttons(wire)), file=content(wire),
        picture="photo" in wire, edits=len(message.past), mine=not message.by_bot, preview=shown,
    )  # fmt: skip


def _of(wire: Mapping[str, Any], text: str) -> str:
    return Entity(wire["type"], wire["offset"], wire["length"]).of(text)


def _buttons(wire: Mapping[str, Any]) -> list[Button]:
    rows = wire.get("reply_markup", {}).get("inline_keyboard", [])
    return [
        Button(one["text"], one.get("callback_data", ""), one.get("url", ""), one.get("web_app", {}).get("url", ""))
        for row in rows
        for one in row
    ]
