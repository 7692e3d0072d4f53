"""The person's side: what people, groups and channels do, and what they see."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from tests.support.telegram.audience import Scene
from tests.support.telegram.bell import PATIENCE
from tests.support.telegram.files import File
from tests.support.telegram.knowing import Press
from tests.support.telegram.markup import found
from tests.support.telegram.seen import Button, Seen, seen
from tests.support.telegram.speaking import bare
from tests.support.telegram.world import ANONYMOUS, CHANNEL_BOT, Chat, Kind, Message, User, stamp

CARRIED: Final[tuple[str, ...]] = ("text", "entities", "caption", "caption_entities", "photo", "document")
Given = Path | bytes | File  # a file to send; bytes and paths are new uploads, a File is sent again
Wanted = str | Callable[[Seen], bool]


class Voice:
    """Somebody who writes in one chat: a person in private, a person in a group, an anonymous administrator."""

    def __init__(self, scene: Scene, chat: Chat, user: User, author: Mapping[str, Any]) -> None:
        """`author`: who its messages say they are from."""
        self.scene, self.chat, self.user, self._author = scene, chat, user, author

    async def says(
        self,
        text: str = "",
        *,
        zip: Given | None = None,  # noqa: A002  # what a person calls it
        file: Given | None = None,
        photo: Given | None = None,
        size: int | None = None,
        reply: "Message | Seen | None" = None,
        name: str = "",
    ) -> Message:
        """Send words, or a file with `text` as its caption. `size` and `name` alone: a file nobody can fetch."""
        given = zip or file or photo
        if given is None and size is None:
            content: dict[str, Any] = _marked("text", "entities", text)
        else:
            kept = self._kept(given, as_photo=photo is not None, name=name, size=size)
            content = self.scene.world.files.media(kept) | _marked("caption", "caption_entities", text)
        return self._sent(content | self._answering(reply))

    async def replies(self, to: "Message | Seen", text: str = "", **more: Any) -> Message:
        return await self.says(text, reply=to, **more)

    async def album(
        self,
        items: Sequence[Given],
        caption: str = "",
        *,
        as_files: bool = False,
        order: Sequence[int] | None = None,
    ) -> list[Message]:
        """Two to ten pictures at once: as many messages of one group. `order`: in which their updates arrive."""
        assert 2 <= len(items) <= 10, "an album holds two to ten"
        group = {"media_group_id": str(13_000_000_000 + next(self.scene.numbers))}
        files = [self._kept(item, as_photo=not as_files) for item in items]
        said = [_marked("caption", "caption_entities", caption), *[{}] * (len(files) - 1)]
        contents = [
            {**self.scene.world.files.media(file), **words, **group} for file, words in zip(files, said, strict=True)
        ]
        messages = [self._posted(content) for content in contents]
        for index in order or range(len(messages)):
            self.scene.deliver(messages[index])
        return messages

    async def forwards(self, message: "Message | Seen", to: "Voice | None" = None) -> Message:
        """Send somebody's message on: the same file under the same unique id."""
        wire = _message(message).wire
        kept = {key: wire[key] for key in CARRIED if key in wire}
        origin = {"type": "user", "date": wire["date"], "sender_user": wire["from"]}
        return (to or self)._sent({**kept, "forward_origin": origin})

    async def edits(self, message: "Message | Seen", text: str) -> None:
        """Change the words, or the caption, of one's own message."""
        kept = _message(message)
        name, marks = ("text", "entities") if "text" in kept.wire else ("caption", "caption_entities")
        wire = {key: value for key, value in kept.wire.items() if key not in {name, marks}}
        kept.becomes({**wire, **_marked(name, marks, text), "edit_date": stamp()})
        self.scene.deliver(kept, edited=True)

    async def deletes(self, message: "Message | Seen") -> None:
        """Nobody tells a bot about it."""
        _message(message).gone = True
        self.scene.world.bell.ring()

    async def presses(self, label: str, on: "Message | Seen | None" = None) -> Press:
        """Press the button of that name, on `on` or on the newest message that has one."""
        where = on or self._with(label)
        shown = where if isinstance(where, Seen) else seen(where)
        return self.forges(shown.button(label).data, where)

    def forges(self, data: str, on: "Message | Seen") -> Press:
        """Send callback data as any client can: no button of ours needs to have held it."""
        assert data, "a button that only opens an address"
        number = str(4_000_000_000 + next(self.scene.numbers))
        press = Press(number, self.user.id, self.scene.knowing.clock() + self.scene.patience)
        self.scene.knowing.presses[number] = press
        query = {"id": number, "from": self.user.wire(), "chat_instance": str(self.chat.id), "data": data}
        self.scene.feed.push("callback_query", query | {"message": _message(on).wire})
        return press

    async def answered(self, press: Press) -> Press:
        """Wait until the button no longer turns."""
        await self.scene.world.bell.until(
            lambda: press.answer is not None, self.scene.patience, lambda: "never answered"
        )
        return press

    # --- what is seen

    def sees(self) -> list[Seen]:
        """The chat as it is now, oldest first."""
        return [seen(message) for message in self.chat.messages.values() if not message.gone]

    @property
    def heard(self) -> list[Seen]:
        """What the bot said, as it is now."""
        return [one for one in self.sees() if not one.mine]

    async def until(self, wanted: Wanted, seconds: float = PATIENCE) -> Seen:
        """The newest message of the bot that is as wanted (a pattern, or a test), as soon as there is one."""

        def look() -> Seen | None:
            return next((one for one in reversed(self.heard) if _fits(one, wanted)), None)

        return await self.scene.world.bell.until(look, seconds, lambda: f"{wanted!r} was never said in:\n{self.told()}")

    async def hears(self, more_than: int, seconds: float = PATIENCE) -> Seen:
        """What the bot says next, once it has said `more_than` things."""

        def look() -> Seen | None:
            return self.heard[more_than] if len(self.heard) > more_than else None

        return await self.scene.world.bell.until(look, seconds, lambda: f"nothing more was said in:\n{self.told()}")

    def told(self) -> str:
        return "\n---\n".join(f"{'>' if one.mine else '<'} {one.text} {one.labels}" for one in self.sees())

    def _with(self, label: str) -> Seen:
        for one in reversed(self.heard):
            if any(label.casefold() in name.casefold() for name in one.labels):
                return one
        raise AssertionError(f"no button {label!r} in:\n{self.told()}")

    # --- the wire

    def _sent(self, content: Mapping[str, Any]) -> Message:
        message = self._posted(content)
        self.scene.deliver(message)
        return message

    def _posted(self, content: Mapping[str, Any]) -> Message:
        return self.scene.world.post(self.chat, content, self._author, by_bot=False)

    def _answering(self, reply: "Message | Seen | None") -> dict[str, Any]:
        return {} if reply is None else {"reply_to_message": bare(_message(reply).wire)}

    def _kept(self, given: Given | None, *, as_photo: bool, name: str = "", size: int | None = None) -> File:
        files = self.scene.world.files
        if isinstance(given, File):
            return given
        data = given.read_bytes() if isinstance(given, Path) else given
        if as_photo:
            assert data is not None
            return files.photo(data)
        return files.document(name or (given.name if isinstance(given, Path) else "file.zip"), data, size)


class Person(Voice):
    """One user, in the private chat with the bot. `in_(group)` is the same person there."""

    def __init__(self, scene: Scene, user: User) -> None:
        """Their private chat must be in the world already."""
        super().__init__(scene, scene.world.private(user), user, {"from": user.wire()})

    @property
    def identity(self) -> str:
        """As our own books name this person."""
        return f"telegram:{self.user.id}"

    async def starts(self, payload: str = "") -> Message:
        """Press Start, or follow a link that carries `payload`."""
        assert re.fullmatch(r"[A-Za-z0-9_-]{0,64}", payload)
        if self.chat.bot != "member":
            self.chat.bot = "member"
        return await self.says(f"/start {payload}".strip())

    async def blocks(self) -> None:
        self.scene.turns(self.chat, self.user, "kicked")

    async def unblocks(self) -> None:
        self.scene.turns(self.chat, self.user, "member")

    async def opens(self, label: str) -> str:
        """Open the address behind a button, as a client does: a Mini App gets its signed initData in the fragment."""
        button = self._with(label).button(label)
        return button.url or self._app(button)

    def _app(self, button: Button) -> str:
        return f"{button.app}#tgWebAppData={quote(self.init_data())}&tgWebAppVersion=8.0&tgWebAppPlatform=android"

    def init_data(self) -> str:
        """What a Mini App is told about who opened it, signed with the bot's token."""
        user = json.dumps(self.user.wire(), separators=(",", ":"))
        said = {"auth_date": str(stamp()), "query_id": f"AAH{next(self.scene.numbers)}", "user": user}
        lines = "\n".join(f"{key}={said[key]}" for key in sorted(said))
        key = hmac.digest(b"WebAppData", self.scene.world.files.token.encode(), "sha256")
        return urlencode(said | {"hash": hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()})

    def in_(self, group: "Group") -> Voice:
        return Voice(self.scene, group.chat, self.user, {"from": self.user.wire()})


@dataclass(slots=True)
class Group:
    """Several people and the bot. Privacy mode is on: the bot hears commands and answers to its own words only."""

    scene: Scene
    chat: Chat

    @classmethod
    def founded(cls, scene: Scene, number: int, title: str, people: Sequence[Person], *, supergroup: bool) -> Self:
        chat = Chat(number, Kind.SUPERGROUP if supergroup else Kind.GROUP, title, bot="member")
        for index, person in enumerate(people):
            chat.members[person.user.id] = "member" if index else "creator"
        scene.world.chats[number] = chat
        return cls(scene, chat)

    def anonymous(self, person: Person) -> Voice:
        """An administrator who hides behind the group."""
        self.chat.members[person.user.id] = "administrator"
        author = {"from": self.scene.world.users[ANONYMOUS].wire(), "sender_chat": self.chat.wire()}
        return Voice(self.scene, self.chat, person.user, author)

    def linked(self, channel: "Channel") -> Voice:
        """A channel that writes here under its own name."""
        author = {"from": self.scene.world.users[CHANNEL_BOT].wire(), "sender_chat": channel.chat.wire()}
        return Voice(self.scene, self.chat, self.scene.world.users[CHANNEL_BOT], author)

    async def removes_bot(self, by: Person) -> None:
        self.scene.turns(self.chat, by.user, "kicked")

    async def adds_bot(self, by: Person) -> None:
        self.scene.turns(self.chat, by.user, "member")

    async def migrates(self, by: Person) -> "Group":
        """Become a supergroup: another id, and no message comes along."""
        number = -1_000_000_000_000 + self.chat.id
        fresh = Chat(number, Kind.SUPERGROUP, self.chat.title, bot=self.chat.bot, members=self.chat.members)
        self.scene.world.chats[number] = fresh
        author = {"from": by.user.wire()}
        leaving = self.scene.world.post(self.chat, {"migrate_to_chat_id": number}, author, by_bot=False)
        self.chat.moved = number
        self.scene.deliver(leaving)
        arriving = self.scene.world.post(fresh, {"migrate_from_chat_id": self.chat.id}, author, by_bot=False)
        self.scene.deliver(arriving)
        return Group(self.scene, fresh)


class Channel(Voice):
    """A channel the bot administers."""

    @classmethod
    def founded(cls, scene: Scene, number: int, title: str) -> Self:
        chat = Chat(number, Kind.CHANNEL, title, bot="administrator")
        scene.world.chats[number] = chat
        return cls(scene, chat, scene.world.users[CHANNEL_BOT], {"sender_chat": chat.wire()})


def _marked(name: str, marks: str, text: str) -> dict[str, Any]:
    entities = [one.wire() for one in found(text)]
    return ({name: text} if text else {}) | ({marks: entities} if entities else {})


def _message(one: "Message | Seen") -> Message:
    return one.message if isinstance(one, Seen) else one


def _fits(one: Seen, wanted: Wanted) -> bool:
    return re.search(wanted, one.text) is not None if isinstance(wanted, str) else wanted(one)
