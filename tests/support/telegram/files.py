"""Files as Telegram keeps them: a new file_id each time it is named, one file_unique_id for good, links that expire."""

import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from tests.support.telegram.answers import bad

if TYPE_CHECKING:  # it knows us
    from tests.support.telegram.world import Message

MEGA: Final = 1 << 20
DOWNLOAD_MAX: Final = 20 * MEGA  # getFile in the cloud
UPLOAD_MAX: Final = 50_000_000  # a bot's document; the local server takes 2000 MB
PHOTO_MAX: Final = 10 * MEGA
PHOTO_SIDES: Final = 10_000  # width and height together
PHOTO_RATIO: Final = 20
THUMB: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`data` None: only its size is true, as of a file nobody may fetch."""

    unique: str
    name: str
    size: int
    data: bytes | None
    mime: str
    width: int = 0
    height: int = 0
    thumb: "File | None" = None

    @property
    def is_photo(self) -> bool:
        return bool(self.width)


@dataclass(slots=True)
class Files:
    """`local`: the folder of a server in --local mode, which hands out paths instead of links."""

    token: str
    local: Path | None = None
    fetched: list[str] = field(default_factory=list)  # names of what was asked for with getFile
    asked: list[str] = field(default_factory=list)  # unique ids of the same
    stillborn: set[str] = field(default_factory=set)  # unique ids whose next link is dead when it is followed
    violations: list[str] = field(default_factory=list)
    _ids: dict[str, File] = field(default_factory=dict)
    _links: dict[str, File] = field(default_factory=dict)
    _number: "count[int]" = field(default_factory=lambda: count(1))

    def document(self, name: str, data: bytes | None, size: int | None = None) -> File:
        size = len(data) if data is not None else size or 0
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return File(unique=f"AgAD{next(self._number)}", name=name, size=size, data=data, mime=mime)

    def photo(self, data: bytes) -> File:
        """A picture to be shown. Raises Refusal for what Telegram would not show."""
        if len(data) > PHOTO_MAX:
            raise bad(f"file of size {len(data)} bytes is too big for a photo; the maximum size is {PHOTO_MAX} bytes")
        try:
            with Image.open(BytesIO(data)) as picture:
                width, height = picture.size
        except (OSError, ValueError):
            raise bad("IMAGE_PROCESS_FAILED") from None
        if width + height > PHOTO_SIDES or max(width, height) > PHOTO_RATIO * min(width, height):
            raise bad("PHOTO_INVALID_DIMENSIONS")
        scale = THUMB / max(width, height)
        thumb = File(
            unique=f"AQAD{next(self._number)}s", name="thumb.jpg", size=1000, data=None, mime="image/jpeg",
            width=max(1, round(width * scale)), height=max(1, round(height * scale)),
        )  # fmt: skip
        return File(
            unique=f"AQAD{next(self._number)}y", name="photo.jpg", size=len(data), data=data, mime="image/jpeg",
            width=width, height=height, thumb=thumb,
        )  # fmt: skip

    def named(self, file: File) -> dict[str, Any]:
        """`file` as a message names it: under an id of this moment."""
        said = {"file_id": self._id(file), "file_unique_id": file.unique, "file_size": file.size}
        if file.is_photo:
            return said | {"width": file.width, "height": file.height}
        return said | {"file_name": file.name, "mime_type": file.mime}

    def media(self, file: File) -> dict[str, Any]:
        """What a message with `file` in it holds."""
        if not file.is_photo:
            return {"document": self.named(file)}
        assert file.thumb is not None
        return {"photo": [self.named(file.thumb), self.named(file)]}

    def by_id(self, file_id: str) -> File:
        if file_id not in self._ids:
            raise bad("wrong file identifier/HTTP URL specified")
        return self._ids[file_id]

    def get(self, file_id: str) -> dict[str, Any]:
        """The method getFile. Refuses what is too big for the cloud, and writes down that somebody asked."""
        if file_id not in self._ids:
            raise bad("wrong file_id or the file is temporarily unavailable")
        file = self._ids[file_id]
        self.fetched.append(file.name)
        self.asked.append(file.unique)
        if file.size > DOWNLOAD_MAX and self.local is None:
            self.violations.append(f"getFile of {file.name}, {file.size} bytes")
            raise bad("file is too big")
        assert file.data is not None, f"{file.name} is only a size"
        kind = "photos" if file.is_photo else "documents"
        path = f"{kind}/file_{next(self._number)}{Path(file.name).suffix}"
        if self.local is not None:
            path = str(self._laid(path, file.data))
        if file.unique in self.stillborn:
            self.stillborn.discard(file.unique)
        else:
            self._links[path] = file
        said = {"file_id": file_id, "file_unique_id": file.unique, "file_size": file.size}
        return said | {"file_path": path}

    def fetched_of(self, messages: "Iterable[Message]") -> list[str]:
        """Which files of `messages` were asked for, by unique id, as often as they were."""
        there = {content(message.wire) for message in messages}
        return [unique for unique in self.asked if unique in there]

    def linked(self, path: str) -> File | None:
        return self._links.get(path)

    def expire(self) -> None:
        """An hour and more later: links no longer lead anywhere, ids still do."""
        self._links.clear()

    def _id(self, file: File) -> str:
        file_id = f"BQACAgIAAxk{next(self._number)}"
        self._ids[file_id] = file
        return file_id

    def _laid(self, path: str, data: bytes) -> Path:
        assert self.local is not None
        target = self.local / self.token / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target


def content(message: Mapping[str, Any]) -> str | None:
    """The file_unique_id of what a message shows, if it shows a file."""
    if "photo" in message:
        return str(message["photo"][-1]["file_unique_id"])
    return str(message["document"]["file_unique_id"]) if "document" in message else None
