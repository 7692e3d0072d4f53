"""Methods that speak: send, edit, delete. Every rule Telegram has about them is kept here."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.support.telegram.answers import bad
from tests.support.telegram.calls import Call
from tests.support.telegram.files import File, content
from tests.support.telegram.flood import Flood
from tests.support.telegram.keyboard import keyboard
from tests.support.telegram.markup import Entity, read, units
from tests.support.telegram.world import Chat, Message, World, stamp

TEXT_MAX: Final = 4096
CAPTION_MAX: Final = 1024
SAME: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
MEDIA: Final = {"photo": "photo", "document": "document"}
SHOWN: Final = ("text", "entities", "caption", "caption_entities", "reply_markup")


class Speaking:
    """What the bot says. One message or edit is one grain of the flood."""

    def __init__(self, world: World, flood: Flood) -> None:
        """`flood` counts."""
        self._world, self._flood = world, flood

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        return {
            "sendMessage": self.send_message,
            "sendPhoto": lambda call: self.send_media(call, "photo"),
            "sendDocument": lambda call: self.send_media(call, "document"),
            "editMessageText": self.edit_text,
            "editMessageCaption": self.edit_caption,
            "editMessageMedia": self.edit_media,
            "editMessageReplyMarkup": self.edit_markup,
            "deleteMessage": self.delete,
            "sendChatAction": self.act,
        }

    # --- sending

    def send_message(self, call: Call) -> dict[str, Any]:
        chat = self._target(call)
        said = self._text(call, call.text("text"), "entities")
        if not said["text"]:
            raise bad("message text is empty")
        if units(said["text"]) > TEXT_MAX:
            raise bad("message is too long")
        return self._post(call, chat, said)

    def send_media(self, call: Call, kind: str) -> dict[str, Any]:
        chat = self._target(call)
        file = self._file(call, kind, call.text(kind))
        return self._post(call, chat, {**self._world.files.media(file), **self._caption(call)})

    def _post(self, call: Call, chat: Chat, said: Mapping[str, Any]) -> dict[str, Any]:
        markup = keyboard(call.text("reply_markup"), private=not chat.is_group)
        whole = {**said, **self._replied(call, chat), **({"reply_markup": markup} if markup else {})}
        author = {"from": self._world.bot.wire()}
        return self._world.post(chat, whole, author, by_bot=True).wire

    def _replied(self, call: Call, chat: Chat) -> dict[str, Any]:
        asked = call.json("reply_parameters") or {"message_id": call.number("reply_to_message_id")}
        number = asked.get("message_id")
        if not number:
            return {}
        found = self._world.message(chat, str(number))
        if found is None and not asked.get("allow_sending_without_reply"):
            raise bad("message to be replied not found")
        return {"reply_to_message": bare(found.wire)} if found else {}

    # --- editing

    def edit_text(self, call: Call) -> dict[str, Any]:
        message = self._edited(call)
        if "text" not in message.wire:
            raise bad("there is no text in the message to edit")
        said = self._text(call, call.text("text"), "entities")
        if not said["text"]:
            raise bad("message text is empty")
        if units(said["text"]) > TEXT_MAX:
            raise bad("MESSAGE_TOO_LONG")
        return self._changed(call, message, said)

    def edit_caption(self, call: Call) -> dict[str, Any]:
        message = self._edited(call)
        if content(message.wire) is None:
            raise bad("there is no caption in the message to edit")
        media = {key: message.wire[key] for key in MEDIA if key in message.wire}
        return self._changed(call, message, {**media, **self._caption(call)})

    def edit_media(self, call: Call) -> dict[str, Any]:
        """Text may become a file, a file another one. Nothing becomes text again."""
        message = self._edited(call)
        media = call.json("media", {})
        if media.get("type") not in MEDIA:
            raise bad("can't parse InputMedia: type of the media is wrong")
        file = self._file(call, media["type"], str(media.get("media", "")))
        inner = Call(
            call.method, {key: value if isinstance(value, str) else json.dumps(value) for key, value in media.items()}
        )
        return self._changed(call, message, {**self._world.files.media(file), **self._caption(inner)})

    def edit_markup(self, call: Call) -> dict[str, Any]:
        message = self._edited(call)
        kept = {key: value for key, value in message.wire.items() if key in {*SHOWN, *MEDIA} - {"reply_markup"}}
        return self._changed(call, message, kept)

    def _edited(self, call: Call) -> Message:
        chat = self._target(call)
        message = self._world.message(chat, call.text("message_id"))
        if message is None:
            raise bad("message to edit not found")
        if not message.by_bot:
            raise bad("message can't be edited")
        return message

    def _changed(self, call: Call, message: Message, said: Mapping[str, Any]) -> dict[str, Any]:
        """`message` with `said` in it. An edit that names no keyboard takes the old one away."""
        markup = keyboard(call.text("reply_markup"), private=not message.chat.is_group)
        fresh = {**said, **({"reply_markup": markup} if markup else {})}
        kept = {key: value for key, value in message.wire.items() if key not in {*SHOWN, *MEDIA, "edit_date"}}
        if _looks(fresh) == _looks(message.wire):
            raise bad(SAME)
        message.becomes({**kept, **fresh, "edit_date": stamp()})
        self._world.bell.ring()
        return message.wire

    # --- the rest

    def delete(self, call: Call) -> bool:
        chat = self._world.reach(call.text("chat_id"))
        message = self._world.message(chat, call.text("message_id"))
        if message is None:
            raise bad("message to delete not found")
        if chat.is_group and not message.by_bot:
            raise bad("message can't be deleted")
        message.gone = True
        self._world.bell.ring()
        return True

    def act(self, call: Call) -> bool:
        self._world.reach(call.text("chat_id"))
        if not call.text("action"):
            raise bad("wrong parameter action in request")
        return True

    def _target(self, call: Call) -> Chat:
        """Where it goes. The flood is counted first, as it is for a call that is then refused."""
        chat = self._world.chats.get(call.number("chat_id"))
        self._flood.take(call.number("chat_id"), call.method, group=chat is not None and chat.is_group)
        return self._world.reach(call.text("chat_id"))

    def _text(self, call: Call, text: str, entities: str) -> dict[str, Any]:
        shown, marked = read(text, call.text("parse_mode"), call.json(entities, []))
        return {"text": shown, **_marks("entities", marked), **_preview(call)}

    def _caption(self, call: Call) -> dict[str, Any]:
        shown, marked = read(call.text("caption"), call.text("parse_mode"), call.json("caption_entities", []))
        if units(shown) > CAPTION_MAX:
            raise bad("message caption is too long")
        return {"caption": shown, **_marks("caption_entities", marked)} if shown else {}

    def _file(self, call: Call, kind: str, said: str) -> File:
        files = self._world.files
        upload = call.upload(kind) or call.attached(said)
        if upload is not None and not upload.data:
            raise bad("file must be non-empty")
        if upload is not None:
            return files.photo(upload.data) if kind == "photo" else files.document(upload.name, upload.data)
        if not said:
            raise bad(f"there is no {kind} in the request")
        file = files.by_id(said)
        if file.is_photo is not (kind == "photo"):
            raise bad(f"can't use file of type {'Photo' if file.is_photo else 'Document'} as {kind.capitalize()}")
        return file


def bare(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as another one quotes it: without what it answered itself."""
    return {key: value for key, value in message.items() if key != "reply_to_message"}


def _marks(name: str, marked: tuple[Entity, ...]) -> dict[str, Any]:
    return {name: [one.wire() for one in marked]} if marked else {}


def _preview(call: Call) -> dict[str, Any]:
    asked = call.json("link_preview_options") or {}
    off = bool(asked.get("is_disabled")) or call.flag("disable_web_page_preview")
    return {"link_preview_options": {"is_disabled": True}} if off else {}


def _looks(wire: Mapping[str, Any]) -> tuple[object, ...]:
    """What a person would see change: words, marks, file, keyboard."""
    return (*(wire.get(key) for key in SHOWN), content(wire))
