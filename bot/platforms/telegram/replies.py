"""Whose pictures a reply is about: albums as they came, and permissions that their owner was asked for."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from bot.platforms.telegram.hearing import Attached, Remark
from bot.platforms.telegram.shelf import Shelf

ALBUM_LIFE: Final = timedelta(days=7)  # as long as a draft
ASK_LIFE: Final = timedelta(days=1)
MOST: Final = 10  # items of an album
TRIES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody wants to train on somebody else's pictures."""

    owner: int
    asker: int
    locale: str  # of the asker
    text: str  # what the asker said
    files: tuple[Attached, ...]


class Replies:
    """What must be known to judge a reply. Names of files at Telegram, never their bytes."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    # --- albums: Telegram tells them item by item, and a reply points to one of the items

    async def seen(self, remark: Remark) -> None:
        """Remember an item of an album, and who sent it."""
        name = f"album-{remark.chat}-{remark.album}"
        items = [asdict(file) for file in remark.files]
        for _ in range(TRIES):
            doc = await self._shelf.get(name)
            if doc is None:
                if await self._shelf.create("album", name, {"owner": remark.person, "files": items}):
                    return
                continue
            known = {file["unique"] for file in doc["files"]}
            files = [*doc["files"], *(item for item in items if item["unique"] not in known)][:MOST]
            if doc["owner"] != remark.person or files == doc["files"]:
                return
            if await self._shelf.replace("album", name, doc["version"], {"owner": remark.person, "files": files}):
                return

    async def album(self, chat: int, album: str, owner: int) -> tuple[Attached, ...]:
        """The album's items that we saw, if they are `owner`'s."""
        doc = await self._shelf.get(f"album-{chat}-{album}") if album else None
        return _files(doc) if doc is not None and doc["owner"] == owner else ()

    # --- permissions

    async def ask(self, asked: Asked) -> str:
        """Keep what was asked; the name that the owner's button carries."""
        nonce = secrets.token_hex(8)
        await self._shelf.create("ask", f"ask-{nonce}", asdict(asked))
        return nonce

    async def asked(self, nonce: str, owner: int) -> Asked | None:
        """What was asked of `owner`, who must be the one who answers; None for whatever reason there is nothing."""
        doc = await self._shelf.get(f"ask-{nonce[:32]}")
        if doc is None or doc["owner"] != owner:
            return None
        names = ("owner", "asker", "locale", "text")
        return Asked(files=_files(doc), **{name: doc[name] for name in names})

    async def settle(self, nonce: str) -> None:
        """It was allowed and done."""
        await self._shelf.drop(f"ask-{nonce[:32]}")

    async def sweep(self) -> None:
        """Forget what is too old to be meant."""
        await self._shelf.sweep("album", ALBUM_LIFE)
        await self._shelf.sweep("ask", ASK_LIFE)


def _files(doc: Mapping[str, Any]) -> tuple[Attached, ...]:
    return tuple(Attached(**file) for file in doc["files"])
